/* SPDX-License-Identifier: Apache-2.0 */
/* The names of counters, and their text written. */
#include "kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kept_private.h"

const struct counter_name counters_of_record[] = {
    {"attempts", offsetof(struct ch_record, attempts)},
    {"duration_sum_ns", offsetof(struct ch_record, duration_sum_ns)},
    {"syn_retransmits", offsetof(struct ch_record, syn_retransmits)},
    {"send_stalls", offsetof(struct ch_record, send_stalls)},
    {"opens", offsetof(struct ch_record, opens)},
    {NULL, 0},
};

const struct counter_name counters_of_responder[] = {
    {"accepts", offsetof(struct ch_responder_counters, accepts)},
    {"heartbeats", offsetof(struct ch_responder_counters, heartbeats)},
    {"malformed", offsetof(struct ch_responder_counters, malformed)},
    {"refused", offsetof(struct ch_responder_counters, refused)},
    {NULL, 0},
};

const struct counter_buckets counters_duration = {ch_duration_bounds_ns, CH_DURATION_BUCKETS};
const struct counter_buckets counters_lag = {ch_loop_lag_bounds_ns, CH_LOOP_LAG_BUCKETS};

/* Of no category are the clean ends that a responder sees. */
const char *counters_category_word(size_t index)
{
    if (index >= CH_CATEGORY_COUNT)
        return NULL;
    return index == CH_CATEGORY_NONE ? "none" : ch_category_row((enum ch_category)index)->slug;
}

const char *counters_phase_word(size_t index)
{
    if (index >= CH_PHASE_COUNT)
        return NULL;
    return index == CH_PHASE_NONE ? "none" : ch_phase_word((enum ch_phase)index)->slug;
}

const char *counters_bucket_word(const struct counter_buckets *buckets, size_t index,
                                 char word[KEPT_BUCKET_WORD])
{
    if (index >= buckets->count)
        return NULL;
    if (index + 1 == buckets->count)
        return "inf";
    snprintf(word, KEPT_BUCKET_WORD, "%" PRId64, buckets->bounds_ns[index]);
    return word;
}

uint64_t ch_kept_checksum(const char *text, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)text[i]) * UINT64_C(1099511628211);
    return hash;
}

static void put(FILE *out, const char *name, uint64_t value)
{
    if (value > 0)
        fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void put_of(FILE *out, const char *family, const char *word, uint64_t value)
{
    if (value > 0)
        fprintf(out, "%s.%s %" PRIu64 "\n", family, word, value);
}

static void put_named(FILE *out, const struct counter_name *names, const void *base)
{
    for (; names->name; names++)
        put(out, names->name,
            ch_counter(
                (const _Atomic uint64_t *)(const void *)((const char *)base + names->offset)));
}

static void put_buckets(FILE *out, const struct counter_buckets *buckets,
                        const _Atomic uint64_t *counts)
{
    char word[KEPT_BUCKET_WORD];

    for (size_t i = 0; i < buckets->count; i++)
        put_of(out, "bucket", counters_bucket_word(buckets, i, word), ch_counter(&counts[i]));
}

static void put_causes(FILE *out, const struct ch_record *record)
{
    const struct ch_cause_count *row = atomic_load_explicit(&record->causes, memory_order_acquire);

    for (; row; row = atomic_load_explicit(&row->next, memory_order_relaxed))
        fprintf(out, "cause %s %s %s %s %u %" PRIu64 "\n", counters_phase_word(row->outcome.phase),
                counters_category_word(row->outcome.category),
                ch_wire_word((enum ch_wire)row->outcome.wire)->slug,
                ch_cause_word((enum ch_cause)row->outcome.cause)->slug, row->outcome.certain,
                ch_counter(&row->count));
}

static void put_icmp(FILE *out, const struct ch_record *record)
{
    const struct ch_icmp_count *row = atomic_load_explicit(&record->icmp, memory_order_acquire);

    for (; row; row = atomic_load_explicit(&row->next, memory_order_relaxed)) {
        const struct ch_icmp *icmp = &row->icmp;

        fprintf(out, "icmp %u %u %u %u %u %u ", icmp->version, icmp->type, icmp->code, icmp->sender,
                icmp->offender.family, icmp->offender.scope);
        kept_put_ip(out, icmp->offender.ip);
        fprintf(out, " %" PRIu64 "\n", ch_counter(&row->count));
    }
}

static void put_series(FILE *out, const struct ch_series *series)
{
    const struct ch_record *record = series->record;

    /* the labels are escaped: they have no newline */
    fprintf(out, "[series %s]\n", series->labels);
    put_named(out, counters_of_record, record);
    for (size_t i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++)
        put_of(out, "failures", counters_category_word(i), ch_counter(&record->failures[i]));
    put_buckets(out, &counters_duration, record->bucket);
    put_causes(out, record);
    put_icmp(out, record);
}

static void put_responder(FILE *out, const struct ch_responder_counters *responder)
{
    fprintf(out, "[responder]\n");
    put_named(out, counters_of_responder, responder);
    for (size_t i = 0; i < CH_PHASE_COUNT; i++)
        for (size_t j = 0; j < CH_CATEGORY_COUNT; j++) {
            char family[32];

            snprintf(family, sizeof(family), "ends.%s", counters_phase_word(i));
            put_of(out, family, counters_category_word(j), ch_counter(&responder->ends[i][j]));
        }
}

static void put_lag(FILE *out, const struct ch_loop_lag *lag)
{
    fprintf(out, "[loop_lag]\n");
    put_buckets(out, &counters_lag, lag->bucket);
    put(out, "sum_ns", ch_counter(&lag->sum_ns));
}

char *ch_kept_write(const struct ch_kept *counters, size_t *ret_size)
{
    const struct ch_generation *generation = counters->generation;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool failed;

    if (!out)
        return NULL;
    fprintf(out, KEPT_FIRST_LINE);
    for (size_t i = 0; i < generation->series_count; i++)
        put_series(out, &generation->series[i]);
    put_responder(out, counters->responder);
    put_lag(out, counters->loop_lag);
    if (counters->sockets)
        kept_sockets_write(out, counters->sockets);
    if (fflush(out) == 0)
        fprintf(out, KEPT_END "%016" PRIx64 "\n", ch_kept_checksum(text, size));
    failed = fflush(out) != 0 || ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    *ret_size = size;
    return text;
}
