/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of connhealthd. */
#ifndef CH_DAEMON_FLAGS_H
#define CH_DAEMON_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"

#define CH_LISTEN_MAX 16

struct ch_flags {
    const char *config_file;
    const char *listen[CH_LISTEN_MAX];
    size_t listen_count;
    enum ch_log_level log_level;
    enum ch_log_format log_format;
    bool config_check;
    bool enable_lifecycle;
    const char *web_config_file; /* NULL: none */
    bool systemd_socket;         /* then listen has no default */
    bool help;
    bool version;
};

/* Fills *ret, whose strings point into argv. False with one line on stderr if
 * the arguments are unusable. */
bool ch_flags_parse(int argc, char **argv, struct ch_flags *ret);
void ch_flags_print_help(void);

#endif
