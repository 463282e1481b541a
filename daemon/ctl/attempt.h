/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of any kind, run to its end on a loop of its own. */
#ifndef CH_CTL_ATTEMPT_H
#define CH_CTL_ATTEMPT_H

#include "connhealth/probe.h"
#include "record.h"

struct ctl_attempt {
    struct ch_probe_spec spec;
    const char *target; /* as it was written */
    int64_t timeout_ns;
    /* the result */
    struct ch_attempt result;
    int64_t elapsed_ns; /* of all of it, the name's lookup included */
};

/* 0 with the result filled (a failed probe is a result), or a negative errno. */
int ctl_attempt_run(struct ctl_attempt *attempt);

#endif
