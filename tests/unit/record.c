/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cell.h"
#include "connhealth/clock.h"
#include "oom.h"
#include "record.h"

#define MS CH_NS_PER_MS

static int make_record(void **state)
{
    oom_after = -1;
    *state = ch_record_new();
    return *state ? 0 : -1;
}

static int drop_record(void **state)
{
    oom_after = -1;
    assert_null(ch_record_unref(*state));
    return 0;
}

static struct ch_attempt success_at(int64_t time_ns, int64_t duration_ns)
{
    return (struct ch_attempt){
        .time_ns = time_ns, .evidence.duration_ns = duration_ns, .outcome = {.success = 1}};
}

static struct ch_attempt failure_at(int64_t time_ns, uint8_t category, uint8_t phase, uint8_t cause)
{
    return (struct ch_attempt){
        .time_ns = time_ns,
        .outcome = {.category = category, .phase = phase, .wire = CH_WIRE_RST, .cause = cause}};
}

static struct ch_attempt refused_at(int64_t time_ns)
{
    return failure_at(time_ns, CH_CATEGORY_REFUSED, CH_PHASE_CONNECT, CH_CAUSE_PORT_CLOSED);
}

static bool count(struct ch_record *record, struct ch_attempt attempt)
{
    return ch_record_attempt(record, &attempt);
}

static void test_nothing_is_known_before_the_first_attempt(void **state)
{
    struct ch_attempt last;

    assert_false(ch_record_last(*state, &last));
    assert_false(ch_record_last_failure(*state, &last));
    assert_int_equal(((struct ch_record *)*state)->success, CH_SUCCESS_NEVER_TRIED);
}

static void test_success_fills_the_histogram(void **state)
{
    struct ch_record *record = *state;
    struct ch_attempt last;

    count(record, success_at(10, ch_duration_bounds_ns[0]));
    count(record, success_at(20, ch_duration_bounds_ns[0] + 1));
    count(record, success_at(30, ch_duration_bounds_ns[CH_DURATION_BUCKETS - 2] + 1));
    count(record, success_at(40, 0)); /* a look that took no time: attempt, no bucket */

    assert_int_equal(ch_counter(&record->attempts), 4);
    assert_int_equal(ch_counter(&record->bucket[0]), 1);
    assert_int_equal(ch_counter(&record->bucket[1]), 1);
    assert_int_equal(ch_counter(&record->bucket[CH_DURATION_BUCKETS - 1]), 1);
    assert_int_equal(ch_counter(&record->duration_sum_ns),
                     2 * ch_duration_bounds_ns[0] + 2 +
                         ch_duration_bounds_ns[CH_DURATION_BUCKETS - 2]);
    assert_int_equal(record->consecutive, 4);
    assert_int_equal(record->since_ns, 10);
    assert_true(ch_record_last(record, &last));
    assert_int_equal(last.time_ns, 40);
    assert_true(last.outcome.success);
    for (int i = 1; i < CH_DURATION_BUCKETS - 1; i++)
        assert_true(ch_duration_bounds_ns[i] > ch_duration_bounds_ns[i - 1]);
}

static void test_what_counts_as_a_change(void **state)
{
    struct ch_record *record = *state;

    assert_false(count(record, success_at(1, MS)));
    assert_false(count(record, success_at(2, MS)));
    assert_true(count(record, refused_at(3)));
    assert_false(count(record, refused_at(4)));
    assert_int_equal(record->since_ns, 3);
    /* another category, phase or cause each */
    assert_true(
        count(record, failure_at(5, CH_CATEGORY_RESET, CH_PHASE_CONNECT, CH_CAUSE_PORT_CLOSED)));
    assert_true(
        count(record, failure_at(6, CH_CATEGORY_RESET, CH_PHASE_SEND, CH_CAUSE_PORT_CLOSED)));
    assert_true(count(record, failure_at(7, CH_CATEGORY_RESET, CH_PHASE_SEND, CH_CAUSE_UNKNOWN)));
    assert_int_equal(record->since_ns, 3);
    assert_int_equal(record->consecutive, 5);
    assert_true(count(record, success_at(8, MS)));
    assert_int_equal(record->since_ns, 8);
    assert_int_equal(record->consecutive, 1);
    assert_int_equal(record->success, CH_SUCCESS_YES);
}

static void test_a_first_failure_is_a_change(void **state)
{
    assert_true(count(*state, refused_at(1)));
}

