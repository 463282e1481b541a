/* SPDX-License-Identifier: Apache-2.0 */
/* Generations handed to a prober whose thread does not run yet, so that each
 * acts at once; and runners without memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connhealth/responder.h"
#include "oom.h"
#include "prober.h"
#include "schedule.h"

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return oom_strikes() ? NULL : __real_reallocarray(old, count, size);
}

static struct ch_events *events;
static struct ch_changes *changes;
static struct ch_responder_counters counters;
static struct ch_prober_thread *prober;

static int set_up(void **state)
{
    (void)state;
    if (ch_events_new(&events) < 0 || ch_changes_new(&changes) < 0)
        return -1;
    return ch_prober_new(events, changes, &counters, &prober);
}

static int tear_down(void **state)
{
    (void)state;
    prober = ch_prober_free(prober);
    ch_changes_free(changes);
    ch_events_free(events);
    return 0;
}

static struct ch_generation *generation_of(const char *text, const struct ch_generation *previous)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    struct ch_generation *made = NULL;

    assert_int_equal(ch_config_parse(text, strlen(text), "test.yml", &config, &errors), 0);
    assert_int_equal(ch_generation_new(&config, NULL, previous, &made), 0);
    return made;
}

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *port = ntohs(sin.sin_port);
    return fd;
}

static bool somebody_listens(uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool made = connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;

    close(fd);
    return made;
}

/* The port is free again: the same configuration loaded anew takes it. */
static void a_responder_that_could_not_listen_is_tried_again(void **state)
{
    struct ch_generation *first, *second, *third;
    struct ch_addr failed = {0};
    uint16_t port = 0;
    int other = listen_somewhere(&port);
    char text[64];

    (void)state;
    snprintf(text, sizeof(text), "responder:\n  listen: [\"127.0.0.1:%u\"]\n", port);
    first = generation_of(text, NULL);
    assert_int_equal(ch_prober_apply(prober, first, NULL, &failed), -EADDRINUSE);
    assert_int_equal(failed.port, port);
    close(other);
    assert_false(somebody_listens(port));
    second = generation_of(text, first);
    assert_int_equal(ch_prober_apply(prober, second, first, &failed), 0);
    assert_true(somebody_listens(port));
    third = generation_of("{}", second);
    assert_int_equal(ch_prober_apply(prober, third, second, &failed), 0);
    assert_false(somebody_listens(port));
    ch_generation_unref(first);
    ch_generation_unref(second);
    ch_generation_unref(third);
}

#define TARGETS(list)                                                                              \
    "groups:\n- name: g\n  keepalive: {}\n  connect: {}\n  static_configs:\n"                      \
    "  - targets: [" list "]\n"

/* Wherever the memory runs out while a generation is taken over, the next one
 * finds the series where it looks for them. */
static void generations_follow_each_other_without_memory(void **state)
{
    static const char *const texts[] = {
        TARGETS("\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\""),
        TARGETS("\"127.0.0.1:3\""),
        TARGETS("\"127.0.0.1:2\", \"127.0.0.1:3\", \"127.0.0.1:4\", \"127.0.0.1:1\""),
    };
    struct ch_generation *running = generation_of(texts[0], NULL), *next;
    struct ch_addr failed = {0};
    size_t without = 0;

    (void)state;
    assert_int_equal(ch_prober_apply(prober, running, NULL, &failed), 0);
    for (unsigned i = 1; i < 60; i++) {
        int r;

        next = generation_of(texts[i % 3], running);
        oom_after = 2 + i / 3; /* the handover itself is planned: two allocations */
        r = ch_prober_apply(prober, next, running, &failed);
        oom_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
        ch_generation_unref(running);
        running = next;
        for (size_t j = 0; j < running->series_count; j++)
            without += !running->series[j].runner;
    }
    assert_true(without > 0); /* else nothing was tried */
    next = generation_of(texts[0], running);
    assert_int_equal(ch_prober_apply(prober, next, running, &failed), 0);
    for (size_t j = 0; j < next->series_count; j++)
        assert_non_null(next->series[j].runner);
    ch_generation_unref(running);
    ch_generation_unref(next);
}

/* One that no timer would ever wake is none. */
static void a_runner_without_a_timer_is_an_error(void **state)
{
    struct ch_schedule schedule = {.prober = {.ops = &ch_schedule_ops}};
    struct ch_generation *generation = generation_of(TARGETS("\"127.0.0.1:1\""), NULL);
    struct ch_runner *runners[1000];
    size_t count = 0;
    int r = 0;

    (void)state;
    assert_int_equal(ch_loop_new(&schedule.prober.loop), 0);
    while (r == 0 && count < 1000) {
        oom_after = 2; /* the runner and its probe; not a larger heap */
        r = ch_runner_new(&schedule, &generation->series[0], &runners[count]);
        oom_after = -1;
        count += r == 0;
    }
    assert_int_equal(r, -ENOMEM);
    while (count > 0)
        ch_runner_free(runners[--count]);
    ch_generation_unref(generation);
    ch_loop_free(schedule.prober.loop);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_responder_that_could_not_listen_is_tried_again),
        TEST(generations_follow_each_other_without_memory),
        TEST(a_runner_without_a_timer_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
