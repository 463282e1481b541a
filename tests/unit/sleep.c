/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that slept: its clock is turned here, because it stays awake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "prober_private.h"

static int64_t slept_ns;

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    int r = __real_clock_gettime(clock, ts);

    if (clock == CLOCK_BOOTTIME)
        ts->tv_sec += slept_ns / CH_NS_PER_S;
    return r;
}

/* Nothing listens on that port: each attempt fails at once. */
static const char configuration[] = "groups:\n- name: g\n  interval: 20ms\n  timeout: 20ms\n"
                                    "  connect: {}\n"
                                    "  static_configs:\n  - targets: [\"127.0.0.1:1\"]\n";

static struct ch_events *events;
static struct ch_changes *changes;
static struct ch_responder_counters counters;
static struct ch_prober_thread *prober;
static struct ch_generation *generation;

static int set_up(void **state)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    struct ch_addr failed;

    (void)state;
    slept_ns = 0;
    if (ch_events_new(&events) < 0 || ch_changes_new(&changes) < 0 ||
        ch_prober_new(events, changes, &counters, &prober) < 0 ||
        ch_config_parse(configuration, strlen(configuration), "t.yml", &config, &errors) < 0 ||
        ch_generation_new(&config, NULL, NULL, &generation) < 0)
        return -1;
    return ch_prober_apply(prober, generation, NULL, &failed);
}

static int tear_down(void **state)
{
    (void)state;
    ch_generation_unref(generation);
    prober = ch_prober_free(prober);
    ch_changes_free(changes);
    ch_events_free(events);
    return 0;
}

static uint64_t attempts(void)
{
    return ch_counter(&generation->series[0].record->attempts);
}

static void turn_until_attempt(uint64_t number)
{
    while (attempts() < number)
        assert_int_equal(ch_loop_turn(prober->loop, CH_NS_PER_S), 0);
}

static void what_a_sleep_breaks_is_not_counted(void **state)
{
    const struct ch_runner *before;
    uint64_t counted, turns;

    (void)state;
    turn_until_attempt(3);
    counted = attempts();
    slept_ns = 3600 * CH_NS_PER_S;
    for (turns = 0; turns < 50; turns++)
        assert_int_equal(ch_loop_turn(prober->loop, CH_NS_PER_S), 0);
    assert_int_equal(attempts(), counted);
    before = generation->series[0].runner;
    prober_look_for_sleep(prober);
    assert_non_null(before);
    turn_until_attempt(counted + 3);
    assert_true(attempts() >= counted + 3);
}

static void without_a_sleep_nothing_is_begun_anew(void **state)
{
    const struct ch_runner *before = generation->series[0].runner;

    (void)state;
    turn_until_attempt(2);
    prober_look_for_sleep(prober);
    assert_ptr_equal(generation->series[0].runner, before);
}

static void one_at_rest_attempts_nothing(void **state)
{
    uint64_t counted;

    (void)state;
    turn_until_attempt(2);
    ch_prober_rest(prober, CH_REST_ALL);
    while (generation->series[0].runner)
        assert_int_equal(ch_loop_turn(prober->loop, CH_NS_PER_S), 0);
    counted = attempts();
    slept_ns = 3600 * CH_NS_PER_S; /* that is what it rests for */
    prober_look_for_sleep(prober);
    assert_null(generation->series[0].runner);
    ch_prober_rest(prober, CH_REST_NONE);
    turn_until_attempt(counted + 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_sleep_breaks_is_not_counted),
        TEST(without_a_sleep_nothing_is_begun_anew),
        TEST(one_at_rest_attempts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
