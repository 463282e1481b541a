/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "events.h"
#include "oom.h"

static int make_events(void **state)
{
    struct ch_events *events = NULL;

    oom_after = -1;
    if (ch_events_new(&events) < 0)
        return -1;
    *state = events;
    return 0;
}

static int drop_events(void **state)
{
    oom_after = -1;
    assert_null(ch_events_free(*state));
    return 0;
}

static void add(struct ch_events *events, const char *target, bool changed)
{
    struct ch_event event = {.changed = changed, .group = "g"};

    snprintf(event.target, sizeof(event.target), "%s", target);
    ch_events_add(events, &event);
}

static void add_many(struct ch_events *events, const char *target, bool changed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(events, target, changed);
}

static bool is_target(const struct ch_event *event, void *context)
{
    return strcmp(event->target, context) == 0;
}

/* How many there are of a target, checked to come newest first; the number of
 * its oldest. */
static size_t count_of(const struct ch_events *events, char *target, uint64_t *ret_oldest)
{
    size_t count;
    struct ch_event *copies = ch_events_copy(events, SIZE_MAX, is_target, target, &count);

    for (size_t i = 1; i < count; i++)
        assert_true(copies[i].number < copies[i - 1].number);
    *ret_oldest = count ? copies[count - 1].number : 0;
    free(copies);
    return count;
}

static void test_newest_first_and_limited(void **state)
{
    struct ch_event *copies;
    size_t count = 9;

    assert_null(ch_events_copy(*state, 10, NULL, NULL, &count));
    assert_int_equal(count, 0);
    add(*state, "a", true);
    add(*state, "b", false);
    add(*state, "c", true);
    copies = ch_events_copy(*state, 2, NULL, NULL, &count);
    assert_int_equal(count, 2);
    assert_string_equal(copies[0].target, "c");
    assert_int_equal(copies[0].number, 3);
    assert_true(copies[0].changed);
    assert_string_equal(copies[1].target, "b");
    assert_false(copies[1].changed);
    free(copies);
    assert_null(ch_events_copy(*state, 0, NULL, NULL, &count));
    copies = ch_events_copy(*state, 1, is_target, (char *)"a", &count);
    assert_int_equal(count, 1);
    assert_int_equal(copies[0].number, 1);
    free(copies);
}

static void test_repeats_go_before_changes(void **state)
{
    uint64_t oldest;

    add_many(*state, "change", true, 10);
    add_many(*state, "repeat", false, CH_EVENTS_MAX - 10);
    assert_int_equal(count_of(*state, (char *)"repeat", &oldest), CH_EVENTS_MAX - 10);
    /* the oldest repeats make room, for repeats and for changes */
    add_many(*state, "repeat", false, 5);
    assert_int_equal(count_of(*state, (char *)"change", &oldest), 10);
    assert_int_equal(count_of(*state, (char *)"repeat", &oldest), CH_EVENTS_MAX - 10);
    assert_int_equal(oldest, 16);
    add_many(*state, "late", true, 7);
    assert_int_equal(count_of(*state, (char *)"change", &oldest), 10);
    assert_int_equal(count_of(*state, (char *)"late", &oldest), 7);
    assert_int_equal(count_of(*state, (char *)"repeat", &oldest), CH_EVENTS_MAX - 17);
    assert_int_equal(oldest, 23);
}

static void test_without_repeats_the_oldest_change_goes(void **state)
{
    uint64_t oldest;

    add_many(*state, "change", true, CH_EVENTS_MAX + 3);
    assert_int_equal(count_of(*state, (char *)"change", &oldest), CH_EVENTS_MAX);
    assert_int_equal(oldest, 4);
    /* a storm of repeats costs one change, however long it lasts */
    add_many(*state, "repeat", false, 3 * CH_EVENTS_MAX);
    assert_int_equal(count_of(*state, (char *)"change", &oldest), CH_EVENTS_MAX - 1);
    assert_int_equal(oldest, 5);
    assert_int_equal(count_of(*state, (char *)"repeat", &oldest), 1);
    assert_int_equal(oldest, 4 * CH_EVENTS_MAX + 3);
    add(*state, "change", true);
    assert_int_equal(count_of(*state, (char *)"repeat", &oldest), 0);
    assert_int_equal(count_of(*state, (char *)"change", &oldest), CH_EVENTS_MAX);
    assert_int_equal(oldest, 5);
}

static void test_without_memory(void **state)
{
    struct ch_events *events = NULL;
    size_t count = 1;

    add(*state, "a", true);
    oom_after = 0;
    assert_int_equal(ch_events_new(&events), -ENOMEM);
    assert_null(events);
    assert_null(ch_events_copy(*state, 10, NULL, NULL, &count));
    assert_int_equal(count, 0);
}

/* Readers copy while the writer goes round the ring: no event is torn. */
#define ROUNDS (20 * CH_EVENTS_MAX)

struct race {
    struct ch_events *events;
    _Atomic bool over;
};

static void *copy_events(void *argument)
{
    struct race *race = argument;
    const char *verdict = NULL;

    do {
        size_t count;
        struct ch_event *copies = ch_events_copy(race->events, 100, NULL, NULL, &count);

        if (count == 0)
            verdict = "events were there and are not";
        for (size_t i = 0; i < count; i++) {
            const struct ch_event *event = &copies[i];

            if ((uint64_t)event->attempt.time_ns != event->number ||
                event->attempt.evidence.age_ns != event->attempt.time_ns)
                verdict = "torn";
            if (i > 0 && event->number >= copies[i - 1].number)
                verdict = "out of order";
        }
        free(copies);
    } while (!race->over && !verdict);
    return (void *)verdict;
}

static void test_readers_race_the_writer(void **state)
{
    struct race race = {.events = *state};
    pthread_t readers[2];
    void *verdict;

    for (int64_t i = 1; i <= ROUNDS; i++) {
        struct ch_event event = {.changed = i % 5 == 0,
                                 .attempt = {.time_ns = i, .evidence.age_ns = i}};

        ch_events_add(race.events, &event);
        for (int reader = 0; i == 1 && reader < 2; reader++)
            assert_int_equal(pthread_create(&readers[reader], NULL, copy_events, &race), 0);
    }
    race.over = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], &verdict), 0);
        assert_null(verdict);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_events, drop_events)
    const struct CMUnitTest tests[] = {
        TEST(test_newest_first_and_limited),
        TEST(test_repeats_go_before_changes),
        TEST(test_without_repeats_the_oldest_change_goes),
        TEST(test_without_memory),
        TEST(test_readers_race_the_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
