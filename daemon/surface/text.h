/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that grow: what every surface writes into, and the numbers as they are
 * printed everywhere.
 *
 * A failed allocation is remembered instead of returned: whatever follows does
 * nothing, and the owner asks once, at the end (text->failed). Zero-initialise
 * before use; not for two threads at once.
 */
#ifndef CH_SURFACE_TEXT_H
#define CH_SURFACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ch_text {
    char *data; /* not NUL-terminated */
    size_t len;
    size_t size;
    bool failed; /* out of memory: data is incomplete */
};

void ch_text_free(struct ch_text *text); /* leaves it empty and usable */

/* Room for more bytes at data + len; false if there is no memory. */
bool ch_text_grow(struct ch_text *text, size_t more);
static inline bool ch_text_reserve(struct ch_text *text, size_t more)
{
    return text->size - text->len >= more || ch_text_grow(text, more);
}

void ch_text_append(struct ch_text *text, const void *data, size_t len);
void ch_text_puts(struct ch_text *text, const char *string);
void ch_text_printf(struct ch_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ch_text_u64(struct ch_text *text, uint64_t value);
void ch_text_decimal(struct ch_text *text, int64_t value, unsigned scale);

/* The data as a malloc'd string, the caller's, leaving text empty; NULL when
 * anything before failed. */
char *ch_text_take(struct ch_text *text);

/* Both write at most CH_NUMBER_TEXT bytes at at, no NUL, and return the end. */
#define CH_NUMBER_TEXT 24
char *ch_number_u64(char *at, uint64_t value);
/* value / 10^scale as the shortest plain decimal: (2500000, 9) is 0.0025,
 * (3000000000, 9) is 3. scale is at most 9. */
char *ch_number_decimal(char *at, int64_t value, unsigned scale);

/* Appends bytes as valid UTF-8: whatever is not becomes U+FFFD, one for each
 * byte at fault. */
void ch_text_utf8(struct ch_text *text, const char *bytes, size_t len);

#endif
