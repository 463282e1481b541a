/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a configuration for a person: connhealthd --config.check and
 * connhealthctl check-config. */
#ifndef CH_DAEMON_CHECK_H
#define CH_DAEMON_CHECK_H

#include "config.h"

#define CH_DEFAULT_CONFIG "/etc/connhealthd/connhealthd.yml"

struct ch_config_counts {
    size_t groups;
    size_t targets; /* of static_configs */
    size_t file_sd; /* patterns of file_sd_configs */
};
struct ch_config_counts ch_config_count(const struct ch_config *config);

/* Prints OK with counts, or every error, one a line, to stderr. Returns the
 * exit status. */
int ch_check_config(const char *program, const char *path);

#endif
