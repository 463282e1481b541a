/* SPDX-License-Identifier: Apache-2.0 */
/* A whole file in memory, bounded. */
#ifndef CH_ENGINE_FILE_H
#define CH_ENGINE_FILE_H

#include <stddef.h>

#define CH_FILE_MAX_BYTES (32U << 20)

enum ch_file_kind {
    CH_FILE_REGULAR, /* nothing else: a FIFO could block for ever */
    CH_FILE_ANY,     /* also /dev/stdin, or a shell's <(…) */
};

/* 0 and *ret_text (NUL-terminated, the caller frees), or a negative errno;
 * -EFBIG beyond the limit, -EISDIR or -EINVAL for what is no regular file. */
int ch_file_read(const char *path, enum ch_file_kind kind, char **ret_text, size_t *ret_len);

/* What to tell the user of such an errno. */
const char *ch_file_reason(int error);

#endif
