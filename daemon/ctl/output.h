/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands print: *_report.c for a person, json.c as JSON. Each that
 * returns anything returns 0 or -ENOMEM. */
#ifndef CH_CTL_OUTPUT_H
#define CH_CTL_OUTPUT_H

#include "attempt.h"
#include "check.h"

struct cJSON;

void probe_report(const struct ctl_attempt *attempt);
/* The answer of /api/v1/sockets; -EBADMSG if it is not. */
int sockets_report(const struct cJSON *root);
/* The lists of /api/v1/targets and of /api/v1/events. */
int show_report(const struct cJSON *probes, const struct cJSON *events);

/* The body of an answer as it came. */
void json_print_body(const char *body, size_t len);
int json_print_probe(const struct ctl_attempt *attempt);
int json_print_everything(void);
int json_print_category(enum ch_category category);
int json_print_cause(enum ch_cause cause);
/* config is NULL when there are errors. */
int json_print_check(const char *path, const struct ch_config *config,
                     const struct ch_config_errors *errors);

#endif