static void test_local_trouble_is_not_the_targets(void **state)
{
    struct ch_record *record = *state;
    struct ch_attempt last;
    struct ch_attempt emfile =
        failure_at(5, CH_CATEGORY_LOCAL_RESOURCE, CH_PHASE_CONNECT, CH_CAUSE_LOCAL_LIMIT);

    count(record, success_at(1, MS));
    assert_true(count(record, emfile));
    assert_false(count(record, emfile));
    assert_int_equal(record->success, CH_SUCCESS_YES);
    assert_int_equal(record->since_ns, 1);
    assert_int_equal(record->consecutive, 1);
    assert_int_equal(ch_counter(&record->attempts), 3);
    assert_int_equal(ch_counter(&record->failures[CH_CATEGORY_LOCAL_RESOURCE]), 2);
    assert_true(ch_record_last(record, &last));
    assert_int_equal(last.outcome.category, CH_CATEGORY_LOCAL_RESOURCE);
    /* its end is said as its start was */
    assert_true(count(record, success_at(6, MS)));
    assert_int_equal(record->since_ns, 1);
    assert_int_equal(record->consecutive, 2);
}

static void test_causes_are_rows_of_their_own(void **state)
{
    struct ch_record *record = *state;
    struct ch_attempt fin = refused_at(3);
    unsigned rows = 0;

    fin.outcome.wire = CH_WIRE_FIN;
    count(record, refused_at(1));
    count(record, refused_at(2));
    count(record, fin);
    for (struct ch_cause_count *row = record->causes; row; row = row->next, rows++)
        assert_int_equal(ch_counter(&row->count), row->outcome.wire == CH_WIRE_RST ? 2 : 1);
    assert_int_equal(rows, 2);
    assert_int_equal(ch_counter(&record->failures[CH_CATEGORY_REFUSED]), 3);
}

static void test_last_failure_survives_a_success(void **state)
{
    struct ch_record *record = *state;
    struct ch_attempt failed = refused_at(7), last;

    failed.evidence.error = ECONNREFUSED;
    failed.evidence.peer.port = 6379;
    count(record, failed);
    assert_true(ch_record_last(record, &last));
    assert_memory_equal(&last, &failed, sizeof(last));
    count(record, success_at(9, MS));
    assert_true(ch_record_last(record, &last));
    assert_true(last.outcome.success);
    assert_int_equal(last.evidence.duration_ns, MS);
    assert_true(ch_record_last_failure(record, &last));
    assert_memory_equal(&last, &failed, sizeof(last));
}

static void test_round_trip_and_syn_retransmits(void **state)
{
    struct ch_record *record = *state;
    struct ch_attempt attempt = success_at(1, MS);

    attempt.evidence.tcp.rtt_us = 250;
    attempt.evidence.tcp.total_retrans = 2;
    count(record, attempt);
    attempt.evidence.kind = CH_PROBE_HEARTBEAT; /* data sent again is no SYN */
    attempt.evidence.phase = CH_PHASE_RECEIVE;
    attempt.evidence.tcp.rtt_us = 0;
    count(record, attempt);
    assert_int_equal(record->rtt_us, 250);
    assert_int_equal(ch_counter(&record->syn_retransmits), 2);
    attempt.evidence.phase = CH_PHASE_CONNECT;
    count(record, attempt);
    assert_int_equal(ch_counter(&record->syn_retransmits), 4);
}

static void test_icmp_pairs_are_bounded(void **state)
{
    struct ch_record *record = *state;
    struct ch_icmp icmp = {.version = 4, .type = 3, .code = 1, .offender.family = AF_INET};
    unsigned pairs = 0, others = 0;

    for (uint8_t host = 0; host < CH_ICMP_PAIRS_MAX + 4; host++) {
        icmp.offender.ip[3] = host;
        icmp.offender.port = host;
        ch_record_icmp(record, &icmp);
        icmp.offender.port = 99; /* the port does not tell senders apart */
        ch_record_icmp(record, &icmp);
    }
    for (struct ch_icmp_count *row = record->icmp; row; row = row->next) {
        if (row->icmp.version == 0) {
            assert_int_equal(row->icmp.offender.family, AF_UNSPEC);
            assert_int_equal(ch_counter(&row->count), 8);
            others++;
        } else {
            assert_int_equal(ch_counter(&row->count), 2);
            pairs++;
        }
    }
    assert_int_equal(pairs, CH_ICMP_PAIRS_MAX);
    assert_int_equal(others, 1);
}

