/* SPDX-License-Identifier: Apache-2.0 */
/* When probes run, by arithmetic alone: the clock is a number here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "connhealth/probe_options.h"
#include "schedule.h"

#define INTERVAL (10 * CH_NS_PER_S)

static struct ch_group group = {.name = "web"};
static struct ch_probe_settings settings = {.interval_ns = INTERVAL};

static int64_t offset_of(const char *name, enum ch_probe_kind kind)
{
    struct ch_target target = {.group = &group, .name = name};
    struct ch_series series = {.target = &target, .settings = &settings, .kind = kind};

    return ch_schedule_offset(&series);
}

static void next_is_the_first_place_after_now(void **state)
{
    (void)state;
    assert_int_equal(ch_schedule_next(0, 3, 10), 3);
    assert_int_equal(ch_schedule_next(3, 3, 10), 13);
    assert_int_equal(ch_schedule_next(4, 3, 10), 13);
    assert_int_equal(ch_schedule_next(12, 3, 10), 13);
    assert_int_equal(ch_schedule_next(13, 3, 10), 23);
    /* an attempt that took three intervals misses their places, and comes back
     * to its own */
    assert_int_equal(ch_schedule_next(45, 3, 10), 53);
}

static void places_are_stable_and_differ_by_probe(void **state)
{
    int64_t connect = offset_of("10.0.0.1:80", CH_PROBE_CONNECT);

    (void)state;
    assert_int_equal(connect, offset_of("10.0.0.1:80", CH_PROBE_CONNECT));
    assert_int_not_equal(connect, offset_of("10.0.0.1:80", CH_PROBE_HEARTBEAT));
    assert_int_not_equal(connect, offset_of("10.0.0.2:80", CH_PROBE_CONNECT));
    assert_in_range(connect, 0, INTERVAL - 1);
}

/* 100,000 targets with names as alike as a fleet's: in no 10 ms of the 10 s do
 * more than twice the mean of 100 start (a Poisson count exceeds 160 about once
 * in 10^8 draws). */
static void starts_are_spread(void **state)
{
    static unsigned bins[1000];
    char name[32];
    unsigned fullest = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "10.%u.%u.%u:80", i >> 16, i >> 8 & 255, i & 255);
        bins[offset_of(name, CH_PROBE_CONNECT) / (INTERVAL / 1000)]++;
    }
    for (unsigned i = 0; i < 1000; i++)
        if (bins[i] > fullest)
            fullest = bins[i];
    assert_in_range(fullest, 100, 160);
}

static void retries_back_off_within_the_interval(void **state)
{
    int64_t before = 0;

    (void)state;
    for (uint32_t failures = 1; failures < 40; failures++) {
        int64_t slowest = ch_schedule_retry(failures, INTERVAL, 0);

        assert_true(slowest >= before && slowest <= INTERVAL);
        for (uint64_t seed = 1; seed < 1000; seed += 37) {
            int64_t wait = ch_schedule_retry(failures, INTERVAL, seed * UINT64_C(2654435761));

            assert_true(wait <= slowest && wait >= slowest - slowest / 4);
        }
        before = slowest;
    }
    assert_int_equal(before, INTERVAL);
    assert_int_equal(ch_schedule_retry(1, 100 * CH_NS_PER_MS, 0), 100 * CH_NS_PER_MS);
}

static struct ch_generation generation_of(struct ch_series *series, size_t count)
{
    return (struct ch_generation){.series = series, .series_count = count};
}

static void many_connects_close_by_reset(void **state)
{
    static struct ch_series series[700];
    struct ch_connect_options automatic = {.close = CH_CONNECT_CLOSE_AUTO};
    struct ch_connect_options fin = {.close = CH_CONNECT_CLOSE_FIN};
    struct ch_generation generation;

    (void)state;
    settings.options = &automatic;
    for (int i = 0; i < 700; i++)
        series[i] = (struct ch_series){.settings = &settings, .kind = CH_PROBE_CONNECT};
    generation = generation_of(series, 500); /* 500 * 7 in 60 s */
    assert_false(ch_schedule_wants_reset(&generation));
    generation = generation_of(series, 700);
    assert_true(ch_schedule_wants_reset(&generation));
    settings.options = &fin;
    assert_false(ch_schedule_wants_reset(&generation));
    settings.options = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_is_the_first_place_after_now),
        cmocka_unit_test(places_are_stable_and_differ_by_probe),
        cmocka_unit_test(starts_are_spread),
        cmocka_unit_test(retries_back_off_within_the_interval),
        cmocka_unit_test(many_connects_close_by_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
