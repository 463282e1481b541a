/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes as in a C string literal, for bytes given on a command line. Pure. */
#ifndef CH_CTL_UNESCAPE_H
#define CH_CTL_UNESCAPE_H

#include <stddef.h>

/* Writes at most strlen(text) bytes to out and their number to *ret_len. NULL, or
 * what is wrong, with the offset of the backslash at fault. */
const char *ctl_unescape(const char *text, char *out, size_t *ret_len, size_t *ret_offset);

#endif
