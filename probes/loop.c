/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "heap.h"

#define EVENTS_PER_TURN 256
/* Between two looks at the descriptors at most so many deadlines are served, so
 * that a burst of them cannot keep replies waiting. */
#define TIMERS_PER_TURN 64

#define MS(n) ((n)*CH_NS_PER_MS)
const int64_t ch_loop_lag_bounds_ns[CH_LOOP_LAG_BUCKETS - 1] = {
    MS(1) / 10, MS(1) / 4, MS(1) / 2, MS(1),   MS(5) / 2, MS(5),
    MS(10),     MS(25),    MS(50),    MS(100), MS(1000)};

struct ch_loop {
    int epoll_fd;
    struct ch_io timer_io; /* edge-triggered, so that it need not be read */
    struct ch_io wake_io;
    struct ch_heap heap;
    int64_t armed_for; /* what the timerfd will fire at; 0: it will not */
    int64_t now;
    struct epoll_event events[EVENTS_PER_TURN];
    int event_count, event_next;
    struct ch_loop_lag lag;
    _Atomic uint64_t turns;
    atomic_bool stopping;
    pthread_mutex_t posted_lock;
    struct ch_task *posted, **posted_end;
};

static void on_timerfd(struct ch_io *io, uint32_t events)
{
    struct ch_loop *loop = ch_container_of(io, struct ch_loop, timer_io);

    (void)events;
    loop->armed_for = 0;
}

static void run_posted(struct ch_loop *loop)
{
    struct ch_task *task;

    pthread_mutex_lock(&loop->posted_lock);
    task = loop->posted;
    loop->posted = NULL;
    loop->posted_end = &loop->posted;
    pthread_mutex_unlock(&loop->posted_lock);

    while (task) {
        struct ch_task *next = task->next;

        task->run(task);
        task = next;
    }
}

