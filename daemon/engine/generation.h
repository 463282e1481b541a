/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One generation: a configuration and all the targets it has, with the records
 * that count for them. Immutable once published (the counters inside the
 * records aside), reference-counted, replaced as a whole by the next one.
 */
#ifndef CH_ENGINE_GENERATION_H
#define CH_ENGINE_GENERATION_H

#include "arena.h"
#include "config.h"
#include "record.h"

struct ch_runner; /* the prober's: schedule.h */

struct ch_target {
    const struct ch_group *group;
    const char *name; /* as written */
    struct ch_labels labels;
    uint32_t first_series; /* the series of its other probes follow this one */
    uint32_t hash;         /* private to generation.c */
};

/* ch_series.previous of a series that the generation before did not have */
#define CH_SERIES_NEW UINT32_MAX

/* One target's one probe: what a time series hangs on. */
struct ch_series {
    const struct ch_target *target;
    struct ch_probe_settings *settings;
    struct ch_record *record; /* a reference of this generation's */
    char *labels;             /* group="…",target="…",probe="…"[,user="…"], escaped for
                                 the text format, without braces */
    uint32_t labels_len;
    uint32_t previous; /* index of the same series in the generation before */
    enum ch_probe_kind kind;
    struct ch_runner *runner; /* touched by the prober's thread only */
};

struct ch_generation {
    atomic_uint refs;
    uint64_t number;
    struct ch_config *config;
    struct ch_target *targets;
    size_t target_count;
    struct ch_series *series; /* ordered by group, target, probe */
    size_t series_count;
    char *config_text; /* the effective configuration: set by the loader before it publishes,
                          malloc'd, freed with the generation */

    /* private to generation.c */
    uint32_t *sorted;     /* the targets' indices, by hash, group name, name and labels */
    struct ch_arena text; /* label texts, and copies of what was discovered */
};

struct ch_generation *ch_generation_ref(struct ch_generation *generation);
struct ch_generation *ch_generation_unref(struct ch_generation *generation);

/* The lists that one group's file_sd files hold at present. */
struct ch_group_targets {
    struct ch_target_list *lists;
    size_t count;
};

/* Takes the reference *config over (leaves NULL) on success. discovered: one per group of the
 * config (NULL: nothing was), only read: what is needed is copied. previous (may
 * be NULL): records of targets that are still there (same group, target, labels
 * and probe) are taken over, and series[].previous says which they were. Targets
 * named twice in a group with equal labels become one; a label without a value
 * counts as none, as it does in Prometheus. The order is that of the
 * configuration, then of the discovered lists. 0, or -ENOMEM with nothing
 * changed. */
int ch_generation_new(struct ch_config **config, const struct ch_group_targets *discovered,
                      const struct ch_generation *previous, struct ch_generation **ret);

/* Whether a held connection of a may go on as b's: same kind, target, transport,
 * confirm and options. Interval and timeout are not looked at. */
bool ch_series_same_settings(const struct ch_series *a, const struct ch_series *b);

#endif
