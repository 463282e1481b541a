/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread's event loop: epoll, and a heap of deadlines on one timerfd.
 *
 * Everything but ch_loop_post() and ch_loop_stop() belongs to the thread that
 * runs the loop (or to whoever builds it before that thread starts).
 *
 * Ownership: the loop owns its own descriptors. ch_io and ch_timer are embedded
 * in their users' structs; the loop only points at them while they are added or
 * armed. A callback may remove, close, free or re-arm anything, itself included.
 */
#ifndef CONNHEALTH_LOOP_H
#define CONNHEALTH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct ch_loop;

struct ch_io {
    int fd; /* -1 when not added */
    /* events: EPOLL* bits as epoll_wait(2) reported them (level-triggered) */
    void (*on_ready)(struct ch_io *io, uint32_t events);
};

struct ch_timer {
    int64_t when;  /* monotonic ns, valid while armed */
    uint32_t slot; /* place in the heap plus one; 0: not armed */
    void (*on_fire)(struct ch_timer *timer, int64_t now);
};

/* Work handed to the loop from another thread; embedded, owned by the poster
 * until run is called on the loop's thread, by the callee after that. */
struct ch_task {
    struct ch_task *next;
    void (*run)(struct ch_task *task);
};

/* Lateness of each served deadline, counted by the loop: bucket i counts those
 * at most ch_loop_lag_bounds_ns[i] late (not cumulative); the last is +Inf. */
#define CH_LOOP_LAG_BUCKETS 12
extern const int64_t ch_loop_lag_bounds_ns[CH_LOOP_LAG_BUCKETS - 1];
struct ch_loop_lag {
    _Atomic uint64_t bucket[CH_LOOP_LAG_BUCKETS];
    _Atomic uint64_t sum_ns;
};

/* Constructors publish last: on error (negative errno) *ret is untouched. */
int ch_loop_new(struct ch_loop **ret);
struct ch_loop *ch_loop_free(struct ch_loop *loop); /* takes NULL, returns NULL */

/* Runs until ch_loop_stop(). 0, or a negative errno of epoll itself. */
int ch_loop_run(struct ch_loop *loop);
/* One turn, waiting at most max_wait_ns (negative: as long as it takes). */
int ch_loop_turn(struct ch_loop *loop, int64_t max_wait_ns);

void ch_loop_stop(struct ch_loop *loop);                       /* any thread */
void ch_loop_post(struct ch_loop *loop, struct ch_task *task); /* any thread */

/* The time read once at the start of the current turn's callbacks; cheap. */
int64_t ch_loop_now(const struct ch_loop *loop);

/* io->fd must be open and not added. 0 or a negative errno (ENOMEM, ENOSPC:
 * epoll_ctl(2)); on error io->fd is set to -1 and the descriptor stays open. */
int ch_loop_io_add(struct ch_loop *loop, struct ch_io *io, int fd, uint32_t events);
int ch_loop_io_change(struct ch_loop *loop, struct ch_io *io, uint32_t events);
/* Drops events of this turn that were not delivered yet. Removing one that is
 * not added does nothing. The descriptor stays open; its number is returned
 * (-1 if it was not added). */
int ch_loop_io_remove(struct ch_loop *loop, struct ch_io *io);
/* The same and closes it; the kernel drops it from epoll by itself, which
 * saves a system call. */
void ch_loop_io_close(struct ch_loop *loop, struct ch_io *io);

/* Arms or moves. Never fails after ch_loop_timers_reserve(count) for that many
 * armed at once; without a reserve it may return -ENOMEM. */
int ch_loop_timer_arm(struct ch_loop *loop, struct ch_timer *timer, int64_t when);
void ch_loop_timer_disarm(struct ch_loop *loop, struct ch_timer *timer);
int ch_loop_timers_reserve(struct ch_loop *loop, uint32_t count);

const struct ch_loop_lag *ch_loop_lag(const struct ch_loop *loop); /* any thread */
/* Goes on counting from there; before the loop runs. */
void ch_loop_lag_set(struct ch_loop *loop, const struct ch_loop_lag *lag);
/* Grows with every turn: a watchdog sees that the loop still turns. Any thread. */
uint64_t ch_loop_turns(const struct ch_loop *loop);

#endif