static void on_wake(struct ch_io *io, uint32_t events)
{
    struct ch_loop *loop = ch_container_of(io, struct ch_loop, wake_io);
    uint64_t value;

    (void)events;
    if (read(io->fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
        return;
    run_posted(loop);
}

static void wake(struct ch_loop *loop)
{
    uint64_t one = 1;
    ssize_t written;

    /* EAGAIN means that the counter is full: the loop will wake anyway. */
    written = write(loop->wake_io.fd, &one, sizeof(one));
    (void)written;
}

static int open_descriptors(struct ch_loop *loop)
{
    int r, fd;

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -errno;
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = ch_loop_io_add(loop, &loop->timer_io, fd, EPOLLIN | EPOLLET);
    if (r < 0) {
        close(fd);
        return r;
    }
    fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = ch_loop_io_add(loop, &loop->wake_io, fd, EPOLLIN);
    if (r < 0)
        close(fd);
    return r;
}

int ch_loop_new(struct ch_loop **ret)
{
    struct ch_loop *loop = calloc(1, sizeof(*loop));
    int r;

    if (!loop)
        return -ENOMEM;
    loop->epoll_fd = -1;
    loop->timer_io = (struct ch_io){.fd = -1, .on_ready = on_timerfd};
    loop->wake_io = (struct ch_io){.fd = -1, .on_ready = on_wake};
    loop->posted_end = &loop->posted;
    loop->now = ch_clock_monotonic();
    pthread_mutex_init(&loop->posted_lock, NULL);
    r = open_descriptors(loop);
    if (r < 0) {
        ch_loop_free(loop);
        return r;
    }
    *ret = loop;
    return 0;
}

struct ch_loop *ch_loop_free(struct ch_loop *loop)
{
    if (!loop)
        return NULL;
    ch_loop_io_close(loop, &loop->timer_io);
    ch_loop_io_close(loop, &loop->wake_io);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    ch_heap_clear(&loop->heap);
    pthread_mutex_destroy(&loop->posted_lock);
    free(loop);
    return NULL;
}

static void count_lag(struct ch_loop *loop, int64_t lag)
{
    unsigned i = 0;

    if (lag < 0)
        lag = 0;
    while (i < CH_LOOP_LAG_BUCKETS - 1 && lag > ch_loop_lag_bounds_ns[i])
        i++;
    /* one writer: no locked instruction is needed */
    atomic_store_explicit(&loop->lag.bucket[i],
                          atomic_load_explicit(&loop->lag.bucket[i], memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&loop->lag.sum_ns,
                          atomic_load_explicit(&loop->lag.sum_ns, memory_order_relaxed) +
                              (uint64_t)lag,
                          memory_order_relaxed);
}

static void serve_timers(struct ch_loop *loop)
{
    struct ch_timer *timer;

    for (int i = 0; i < TIMERS_PER_TURN; i++) {
        timer = ch_heap_first(&loop->heap);
        if (!timer)
            return;
        if (timer->when > loop->now)
            return;
        ch_heap_remove(&loop->heap, timer);
        loop->now = ch_clock_monotonic();
        count_lag(loop, loop->now - timer->when);
        timer->on_fire(timer, loop->now);
    }
}

static void serve_events(struct ch_loop *loop)
{
    while (loop->event_next < loop->event_count) {
        struct epoll_event *event = &loop->events[loop->event_next++];
        struct ch_io *io = event->data.ptr;

        if (io)
            io->on_ready(io, event->events);
    }
}

/* Arms the timerfd for the first deadline, unless it fires no later anyway. */
static int arm_timerfd(struct ch_loop *loop)
{
    struct ch_timer *first = ch_heap_first(&loop->heap);
    struct itimerspec spec = {0};

    if (!first || (loop->armed_for != 0 && loop->armed_for <= first->when))
        return 0;
    spec.it_value.tv_sec = first->when / CH_NS_PER_S;
    spec.it_value.tv_nsec = first->when % CH_NS_PER_S;
    if (timerfd_settime(loop->timer_io.fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        return -errno;
    loop->armed_for = first->when;
    return 0;
}

static int wait_ms(const struct ch_loop *loop, int64_t max_wait_ns)
{
    const struct ch_timer *first = ch_heap_first(&loop->heap);

    if (first && first->when <= loop->now)
        return 0;
    if (max_wait_ns < 0)
        return -1;
    return (int)((max_wait_ns + CH_NS_PER_MS - 1) / CH_NS_PER_MS);
}

int ch_loop_turn(struct ch_loop *loop, int64_t max_wait_ns)
{
    int timeout = wait_ms(loop, max_wait_ns);
    int r;

    if (timeout != 0) {
        r = arm_timerfd(loop);
        if (r < 0)
            return r;
    }
    loop->event_next = 0;
    loop->event_count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TURN, timeout);
    if (loop->event_count < 0) {
        loop->event_count = 0;
        if (errno != EINTR)
            return -errno;
    }
    loop->now = ch_clock_monotonic();
    atomic_fetch_add_explicit(&loop->turns, 1, memory_order_relaxed);
    serve_events(loop);
    serve_timers(loop);
    return 0;
}

int ch_loop_run(struct ch_loop *loop)
{
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        int r = ch_loop_turn(loop, -1);

        if (r < 0)
            return r;
    }
    run_posted(loop); /* what was handed over before the end is not lost */
    return 0;
}

void ch_loop_stop(struct ch_loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    wake(loop);
}

void ch_loop_post(struct ch_loop *loop, struct ch_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&loop->posted_lock);
    *loop->posted_end = task;
    loop->posted_end = &task->next;
    pthread_mutex_unlock(&loop->posted_lock);
    wake(loop);
}

int64_t ch_loop_now(const struct ch_loop *loop)
{
    return loop->now;
}

int ch_loop_io_add(struct ch_loop *loop, struct ch_io *io, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        io->fd = -1;
        return -errno;
    }
    io->fd = fd;
    return 0;
}

int ch_loop_io_change(struct ch_loop *loop, struct ch_io *io, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};

    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0 ? -errno : 0;
}

static void forget_pending(struct ch_loop *loop, const struct ch_io *io)
{
    for (int i = loop->event_next; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == io)
            loop->events[i].data.ptr = NULL;
}

int ch_loop_io_remove(struct ch_loop *loop, struct ch_io *io)
{
    int fd = io->fd;

    if (fd < 0)
        return -1;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    forget_pending(loop, io);
    io->fd = -1;
    return fd;
}

void ch_loop_io_close(struct ch_loop *loop, struct ch_io *io)
{
    if (io->fd < 0)
        return;
    forget_pending(loop, io);
    close(io->fd);
    io->fd = -1;
}

int ch_loop_timer_arm(struct ch_loop *loop, struct ch_timer *timer, int64_t when)
{
    return ch_heap_set(&loop->heap, timer, when);
}

void ch_loop_timer_disarm(struct ch_loop *loop, struct ch_timer *timer)
{
    ch_heap_remove(&loop->heap, timer);
}

int ch_loop_timers_reserve(struct ch_loop *loop, uint32_t count)
{
    return ch_heap_reserve(&loop->heap, count);
}

void ch_loop_lag_set(struct ch_loop *loop, const struct ch_loop_lag *lag)
{
    for (size_t i = 0; i < CH_LOOP_LAG_BUCKETS; i++)
        loop->lag.bucket[i] = lag->bucket[i];
    loop->lag.sum_ns = lag->sum_ns;
}

const struct ch_loop_lag *ch_loop_lag(const struct ch_loop *loop)
{
    return &loop->lag;
}

uint64_t ch_loop_turns(const struct ch_loop *loop)
{
    return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}
