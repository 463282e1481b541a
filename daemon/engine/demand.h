/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts ahead of their time: somebody wants to know now. Asked for on the
 * main thread, made on the prober's, answered back on the main one.
 *
 * Such an attempt is one like any other, counted and logged; the next one comes
 * at its usual place. While one is under way already, another follows it: the
 * answer never rests on what was seen before the question.
 */
#ifndef CH_ENGINE_DEMAND_H
#define CH_ENGINE_DEMAND_H

#include "connhealth/loop.h"
#include "generation.h"

struct ch_prober_thread;

struct ch_demand {
    struct ch_task task; /* private to the prober */
    struct ch_demand *next;
    struct ch_prober_thread *prober;
    struct ch_generation *generation; /* a reference: the one that was asked about */
    uint32_t series;                  /* index in it */
    void *context;                    /* whoever asked */
    int result;                       /* 0, or -ECANCELED: the series went before its answer */
};

/* NULL: out of memory. */
struct ch_demand *ch_demand_new(struct ch_generation *generation, uint32_t series, void *context);
struct ch_demand *ch_demand_free(struct ch_demand *demand); /* takes NULL, returns NULL */

/* The main thread, with the generation that was applied last. Takes the demand,
 * which comes back from ch_prober_answered() after at most twice the probe's
 * timeout and the time of a confirming connect. */
void ch_prober_demand(struct ch_prober_thread *prober, struct ch_demand *demand);
/* Readable while there are answers. */
int ch_prober_answered_fd(const struct ch_prober_thread *prober);
/* All there are, in no order; each is the caller's to free. */
struct ch_demand *ch_prober_answered(struct ch_prober_thread *prober);

#endif
