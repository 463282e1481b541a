/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says of itself, read once for a scrape. A plain value. */
#ifndef CH_SURFACE_SELF_H
#define CH_SURFACE_SELF_H

#include "state.h"

/* Counts that could not be read are negative, and left out. */
struct ch_self {
    uint64_t targets;
    uint8_t reload_ok;
    int64_t reload_success_ns; /* 0: never */
    uint64_t log_dropped;

    int64_t cpu_ns; /* user and system */
    int64_t open_fds;
    int64_t max_fds;
    int64_t virtual_bytes;
    int64_t resident_bytes;
    int64_t threads;
    int64_t start_ns;
};

/* generation may be NULL: none is published yet. */
void ch_self_read(const struct ch_state *state, const struct ch_generation *generation,
                  struct ch_self *ret);

#endif
