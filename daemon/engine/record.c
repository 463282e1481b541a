/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "connhealth/clock.h"

/* One and three seconds set a connect apart that needed its SYN sent again: the
 * kernel's first retransmission comes after one second (RFC 6298, 2.1). */
const int64_t ch_duration_bounds_ns[CH_DURATION_BUCKETS - 1] = {
    100 * CH_NS_PER_US, 500 * CH_NS_PER_US, 1 * CH_NS_PER_MS,    2500 * CH_NS_PER_US,
    5 * CH_NS_PER_MS,   10 * CH_NS_PER_MS,  25 * CH_NS_PER_MS,   50 * CH_NS_PER_MS,
    100 * CH_NS_PER_MS, 250 * CH_NS_PER_MS, 1000 * CH_NS_PER_MS, 3000 * CH_NS_PER_MS,
};

struct ch_attempt_cell {
    _Atomic uint64_t words[CH_CELL_WORDS(struct ch_attempt)];
};

_Static_assert(offsetof(struct ch_record, bucket) == 64, "what each attempt touches, together");

/* One writer: a plain load and store where one thread counts. */
#define GET(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

struct ch_record *ch_record_new(void)
{
    struct ch_record *record = calloc(1, sizeof(*record));

    if (record)
        atomic_init(&record->refs, 1);
    return record;
}

struct ch_record *ch_record_ref(struct ch_record *record)
{
    atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
    return record;
}

