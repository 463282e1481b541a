/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The short escapes; 0 if the byte has none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

const char *ch_text_quote(const void *bytes, size_t len, char text[CH_QUOTED_TEXT])
{
    const unsigned char *from = bytes;
    /* the longest escape, the dots, the closing quote and NUL must still fit */
    const size_t room = CH_QUOTED_TEXT - sizeof("\\xff...\"");
    size_t used = 0;
    size_t i;

    text[used++] = '"';
    for (i = 0; i < len && used <= room; i++) {
        if (short_escape(from[i])) {
            text[used++] = '\\';
            text[used++] = short_escape(from[i]);
        } else if (from[i] < 0x20 || from[i] >= 0x7f) {
            used += (size_t)sprintf(text + used, "\\x%02x", from[i]);
        } else {
            text[used++] = (char)from[i];
        }
    }
    sprintf(text + used, "%s\"", i < len ? "..." : "");
    return text;
}

int ch_text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

size_t ch_text_decode(const void *text, size_t len, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = text;
    uint32_t point = bytes[0];
    size_t size;

    if (point < 0x80)
        size = 1;
    else if (point >= 0xc2 && point < 0xe0)
        size = 2;
    else if (point >= 0xe0 && point < 0xf0)
        size = 3;
    else if (point >= 0xf0 && point < 0xf5)
        size = 4;
    else
        return 0;
    if (size > len)
        return 0;
    if (size > 1)
        point &= 0x7fU >> size;
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return 0;
    *ret = point;
    return size;
}

bool ch_text_is_utf8(const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    uint32_t point;

    while (len > 0) {
        size_t size = ch_text_decode(from, len, &point);

        if (size == 0)
            return false;
        from += size;
        len -= size;
    }
    return true;
}

/* Those that a YAML reader refuses, takes for a line break (YAML 1.1, 4.1 and
 * 4.2), or that cannot be seen. */
static bool must_be_escaped(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
           point == 0xfeff || point == 0xfffe || point == 0xffff;
}

/* Appends at most 6 bytes; returns how many of from were used. */
static size_t escape_one(const unsigned char *from, size_t len, char *text, size_t *used)
{
    uint32_t point;
    size_t size = ch_text_decode(from, len, &point);

    if (size == 0) {
        *used += (size_t)sprintf(text + *used, "\\x%02x", from[0]);
        return 1;
    }
    if (size == 1 && short_escape(from[0])) {
        text[(*used)++] = '\\';
        text[(*used)++] = short_escape(from[0]);
    } else if (must_be_escaped(point)) {
        *used += (size_t)sprintf(text + *used, point < 0x100 ? "\\x%02x" : "\\u%04x", point);
    } else {
        memcpy(text + *used, from, size);
        *used += size;
    }
    return size;
}

char *ch_text_escape(const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    char *text = malloc(len * 4 + 1); /* \xNN for each byte is the longest */
    size_t used = 0;

    if (!text)
        return NULL;
    for (size_t i = 0; i < len;)
        i += escape_one(from + i, len - i, text, &used);
    text[used] = '\0';
    return text;
}
