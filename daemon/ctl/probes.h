/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of /api/v1/targets as a table: one row for each probe of each target. */
#ifndef CH_CTL_PROBES_H
#define CH_CTL_PROBES_H

#include <stdbool.h>
#include <stddef.h>

#include "ask.h"

/* In the order in which a person wants to see them. */
enum probe_state {
    PROBE_FAILING,
    PROBE_TROUBLED, /* succeeds, and something is wrong */
    PROBE_UNTRIED,
    PROBE_OK,
    PROBE_STATE_COUNT
};

struct cJSON;

/* element: one of /api/v1/targets. */
enum probe_state probe_state_of(const struct cJSON *element);
const char *probe_state_word(enum probe_state state);
enum layout_paint probe_state_paint(enum probe_state state);

/* "refused: port_closed", with "likely" where the cause is an inference; of last or
 * of an event. A malloc'd string, NULL without memory. */
char *probe_why(const struct cJSON *attempt);

/* The rows, failing first if sorted: those that changed last before the others.
 * 0, -ENOMEM or -EBADMSG. */
int probes_print(const struct ctl_answer *answer, bool sorted, size_t *ret_count);

#endif
