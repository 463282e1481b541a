/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log line is one message and a list of fields. It goes to the journal with
 * its fields when stderr is the journal's, else to stderr as logfmt or JSON.
 * Any thread. A line is written with one write(2); if stderr is full or gone
 * the line is dropped and counted, the program goes on. A call never waits and
 * leaves errno alone. Before ch_log_setup(): logfmt on stderr, info and above.
 */
#ifndef CH_ENGINE_LOG_H
#define CH_ENGINE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum ch_log_level { CH_LOG_DEBUG, CH_LOG_INFO, CH_LOG_WARN, CH_LOG_ERROR };
enum ch_log_format {
    CH_LOG_FORMAT_AUTO,
    CH_LOG_FORMAT_JOURNAL,
    CH_LOG_FORMAT_LOGFMT,
    CH_LOG_FORMAT_JSON
};

void ch_log_setup(enum ch_log_level level, enum ch_log_format format);
bool ch_log_enabled(enum ch_log_level level);

/* fields: name, value, name, value, …, NULL. A NULL value leaves the field out.
 * Names are lower_case; in the journal they become CONNHEALTH_UPPER_CASE. */
void ch_log_fields(enum ch_log_level level, const char *message, ...) __attribute__((sentinel));
/* The same for a message that the journal's catalog explains: id is one of
 * messages.h. */
void ch_log_message(enum ch_log_level level, const char *id, const char *message, ...)
    __attribute__((sentinel));
/* A message without fields, printf-like. */
void ch_log(enum ch_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t ch_log_dropped(void);

#endif
