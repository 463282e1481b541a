/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each probe runs, and what becomes of what it saw. One runner for each
 * series; all of it on the prober's thread.
 *
 * Starts lie at fixed places of the monotonic clock: offset + n * interval, the
 * offset being a hash of group, target and probe. So they are spread, they are
 * the same after a restart and after a reload, and a slow attempt moves only its
 * own next one, never another's.
 */
#ifndef CH_ENGINE_SCHEDULE_H
#define CH_ENGINE_SCHEDULE_H

#include "changes.h"
#include "demand.h"
#include "generation.h"

/* What all runners share. */
struct ch_schedule {
    struct ch_prober prober;
    struct ch_events *events;
    struct ch_changes *changes;
    bool close_by_reset; /* what `close: auto` means at present */
    int64_t slept_ns;    /* of the machine, when the connections that are held were begun */
    /* a demand of a runner has its result */
    void (*answered)(struct ch_demand *demand);
};

struct ch_runner;

/* Whether the machine has slept since then: what fails now may be of before. */
bool ch_schedule_slept(const struct ch_schedule *schedule);
/* The first place after now. */
int64_t ch_schedule_next(int64_t now, int64_t offset, int64_t interval);
/* The place of a series in its interval: 0 <= offset < interval. */
int64_t ch_schedule_offset(const struct ch_series *series);
/* A persistent probe without a connection tries again sooner than its interval:
 * how long after the failures-th failure in a row, spread by seed. Interval itself
 * once the back-off has reached it: from then on the probe keeps to its places. */
int64_t ch_schedule_retry(uint32_t failures, int64_t interval, uint64_t seed);
/* Whether `close: auto` should mean RST for this generation. */
bool ch_schedule_wants_reset(const struct ch_generation *generation);

/* The upcalls that schedule.prober.ops must point to. */
extern const struct ch_prober_ops ch_schedule_ops;

/* Starts at its first place after now. The series must outlive the runner or be
 * replaced with ch_runner_rebind. 0 or -ENOMEM. */
int ch_runner_new(struct ch_schedule *schedule, const struct ch_series *series,
                  struct ch_runner **ret);
/* The same probe under a new generation: connection and schedule go on. */
void ch_runner_rebind(struct ch_runner *runner, const struct ch_series *series);
/* Begins an attempt now, or right after the one that is under way; it answers
 * the demand (schedule.answered). */
void ch_runner_demand(struct ch_runner *runner, struct ch_demand *demand);
/* Cancels its demands. */
struct ch_runner *ch_runner_free(struct ch_runner *runner); /* takes NULL, returns NULL */

#endif
