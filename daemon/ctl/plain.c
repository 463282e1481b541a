/* SPDX-License-Identifier: Apache-2.0 */
#include "plain.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "connhealth/text.h"

/* C0, DEL and C1 (ECMA-48), line and paragraph separators, and the marks that
 * turn the reading order (Unicode Standard Annex 9, 2). */
static bool is_unsafe(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x61c ||
           (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

void plain_text(struct ch_text *out, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        uint32_t point;
        size_t len = ch_text_decode(text, left, &point);

        if (len == 0 || (is_unsafe(point) && point < 0x80))
            ch_text_printf(out, "\\x%02x", (unsigned)(unsigned char)text[0]);
        else if (is_unsafe(point))
            ch_text_printf(out, "\\u%04x", (unsigned)point);
        else
            ch_text_append(out, text, len);
        text += len ? len : 1;
        left -= len ? len : 1;
    }
}

size_t plain_width(const char *text)
{
    size_t width = 0;

    /* every byte but those that continue a character (RFC 3629, 3) */
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *two_units(char text[PLAIN_AMOUNT], double seconds, unsigned large,
                             const char *large_name, unsigned small, const char *small_name)
{
    unsigned long all = (unsigned long)seconds, rest = all % large / small;

    if (rest)
        snprintf(text, PLAIN_AMOUNT, "%lu%s %lu%s", all / large, large_name, rest, small_name);
    else
        snprintf(text, PLAIN_AMOUNT, "%lu%s", all / large, large_name);
    return text;
}

const char *plain_duration(double seconds, char text[PLAIN_AMOUNT])
{
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };

    if (!(seconds > 0))
        snprintf(text, PLAIN_AMOUNT, "0s");
    else if (seconds < 1e-3)
        snprintf(text, PLAIN_AMOUNT, "%.0fus", seconds * 1e6);
    else if (seconds < 0.1)
        snprintf(text, PLAIN_AMOUNT, "%.1fms", seconds * 1e3);
    else if (seconds < 0.9995)
        snprintf(text, PLAIN_AMOUNT, "%.0fms", seconds * 1e3);
    else if (seconds < 9.95)
        snprintf(text, PLAIN_AMOUNT, "%.2gs", seconds);
    else if (seconds < MINUTE)
        snprintf(text, PLAIN_AMOUNT, "%us", (unsigned)seconds);
    else if (seconds < HOUR)
        return two_units(text, seconds, MINUTE, "min", 1, "s");
    else if (seconds < DAY)
        return two_units(text, seconds, HOUR, "h", MINUTE, "min");
    else if (seconds < 1e15)
        return two_units(text, seconds, DAY, "d", HOUR, "h");
    else
        snprintf(text, PLAIN_AMOUNT, "for ever");
    return text;
}

const char *plain_bytes(double bytes, char text[PLAIN_AMOUNT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    while (bytes >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, PLAIN_AMOUNT, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]); // NOLINT
    return text;
}

const char *plain_time(double unix_seconds, char text[PLAIN_AMOUNT])
{
    time_t when = unix_seconds > 0 && unix_seconds < 1e11 ? (time_t)unix_seconds : 0;
    struct tm local;

    if (when == 0 || !localtime_r(&when, &local) ||
        strftime(text, PLAIN_AMOUNT, "%Y-%m-%d %H:%M:%S %Z", &local) == 0)
        snprintf(text, PLAIN_AMOUNT, "never");
    return text;
}
