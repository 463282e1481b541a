/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign text made fit for a terminal, and amounts as a person reads them. */
#ifndef CH_CTL_PLAIN_H
#define CH_CTL_PLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* Appends UTF-8 text; what would move a terminal's cursor, change its state or
 * turn the reading order is escaped: \x1b, \u202e. What is not UTF-8 is \xNN. */
void plain_text(struct ch_text *out, const char *text);

/* Columns that such text takes, one a character. */
size_t plain_width(const char *text);

/* Each writes into text and returns it. */
#define PLAIN_AMOUNT 48
const char *plain_duration(double seconds, char text[PLAIN_AMOUNT]); /* 350ms, 3h 12min */
const char *plain_bytes(double bytes, char text[PLAIN_AMOUNT]);      /* 0 B, 12.3 KiB */
/* Of Unix seconds, in local time: 2026-11-22 16:20:11 UTC; "never" for 0. */
const char *plain_time(double unix_seconds, char text[PLAIN_AMOUNT]);

#endif
