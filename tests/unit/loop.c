/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "connhealth/loop.h"

#define TIMERS 5000

static struct ch_timer timers[TIMERS];
static struct ch_loop *loop;
static int64_t last_fired;
static unsigned fired;

static void expect_order(struct ch_timer *timer, int64_t now)
{
    assert_true(timer->when <= now);
    assert_true(timer->when >= last_fired);
    assert_int_equal(timer->slot, 0);
    last_fired = timer->when;
    fired++;
}

static uint64_t lag_count(const struct ch_loop_lag *lag)
{
    uint64_t sum = 0;

    for (int i = 0; i < CH_LOOP_LAG_BUCKETS; i++)
        sum += lag->bucket[i];
    return sum;
}

/* Armed, moved and disarmed at random: what stays fires once, in order. */
static void timers_fire_in_order(void **state)
{
    int64_t start = ch_clock_monotonic() - CH_NS_PER_S;
    unsigned armed = 0;

    (void)state;
    assert_int_equal(ch_loop_new(&loop), 0);
    srand(1);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < TIMERS; i++) {
            timers[i].on_fire = expect_order;
            if (rand() % 4 == 0)
                ch_loop_timer_disarm(loop, &timers[i]);
            else
                assert_int_equal(ch_loop_timer_arm(loop, &timers[i], start + rand() % CH_NS_PER_S),
                                 0);
        }
    for (int i = 0; i < TIMERS; i++)
        armed += timers[i].slot != 0;
    assert_true(armed > TIMERS / 2 && armed < TIMERS);
    fired = 0;
    last_fired = 0;
    while (fired < armed)
        assert_int_equal(ch_loop_turn(loop, CH_NS_PER_S), 0);
    assert_int_equal(fired, armed);
    assert_int_equal(lag_count(ch_loop_lag(loop)), armed);
    loop = ch_loop_free(loop);
}

static void on_once(struct ch_timer *timer, int64_t now)
{
    (void)timer;
    (void)now;
    fired++;
}

/* The timerfd wakes a loop that waits without limit. */
static void a_timer_wakes_the_loop(void **state)
{
    struct ch_timer timer = {.on_fire = on_once};

    (void)state;
    assert_int_equal(ch_loop_new(&loop), 0);
    fired = 0;
    for (unsigned i = 1; i <= 3; i++) {
        ch_loop_timer_arm(loop, &timer, ch_clock_monotonic() + CH_NS_PER_MS);
        while (fired < i)
            assert_int_equal(ch_loop_turn(loop, -1), 0);
    }
    loop = ch_loop_free(loop);
}

struct pair {
    struct ch_io io;
    struct pair *other;
    unsigned ready;
};

static void close_the_other(struct ch_io *io, uint32_t events)
{
    struct pair *pair = ch_container_of(io, struct pair, io);

    assert_true(events & EPOLLIN);
    pair->ready++;
    if (pair->other) {
        ch_loop_io_close(loop, &pair->other->io);
        free(pair->other);
        pair->other = NULL;
    }
    ch_loop_io_close(loop, io);
}

static struct pair *readable_pair(void)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    int fds[2];

    assert_non_null(pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    close(fds[1]);
    pair->io.on_ready = close_the_other;
    assert_int_equal(ch_loop_io_add(loop, &pair->io, fds[0], EPOLLIN), 0);
    return pair;
}

/* An event already fetched for a descriptor that is closed and freed in the
 * same turn must not be delivered (the sanitizer would see it). */
static void closing_drops_pending_events(void **state)
{
    struct pair *a, *b;

    (void)state;
    assert_int_equal(ch_loop_new(&loop), 0);
    a = readable_pair();
    b = readable_pair();
    a->other = b; /* whichever is first closes and frees the other */
    b->other = NULL;
    assert_int_equal(ch_loop_turn(loop, CH_NS_PER_S), 0);
    assert_int_equal(a->ready, 1);
    assert_int_equal(a->io.fd, -1);
    free(a);
    loop = ch_loop_free(loop);
}

static unsigned ran;

struct counted_task {
    struct ch_task task;
    bool last;
};

static void count_task(struct ch_task *task)
{
    struct counted_task *counted = ch_container_of(task, struct counted_task, task);

    ran++;
    if (counted->last)
        ch_loop_stop(loop);
    free(counted);
}

static void *post_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < 1000; i++) {
        struct counted_task *counted = calloc(1, sizeof(*counted));

        if (!counted)
            abort();
        counted->task.run = count_task;
        counted->last = i == 999;
        ch_loop_post(loop, &counted->task);
    }
    return NULL;
}

static void tasks_from_another_thread_all_run(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(ch_loop_new(&loop), 0);
    ran = 0;
    assert_int_equal(pthread_create(&thread, NULL, post_many, NULL), 0);
    assert_int_equal(ch_loop_run(loop), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ran, 1000);
    assert_true(ch_loop_turns(loop) > 0);
    loop = ch_loop_free(loop);
}

static void adding_a_bad_descriptor_says_so(void **state)
{
    struct ch_io io = {.fd = -1, .on_ready = close_the_other};

    (void)state;
    assert_int_equal(ch_loop_new(&loop), 0);
    assert_int_equal(ch_loop_io_add(loop, &io, 1000000, EPOLLIN), -EBADF);
    assert_int_equal(io.fd, -1);
    assert_int_equal(ch_loop_io_remove(loop, &io), -1);
    loop = ch_loop_free(loop);
    assert_null(ch_loop_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order),
        cmocka_unit_test(a_timer_wakes_the_loop),
        cmocka_unit_test(closing_drops_pending_events),
        cmocka_unit_test(tasks_from_another_thread_all_run),
        cmocka_unit_test(adding_a_bad_descriptor_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
