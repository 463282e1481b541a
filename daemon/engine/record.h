/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of one target's one probe: counters, the last attempt, the
 * last failure. Written by the prober's thread alone, read by any thread at any
 * time without a lock: counters are relaxed atomics, larger values are cells
 * (cell.h), lists only grow.
 *
 * A record outlives the generation that made it: the next generation takes a
 * reference for every target that is still there, so counters survive a reload.
 */
#ifndef CH_ENGINE_RECORD_H
#define CH_ENGINE_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "connhealth/evidence.h"
#include "connhealth/outcome.h"
#include "connhealth/probe.h"

#define CH_DURATION_BUCKETS 13 /* the last is +Inf */
extern const int64_t ch_duration_bounds_ns[CH_DURATION_BUCKETS - 1];

#define CH_ICMP_PAIRS_MAX 16

/* One (phase, category, wire, cause) that was met; prepended, never removed. */
struct ch_cause_count {
    struct ch_cause_count *_Atomic next;
    struct ch_outcome outcome;
    _Atomic uint64_t count;
};

/* One (icmp, offender) pair. After CH_ICMP_PAIRS_MAX of them the row with
 * icmp.version 0 and offender AF_UNSPEC collects the rest ("other"). */
struct ch_icmp_count {
    struct ch_icmp_count *_Atomic next;
    struct ch_icmp icmp;
    _Atomic uint64_t count;
};

/* A finished attempt as the surfaces show it: JSON's `last`. */
struct ch_attempt {
    int64_t time_ns; /* realtime, when it ended */
    struct ch_evidence evidence;
    struct ch_outcome outcome;
};

struct ch_attempt_cell; /* cell.h */

enum ch_success { CH_SUCCESS_NEVER_TRIED = 0, CH_SUCCESS_NO = 1, CH_SUCCESS_YES = 2 };

/* In the order of use: what every attempt touches fills the first 64 bytes, and
 * with the buckets behind it a successful attempt costs two or three cache lines
 * however many targets there are. */
struct ch_record {
    atomic_uint refs;
    _Atomic uint8_t success;     /* enum ch_success: the last attempt that counts */
    _Atomic uint8_t established; /* persistent probes */
    _Atomic uint8_t trouble;     /* enum ch_trouble */
    _Atomic uint8_t trouble_stage;
    _Atomic uint32_t consecutive;  /* attempts in a row with the present success */
    _Atomic uint32_t last_outcome; /* private to record.c; 0: never tried */
    _Atomic uint32_t rtt_us;       /* 0: not known */
    _Atomic uint64_t attempts;
    _Atomic int64_t last_attempt_ns;  /* realtime; 0: never */
    _Atomic int64_t last_success_ns;  /* realtime; 0: never */
    _Atomic int64_t last_duration_ns; /* of the last successful attempt */
    _Atomic uint64_t duration_sum_ns;
    _Atomic uint64_t bucket[CH_DURATION_BUCKETS]; /* not cumulative */

    _Atomic uint64_t failures[CH_CATEGORY_COUNT];
    _Atomic int64_t since_ns;   /* realtime: when success took its present value */
    _Atomic int64_t changed_ns; /* realtime: when the outcome was last another than the one before
                                   (the first is); 0: never tried */
    _Atomic uint64_t syn_retransmits;
    _Atomic uint64_t send_stalls;
    _Atomic uint64_t opens;
    _Atomic int64_t established_ns; /* realtime; of the present connection, 0: none */
    _Atomic int64_t trouble_until_give_up_ns;
    _Atomic int64_t trouble_since_ns; /* realtime */
    _Atomic int64_t idle_survived_ns;
    _Atomic int64_t idle_died_ns;
    struct ch_cause_count *_Atomic causes;
    struct ch_icmp_count *_Atomic icmp;
    struct ch_attempt_cell *_Atomic last_failure; /* NULL until the first failure */
};

struct ch_record *ch_record_new(void); /* one reference; NULL: out of memory */
struct ch_record *ch_record_ref(struct ch_record *record);
struct ch_record *ch_record_unref(struct ch_record *record); /* takes NULL, returns NULL */

/* Prober's thread. Counts the attempt; true if the outcome changed (success
 * turned, or a failure of another category, phase or cause): the caller logs and
 * keeps an event. A first attempt that succeeds is no change. A local_resource
 * failure is counted and may be a change, but success, since and consecutive
 * stay: it is not the target's fault. Without memory the counters still count;
 * the row of the cause, or what is kept of the failure, may be missing. */
bool ch_record_attempt(struct ch_record *record, const struct ch_attempt *attempt);
void ch_record_icmp(struct ch_record *record, const struct ch_icmp *icmp);

/* Before there is a prober: what was counted by the process before this one. */
void ch_record_set_cause(struct ch_record *record, const struct ch_outcome *outcome,
                         uint64_t count);
void ch_record_set_icmp(struct ch_record *record, const struct ch_icmp *icmp, uint64_t count);

/* Any thread. False if there was no failure yet. */
bool ch_record_last_failure(const struct ch_record *record, struct ch_attempt *ret);
/* One `last` for JSON: the last failure if the last attempt failed, else a
 * success of which only time, outcome and duration are set. False before the
 * first attempt. */
bool ch_record_last(const struct ch_record *record, struct ch_attempt *ret);

static inline void ch_count(_Atomic uint64_t *counter)
{
    /* One writer: a plain load and store, no locked instruction. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static inline uint64_t ch_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
