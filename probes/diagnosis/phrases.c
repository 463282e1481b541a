/* SPDX-License-Identifier: Apache-2.0 */
#include "phrases.h"

#include <stdarg.h>
#include <stdio.h>

#include "connhealth/clock.h"

void ch_say(struct ch_phrase *phrase, const char *format, ...)
{
    va_list args;
    int written;

    va_start(args, format);
    written = vsnprintf(phrase->at, phrase->left, format, args);
    va_end(args);
    if (written < 0)
        return;
    if ((size_t)written >= phrase->left)
        written = phrase->left > 0 ? (int)phrase->left - 1 : 0;
    phrase->at += written;
    phrase->left -= (size_t)written;
}

void ch_say_slug(struct ch_phrase *phrase, const char *slug)
{
    for (; *slug; slug++)
        ch_say(phrase, "%c", *slug == '_' ? ' ' : *slug);
}

void ch_say_count(struct ch_phrase *phrase, const char *lead, unsigned count, const char *what)
{
    ch_say(phrase, "%s%u %s%s", lead, count, what, count == 1 ? "" : "s");
}

static void say_two_units(struct ch_phrase *phrase, const char *lead, int64_t seconds)
{
    if (seconds < 3600)
        ch_say(phrase, "%s%d min %d s", lead, (int)(seconds / 60), (int)(seconds % 60));
    else if (seconds < 86400)
        ch_say(phrase, "%s%d h %d min", lead, (int)(seconds / 3600), (int)(seconds / 60 % 60));
    else
        ch_say(phrase, "%s%lld d %d h", lead, (long long)(seconds / 86400),
               (int)(seconds / 3600 % 24));
}

void ch_say_duration(struct ch_phrase *phrase, const char *lead, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    if (ns < CH_NS_PER_MS - CH_NS_PER_US / 2)
        ch_say(phrase, "%s%d us", lead, (int)((ns + CH_NS_PER_US / 2) / CH_NS_PER_US));
    else if (ns < 10 * CH_NS_PER_MS)
        ch_say(phrase, "%s%.1f ms", lead, (double)ns / CH_NS_PER_MS);
    else if (ns < CH_NS_PER_S)
        ch_say(phrase, "%s%d ms", lead, (int)(ns / CH_NS_PER_MS));
    else if (ns < 60 * CH_NS_PER_S)
        ch_say(phrase, "%s%.1f s", lead, (double)ns / CH_NS_PER_S);
    else
        say_two_units(phrase, lead, ns / CH_NS_PER_S);
}

static void say_byte(struct ch_phrase *phrase, uint8_t byte)
{
    switch (byte) {
    case '\r':
        ch_say(phrase, "\\r");
        break;
    case '\n':
        ch_say(phrase, "\\n");
        break;
    case '\t':
        ch_say(phrase, "\\t");
        break;
    case '"':
    case '\\':
        ch_say(phrase, "\\%c", byte);
        break;
    default:
        ch_say(phrase, byte >= ' ' && byte <= '~' ? "%c" : "\\x%02x", byte);
    }
}

void ch_say_quoted(struct ch_phrase *phrase, const uint8_t *bytes, size_t len)
{
    ch_say(phrase, " \"");
    for (size_t i = 0; i < len; i++)
        say_byte(phrase, bytes[i]);
    ch_say(phrase, "\"");
}

const char *ch_identity_phrase(unsigned identity)
{
    switch (identity) {
    case CH_IDENTITY_SAME:
        return ", to the same service on the same boot";
    case CH_IDENTITY_NEW_INSTANCE:
        return ", to a new instance on the same boot";
    case CH_IDENTITY_NEW_BOOT:
        return ", to a host that has booted anew";
    default:
        return "";
    }
}
