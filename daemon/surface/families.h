/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of every family on /metrics but those of family writers: what it is
 * called, and where its values lie. Private to the exposition; constant data.
 */
#ifndef CH_SURFACE_FAMILIES_H
#define CH_SURFACE_FAMILIES_H

#include "exposition.h"
#include "generation.h"

/* The struct that offset points into. */
enum ch_source {
    CH_SOURCE_RECORD,    /* struct ch_record: one for each series */
    CH_SOURCE_SETTINGS,  /* struct ch_probe_settings: one for each series */
    CH_SOURCE_SELF,      /* struct ch_self */
    CH_SOURCE_LAG,       /* struct ch_loop_lag; may be missing */
    CH_SOURCE_RESPONDER, /* struct ch_responder_counters; may be missing */
};

/* What lies there, and how it becomes samples. */
enum ch_representation {
    CH_AS_COUNT,      /* _Atomic uint64_t */
    CH_AS_PLAIN,      /* uint64_t */
    CH_AS_SIGNED,     /* int64_t, no sample while negative */
    CH_AS_FLAG,       /* uint8_t, 0 or 1 */
    CH_AS_BOOL,       /* _Atomic uint8_t, 0 or 1 */
    CH_AS_SUCCESS,    /* _Atomic uint8_t, enum ch_success; no sample before the first attempt */
    CH_AS_TIME,       /* _Atomic int64_t, ns of the real-time clock; no sample while 0 */
    CH_AS_PLAIN_TIME, /* the same, int64_t */
    CH_AS_NS,         /* _Atomic int64_t, ns; no sample while 0 */
    CH_AS_PLAIN_NS,   /* int64_t, ns */
    CH_AS_US,         /* _Atomic uint32_t, us; no sample while 0 */
    CH_AS_HISTOGRAM,  /* row->histogram */
    CH_AS_CATEGORIES, /* _Atomic uint64_t[CH_CATEGORY_COUNT]; label category */
    CH_AS_CAUSES,     /* struct ch_cause_count *_Atomic; labels phase, category, wire, cause */
    CH_AS_ICMP,       /* struct ch_icmp_count *_Atomic; labels icmp, offender */
    CH_AS_TROUBLES,   /* _Atomic uint8_t, enum ch_trouble; label trouble */
    CH_AS_ENDS,       /* _Atomic uint64_t[CH_PHASE_COUNT][CH_CATEGORY_COUNT] */
    CH_AS_BUILD,      /* nothing: labels version, revision, compiler */
    CH_REPRESENTATION_COUNT
};

/* Which series have the family; bits. */
enum ch_only {
    CH_ONLY_TCP = 1,
    CH_ONLY_PERSISTENT = 2, /* probes that hold a connection */
    CH_ONLY_TIMED = 4,      /* probes whose attempts take time: not keepalive */
    CH_ONLY_SENDING = 8,    /* probes that can meet a full send buffer */
};

/* Counts that are not cumulative, one more than bounds (the rest is +Inf), and
 * the sum of what was counted; offsets in the row's source. */
struct ch_histogram {
    const int64_t *bounds_ns;
    unsigned bound_count;
    size_t bucket_offset; /* _Atomic uint64_t[bound_count + 1] */
    size_t sum_offset;    /* _Atomic uint64_t, ns */
};

struct ch_row {
    struct ch_family family;
    enum ch_source source;
    enum ch_representation as;
    size_t offset;
    unsigned only; /* enum ch_only, for sources that are one for each series */
    const struct ch_histogram *histogram;
};

#define CH_HISTOGRAM_BUCKETS_MAX 16

extern const struct ch_row ch_families[];
extern const size_t ch_family_count;

#endif
