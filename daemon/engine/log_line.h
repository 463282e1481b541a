/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log entry as bytes: logfmt, JSON, or a datagram of the journal. Pure
 * functions; any thread.
 *
 * Values may be any bytes. What is not UTF-8 becomes U+FFFD, control characters
 * are escaped, and what is too long is cut and ends in "…": a line always fits
 * and is always well-formed.
 */
#ifndef CH_ENGINE_LOG_LINE_H
#define CH_ENGINE_LOG_LINE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

/* A write of at most PIPE_BUF bytes to a pipe is one piece (pipe(7)). */
#define CH_LOG_LINE_MAX   PIPE_BUF
#define CH_LOG_VALUE_MAX  1024
#define CH_LOG_FIELDS_MAX 24

struct ch_log_field {
    const char *name;
    const char *value;
};

struct ch_log_entry {
    enum ch_log_level level;
    int64_t time_ns; /* realtime */
    const char *id;  /* messages.h; NULL: none. For the journal alone. */
    const char *message;
    size_t count;
    struct ch_log_field fields[CH_LOG_FIELDS_MAX];
};

/* Each returns the length; logfmt and JSON end in a newline, none in a NUL. */
size_t ch_log_line_logfmt(const struct ch_log_entry *entry, char line[CH_LOG_LINE_MAX]);
size_t ch_log_line_json(const struct ch_log_entry *entry, char line[CH_LOG_LINE_MAX]);
size_t ch_log_line_journal(const struct ch_log_entry *entry, char line[CH_LOG_LINE_MAX]);

#endif
