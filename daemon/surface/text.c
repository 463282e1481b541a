/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "connhealth/text.h"

void ch_text_free(struct ch_text *text)
{
    free(text->data);
    *text = (struct ch_text){.data = NULL};
}

bool ch_text_grow(struct ch_text *text, size_t more)
{
    size_t size = text->size ? text->size : 256;
    char *data;

    if (text->failed || more > SIZE_MAX / 4 - text->len)
        goto failed;
    while (size - text->len < more)
        size *= 2;
    data = realloc(text->data, size);
    if (!data)
        goto failed;
    text->data = data;
    text->size = size;
    return true;
failed:
    text->failed = true;
    return false;
}

void ch_text_append(struct ch_text *text, const void *data, size_t len)
{
    if (text->failed || len == 0 || !ch_text_reserve(text, len))
        return;
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

void ch_text_puts(struct ch_text *text, const char *string)
{
    ch_text_append(text, string, strlen(string));
}

void ch_text_printf(struct ch_text *text, const char *format, ...)
{
    va_list args, again;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && !text->failed && ch_text_reserve(text, (size_t)len + 1)) {
        vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
        text->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void ch_text_u64(struct ch_text *text, uint64_t value)
{
    if (!text->failed && ch_text_reserve(text, CH_NUMBER_TEXT))
        text->len = (size_t)(ch_number_u64(text->data + text->len, value) - text->data);
}

void ch_text_decimal(struct ch_text *text, int64_t value, unsigned scale)
{
    if (!text->failed && ch_text_reserve(text, CH_NUMBER_TEXT))
        text->len = (size_t)(ch_number_decimal(text->data + text->len, value, scale) - text->data);
}

char *ch_text_take(struct ch_text *text)
{
    char *data;

    ch_text_append(text, "", 1);
    data = text->failed ? NULL : text->data;
    if (data)
        text->data = NULL;
    ch_text_free(text);
    return data;
}

char *ch_number_u64(char *at, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[CH_NUMBER_TEXT], *first = digits + sizeof(digits);
    size_t len;

    if (value < 10) {
        *at = (char)('0' + value);
        return at + 1;
    }
    while (value >= 100) {
        first -= 2;
        memcpy(first, &pairs[value % 100 * 2], 2);
        value /= 100;
    }
    if (value >= 10) {
        first -= 2;
        memcpy(first, &pairs[value * 2], 2);
    } else {
        *--first = (char)('0' + value);
    }
    len = (size_t)(digits + sizeof(digits) - first);
    memcpy(at, first, len);
    return at + len;
}

char *ch_number_decimal(char *at, int64_t value, unsigned scale)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint64_t fraction = magnitude % powers[scale];

    if (value < 0)
        *at++ = '-';
    at = ch_number_u64(at, magnitude / powers[scale]);
    if (fraction == 0)
        return at;
    while (fraction % 10 == 0) {
        fraction /= 10;
        scale--;
    }
    *at = '.';
    for (unsigned i = scale; i > 0; i--) {
        at[i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return at + scale + 1;
}

void ch_text_utf8(struct ch_text *text, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t good = 0, step;
        uint32_t character;

        while (good < len && (step = ch_text_decode(bytes + good, len - good, &character)) > 0)
            good += step;
        ch_text_append(text, bytes, good);
        bytes += good;
        len -= good;
        if (len > 0) {
            ch_text_append(text, "\xEF\xBF\xBD", 3);
            bytes++;
            len--;
        }
    }
}