static void test_without_memory_the_counters_still_count(void **state)
{
    struct ch_record *record = *state;
    struct ch_icmp icmp = {.version = 4, .type = 3};
    struct ch_attempt last;

    oom_after = 0;
    assert_null(ch_record_new());
    assert_true(count(record, refused_at(4)));
    ch_record_icmp(record, &icmp);
    assert_int_equal(ch_counter(&record->failures[CH_CATEGORY_REFUSED]), 1);
    assert_null(record->causes);
    assert_null(record->icmp);
    assert_false(ch_record_last_failure(record, &last));
    /* what is left of it still says what it was */
    assert_true(ch_record_last(record, &last));
    assert_int_equal(last.time_ns, 4);
    assert_int_equal(last.outcome.category, CH_CATEGORY_REFUSED);
    assert_int_equal(last.outcome.cause, CH_CAUSE_PORT_CLOSED);
    oom_after = -1;
    assert_false(count(record, refused_at(5)));
    assert_int_equal(ch_counter(&record->causes->count), 1);
    assert_true(ch_record_last_failure(record, &last));
}

static void test_references(void **state)
{
    struct ch_record *record = ch_record_new();

    (void)state;
    assert_ptr_equal(ch_record_ref(record), record);
    assert_null(ch_record_unref(record));
    count(record, refused_at(1)); /* still there, as the sanitizers would tell */
    assert_null(ch_record_unref(record));
    assert_null(ch_record_unref(NULL));
}

/* A writer and two readers at once: a reader never sees half of an attempt. */
#define ROUNDS 20000

struct race {
    struct ch_record *record;
    _Atomic bool over;
};

static void *read_failures(void *argument)
{
    struct race *race = argument;
    struct ch_attempt last;
    uint64_t seen = 0;

    do {
        if (!ch_record_last_failure(race->record, &last))
            return (void *)"a failure was there and is not";
        if (last.time_ns != last.evidence.duration_ns || last.time_ns != last.evidence.age_ns ||
            (uint64_t)last.time_ns != last.evidence.tcp.bytes_sent)
            return (void *)"torn";
        for (struct ch_cause_count *row = race->record->causes; row; row = row->next)
            seen += ch_counter(&row->count);
        ch_record_last(race->record, &last);
    } while (!race->over);
    return seen ? NULL : (void *)"nothing seen";
}

static void test_readers_race_the_writer(void **state)
{
    struct race race = {.record = *state};
    pthread_t readers[2];
    void *verdict;

    count(race.record, refused_at(0));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_failures, &race), 0);
    for (int64_t i = 1; i <= ROUNDS; i++) {
        struct ch_attempt attempt = refused_at(i);

        attempt.outcome.wire = (uint8_t)(i % CH_WIRE_COUNT);
        attempt.evidence.duration_ns = attempt.evidence.age_ns = i;
        attempt.evidence.tcp.bytes_sent = (uint64_t)i;
        count(race.record, attempt);
        if (i % 3 == 0)
            count(race.record, success_at(i, i));
    }
    race.over = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], &verdict), 0);
        assert_null(verdict);
    }
}

static void test_cell_of_an_odd_size(void **state)
{
    char value[13] = "twelve chars", copy[13] = {0};
    _Atomic uint64_t cell[CH_CELL_WORDS(value)] = {0};

    (void)state;
    assert_int_equal(CH_CELL_WORDS(value), 3);
    ch_cell_write(cell, value, sizeof(value));
    assert_true(ch_cell_read(cell, copy, sizeof(copy)));
    assert_memory_equal(copy, value, sizeof(value));
    cell[0] |= 1; /* the writer is in the middle of it */
    assert_false(ch_cell_read(cell, copy, sizeof(copy)));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_record, drop_record)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_known_before_the_first_attempt),
        TEST(test_success_fills_the_histogram),
        TEST(test_what_counts_as_a_change),
        TEST(test_a_first_failure_is_a_change),
        TEST(test_local_trouble_is_not_the_targets),
        TEST(test_causes_are_rows_of_their_own),
        TEST(test_last_failure_survives_a_success),
        TEST(test_round_trip_and_syn_retransmits),
        TEST(test_icmp_pairs_are_bounded),
        TEST(test_without_memory_the_counters_still_count),
        TEST(test_references),
        TEST(test_readers_race_the_writer),
        TEST(test_cell_of_an_odd_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
