/* SPDX-License-Identifier: Apache-2.0 */
#include "http_deadline.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "connhealth/clock.h"

struct http_deadline {
    struct http_deadline *previous, *next;
    int64_t when; /* monotonic ns; 0: passed, shut down, no longer in the list */
    int fd;
};

/* Every deadline is as far away as every other when it starts, so adding at the
 * end keeps the list in order of time. */
struct http_deadlines {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct http_deadline list; /* a ring; list.next is the nearest */
    int64_t limit_ns;
    bool stop;
};

static void unlink_deadline(struct http_deadline *deadline)
{
    deadline->previous->next = deadline->next;
    deadline->next->previous = deadline->previous;
}

static void link_last(struct http_deadlines *deadlines, struct http_deadline *deadline)
{
    deadline->when = ch_clock_monotonic() + deadlines->limit_ns;
    deadline->previous = deadlines->list.previous;
    deadline->next = &deadlines->list;
    deadline->previous->next = deadline;
    deadlines->list.previous = deadline;
}

static void wait_for_first(struct http_deadlines *deadlines)
{
    const struct http_deadline *first = deadlines->list.next;
    struct timespec until;

    if (first == &deadlines->list) {
        pthread_cond_wait(&deadlines->changed, &deadlines->lock);
        return;
    }
    until.tv_sec = first->when / CH_NS_PER_S;
    until.tv_nsec = first->when % CH_NS_PER_S;
    pthread_cond_timedwait(&deadlines->changed, &deadlines->lock, &until);
}

/* The lock is held while a socket is shut down: it cannot be removed, and its
 * number given to another, in between. */
static void *watch(void *argument)
{
    struct http_deadlines *deadlines = argument;

    pthread_setname_np(pthread_self(), "http-deadline");
    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->stop) {
        struct http_deadline *first = deadlines->list.next;

        if (first == &deadlines->list || first->when > ch_clock_monotonic()) {
            wait_for_first(deadlines);
            continue;
        }
        unlink_deadline(first);
        first->when = 0;
        shutdown(first->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

static int start(struct http_deadlines *deadlines)
{
    pthread_condattr_t attributes;
    int r;

    pthread_mutex_init(&deadlines->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&deadlines->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    r = pthread_create(&deadlines->thread, NULL, watch, deadlines);
    if (r != 0) {
        pthread_cond_destroy(&deadlines->changed);
        pthread_mutex_destroy(&deadlines->lock);
    }
    return -r;
}

int http_deadlines_new(int64_t limit_ns, struct http_deadlines **ret)
{
    struct http_deadlines *deadlines = calloc(1, sizeof(*deadlines));
    int r;

    if (!deadlines)
        return -ENOMEM;
    deadlines->limit_ns = limit_ns;
    deadlines->list.previous = deadlines->list.next = &deadlines->list;
    r = start(deadlines);
    if (r < 0) {
        free(deadlines);
        return r;
    }
    *ret = deadlines;
    return 0;
}

struct http_deadlines *http_deadlines_free(struct http_deadlines *deadlines)
{
    if (!deadlines)
        return NULL;
    pthread_mutex_lock(&deadlines->lock);
    deadlines->stop = true;
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
    pthread_join(deadlines->thread, NULL);
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
    return NULL;
}

struct http_deadline *http_deadline_add(struct http_deadlines *deadlines, int fd)
{
    struct http_deadline *deadline = calloc(1, sizeof(*deadline));

    if (!deadline)
        return NULL;
    deadline->fd = fd;
    pthread_mutex_lock(&deadlines->lock);
    /* A watcher that sleeps until another's deadline need not be told: this one
     * is later. */
    if (deadlines->list.next == &deadlines->list)
        pthread_cond_signal(&deadlines->changed);
    link_last(deadlines, deadline);
    pthread_mutex_unlock(&deadlines->lock);
    return deadline;
}

void http_deadline_restart(struct http_deadlines *deadlines, struct http_deadline *deadline)
{
    pthread_mutex_lock(&deadlines->lock);
    if (deadline->when != 0) {
        unlink_deadline(deadline);
        link_last(deadlines, deadline);
    }
    pthread_mutex_unlock(&deadlines->lock);
}

void http_deadline_remove(struct http_deadlines *deadlines, struct http_deadline *deadline)
{
    pthread_mutex_lock(&deadlines->lock);
    if (deadline->when != 0)
        unlink_deadline(deadline);
    pthread_mutex_unlock(&deadlines->lock);
    free(deadline);
}