struct ch_record *ch_record_unref(struct ch_record *record)
{
    if (!record || atomic_fetch_sub_explicit(&record->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    for (struct ch_cause_count *row = GET(record->causes), *next; row; row = next) {
        next = GET(row->next);
        free(row);
    }
    for (struct ch_icmp_count *row = GET(record->icmp), *next; row; row = next) {
        next = GET(row->next);
        free(row);
    }
    free(GET(record->last_failure));
    free(record);
    return NULL;
}

/* What makes two outcomes of a target the same to an operator; also the whole
 * of what is left of a failure when there was no memory to keep it. */
static uint32_t pack_outcome(const struct ch_outcome *outcome)
{
    return (uint32_t)(outcome->success ? CH_SUCCESS_YES : CH_SUCCESS_NO) << 24 |
           (uint32_t)outcome->phase << 16 | (uint32_t)outcome->category << 8 | outcome->cause;
}

static struct ch_outcome unpack_outcome(uint32_t packed)
{
    return (struct ch_outcome){
        .success = packed >> 24 == CH_SUCCESS_YES,
        .phase = (uint8_t)(packed >> 16),
        .category = (uint8_t)(packed >> 8),
        .cause = (uint8_t)packed,
    };
}

static void count_duration(struct ch_record *record, int64_t duration_ns)
{
    unsigned i = 0;

    while (i < CH_DURATION_BUCKETS - 1 && duration_ns > ch_duration_bounds_ns[i])
        i++;
    ch_count(&record->bucket[i]);
    SET(record->duration_sum_ns, GET(record->duration_sum_ns) + (uint64_t)duration_ns);
}

/* The row's count, made if there is none; NULL: out of memory. */
static _Atomic uint64_t *count_of_cause(struct ch_record *record, const struct ch_outcome *outcome)
{
    struct ch_cause_count *first = GET(record->causes), *row = first;

    while (row &&
           (row->outcome.phase != outcome->phase || row->outcome.category != outcome->category ||
            row->outcome.wire != outcome->wire || row->outcome.cause != outcome->cause))
        row = GET(row->next);
    if (row)
        return &row->count;
    row = calloc(1, sizeof(*row));
    if (!row)
        return NULL;
    row->outcome = *outcome;
    atomic_init(&row->next, first);
    atomic_store_explicit(&record->causes, row, memory_order_release);
    return &row->count;
}

static void count_cause(struct ch_record *record, const struct ch_outcome *outcome)
{
    _Atomic uint64_t *count = count_of_cause(record, outcome);

    if (count) /* else its category was counted; the next of its kind tries again */
        ch_count(count);
}

void ch_record_set_cause(struct ch_record *record, const struct ch_outcome *outcome, uint64_t count)
{
    _Atomic uint64_t *row = count_of_cause(record, outcome);

    if (row)
        SET(*row, count);
}

static void keep_failure(struct ch_record *record, const struct ch_attempt *attempt)
{
    struct ch_attempt_cell *cell = GET(record->last_failure), *made = NULL;

    if (!cell)
        cell = made = calloc(1, sizeof(*cell));
    if (!cell)
        return;
    ch_cell_write(cell->words, attempt, sizeof(*attempt));
    if (made)
        atomic_store_explicit(&record->last_failure, made, memory_order_release);
}

static void turn_success(struct ch_record *record, uint8_t success, int64_t time_ns)
{
    uint32_t consecutive = GET(record->consecutive);

    if (GET(record->success) != success) {
        SET(record->success, success);
        SET(record->since_ns, time_ns);
        consecutive = 0;
    }
    if (consecutive < UINT32_MAX)
        SET(record->consecutive, consecutive + 1);
}

static void count_evidence(struct ch_record *record, const struct ch_evidence *evidence)
{
    /* Before a connection is made only SYNs are sent again. */
    if (evidence->tcp.total_retrans > 0 &&
        (evidence->kind == CH_PROBE_CONNECT || evidence->phase == CH_PHASE_CONNECT))
        SET(record->syn_retransmits, GET(record->syn_retransmits) + evidence->tcp.total_retrans);
    if (evidence->tcp.rtt_us)
        SET(record->rtt_us, evidence->tcp.rtt_us);
}

bool ch_record_attempt(struct ch_record *record, const struct ch_attempt *attempt)
{
    const struct ch_outcome *outcome = &attempt->outcome;
    uint32_t packed = pack_outcome(outcome), before = GET(record->last_outcome);

    ch_count(&record->attempts);
    count_evidence(record, &attempt->evidence);
    if (outcome->success) {
        /* a look at an idle connection takes no time that is worth a bucket */
        if (attempt->evidence.duration_ns > 0)
            count_duration(record, attempt->evidence.duration_ns);
        SET(record->last_duration_ns, attempt->evidence.duration_ns);
        SET(record->last_success_ns, attempt->time_ns);
    } else {
        ch_count(&record->failures[outcome->category]);
        count_cause(record, outcome);
        keep_failure(record, attempt);
    }
    SET(record->last_attempt_ns, attempt->time_ns);
    /* what this host lacked says nothing about the target */
    if (outcome->category != CH_CATEGORY_LOCAL_RESOURCE)
        turn_success(record, outcome->success ? CH_SUCCESS_YES : CH_SUCCESS_NO, attempt->time_ns);
    if (packed != before)
        SET(record->changed_ns, attempt->time_ns);
    atomic_store_explicit(&record->last_outcome, packed, memory_order_release);
    /* a first attempt that succeeds is no change: nothing was wrong before */
    return packed != before && !(before == 0 && outcome->success);
}

static bool same_icmp(const struct ch_icmp *a, const struct ch_icmp *b)
{
    return a->version == b->version && a->type == b->type && a->code == b->code &&
           a->offender.family == b->offender.family && a->offender.scope == b->offender.scope &&
           memcmp(a->offender.ip, b->offender.ip, sizeof(a->offender.ip)) == 0;
}

static _Atomic uint64_t *count_of_icmp(struct ch_record *record, const struct ch_icmp *icmp)
{
    static const struct ch_icmp other = {.offender = {.family = AF_UNSPEC}};
    struct ch_icmp_count *first = GET(record->icmp), *row;
    unsigned pairs = 0;

    for (row = first; row && !same_icmp(&row->icmp, icmp); row = GET(row->next))
        pairs += row->icmp.version != 0;
    if (!row && pairs >= CH_ICMP_PAIRS_MAX) {
        icmp = &other;
        for (row = first; row && row->icmp.version; row = GET(row->next))
            ;
    }
    if (row)
        return &row->count;
    row = calloc(1, sizeof(*row));
    if (!row)
        return NULL;
    row->icmp = *icmp;
    row->icmp.offender.port = 0;
    atomic_init(&row->next, first);
    atomic_store_explicit(&record->icmp, row, memory_order_release);
    return &row->count;
}

void ch_record_icmp(struct ch_record *record, const struct ch_icmp *icmp)
{
    _Atomic uint64_t *count = count_of_icmp(record, icmp);

    if (count)
        ch_count(count);
}

void ch_record_set_icmp(struct ch_record *record, const struct ch_icmp *icmp, uint64_t count)
{
    _Atomic uint64_t *row = count_of_icmp(record, icmp);

    if (row)
        SET(*row, count);
}

bool ch_record_last_failure(const struct ch_record *record, struct ch_attempt *ret)
{
    struct ch_attempt_cell *cell =
        atomic_load_explicit(&record->last_failure, memory_order_acquire);

    if (!cell)
        return false;
    /* A write takes less than a microsecond; only a writer that was put off the
     * processor in the middle of one makes this wait. */
    while (!ch_cell_read(cell->words, ret, sizeof(*ret)))
        sched_yield();
    return true;
}

bool ch_record_last(const struct ch_record *record, struct ch_attempt *ret)
{
    uint32_t packed = atomic_load_explicit(&record->last_outcome, memory_order_acquire);
    struct ch_outcome outcome = unpack_outcome(packed);

    if (packed == 0)
        return false;
    if (!outcome.success && ch_record_last_failure(record, ret))
        return true;
    *ret = (struct ch_attempt){.outcome = outcome};
    ret->time_ns = outcome.success ? GET(record->last_success_ns) : GET(record->last_attempt_ns);
    if (outcome.success)
        ret->evidence.duration_ns = GET(record->last_duration_ns);
    return true;
}
