/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign bytes made fit for messages and files. Pure functions; any thread. */
#ifndef CONNHEALTH_TEXT_H
#define CONNHEALTH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For one line of a message: in double quotes, what is not printable ASCII
 * escaped, cut with "..." if long. Returns text. */
#define CH_QUOTED_TEXT 96
const char *ch_text_quote(const void *bytes, size_t len, char text[CH_QUOTED_TEXT]);

/* The inside of a double-quoted YAML scalar that stands for these bytes, if they
 * are UTF-8 (others are escaped one by one: \xNN, which YAML reads as U+00NN). A
 * malloc'd string, NULL when out of memory. */
char *ch_text_escape(const void *bytes, size_t len);

/* Length of the UTF-8 character that text begins with (RFC 3629, 4) and its code
 * point; 0 if it begins with none. len is at least 1. */
size_t ch_text_decode(const void *text, size_t len, uint32_t *ret);

/* Value of a hexadecimal digit, -1 if it is none. */
int ch_text_hex_digit(char c);

bool ch_text_is_utf8(const void *bytes, size_t len);

#endif
