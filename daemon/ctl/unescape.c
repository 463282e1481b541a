/* SPDX-License-Identifier: Apache-2.0 */
#include "unescape.h"

#include <string.h>

#include "connhealth/text.h"

/* \xHH: one or two digits, unlike C, where any number of them is one byte. */
static const char *take_hex(const char **text, char *out)
{
    int high = ch_text_hex_digit((*text)[1]), low;

    if (high < 0)
        return "\\x needs a hexadecimal digit";
    low = ch_text_hex_digit((*text)[2]);
    *out = (char)(low < 0 ? high : high * 16 + low);
    *text += low < 0 ? 2 : 3;
    return NULL;
}

static const char *take_octal(const char **text, char *out)
{
    int value = 0, digits = 0;

    while (digits < 3 && **text >= '0' && **text <= '7') {
        value = value * 8 + (**text - '0');
        (*text)++;
        digits++;
    }
    if (value > 255)
        return "is more than \\377";
    *out = (char)value;
    return NULL;
}

/* *text is behind the backslash. */
static const char *take_escape(const char **text, char *out)
{
    static const char names[] = "abfnrtv\\'\"?e";
    static const char bytes[] = "\a\b\f\n\r\t\v\\'\"?\033";
    const char *found;

    if (**text == 'x')
        return take_hex(text, out);
    if (**text >= '0' && **text <= '7')
        return take_octal(text, out);
    found = **text ? strchr(names, **text) : NULL;
    if (!found)
        return "is not an escape (\\r \\n \\t \\0 \\\\ \\xHH and the others of C are)";
    *out = bytes[found - names];
    (*text)++;
    return NULL;
}

const char *ctl_unescape(const char *text, char *out, size_t *ret_len, size_t *ret_offset)
{
    const char *begin = text;
    char *at = out;

    while (*text) {
        const char *place = text, *why;

        if (*text != '\\') {
            *at++ = *text++;
            continue;
        }
        text++;
        why = take_escape(&text, at);
        if (why) {
            *ret_offset = (size_t)(place - begin);
            return why;
        }
        at++;
    }
    *ret_len = (size_t)(at - out);
    return NULL;
}
