/* SPDX-License-Identifier: Apache-2.0 */
/* Generations and records as a daemon that probed for a while would have them,
 * without any probing. Whatever goes wrong ends the program. */
#ifndef CH_TEST_SYNTHETIC_H
#define CH_TEST_SYNTHETIC_H

#include "state.h"

/* The time at which everything here happens: 2023-11-14 22:13:20.123 UTC. */
#define SYNTHETIC_NOW_NS INT64_C(1700000000123456789)

/* A generation of this configuration's text. */
struct ch_generation *synthetic_generation(const char *yaml);

/* A configuration of so many targets, each with a connect probe; a malloc'd
 * string. */
char *synthetic_yaml(size_t targets);

/* One attempt; a failed one as ch_classify() judges the evidence. */
void synthetic_success(struct ch_record *record, enum ch_probe_kind kind, int64_t duration_ns);
void synthetic_failure(struct ch_record *record, enum ch_probe_kind kind,
                       const struct ch_evidence *evidence);

/* The records of a host's morning: successes, stalls, refusals, resets, ICMP
 * errors, and a connection in trouble; the same every time. */
void synthetic_morning(const struct ch_generation *generation, struct ch_events *events);

#endif
