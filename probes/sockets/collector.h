/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the collector: life.c makes and ends it, collector.c is what its
 * thread does. */
#ifndef CH_SOCKETS_COLLECTOR_H
#define CH_SOCKETS_COLLECTOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "netlink.h"
#include "settings.h"
#include "tally.h"

struct ch_sockets {
    pthread_t thread;
    bool started;
    int wake_fd;
    _Atomic bool stop;
    _Atomic uint64_t turns;

    pthread_mutex_t lock;             /* of the next two, for a few instructions */
    struct ch_sockets_settings *next; /* not yet taken by the thread */
    struct ch_sockets_snapshot *published;

    /* the thread's own */
    struct ch_sockets_settings *settings;
    struct ch_tally tally;
    bool tally_made;
    struct ch_dump dump;
    struct ch_ends ends;
    struct ch_sockets_snapshot self; /* the fields that are not the tally's */
    int64_t next_sweep_ns, last_sweep_ns;
    bool lost;                          /* records of ends, since the last whole sweep */
    struct ch_sockets_snapshot *before; /* an earlier process's counters, to go on from */
};

/* The thread: turns until stop. */
void *ch_collector_run(void *sockets);
/* One sweep, published. On the thread, or after it has ended. */
void ch_collector_sweep(struct ch_sockets *sockets);
void ch_collector_switch_off(struct ch_sockets *sockets);
/* Takes settings over for the thread to take; what it has not taken yet is the
 * caller's. */
struct ch_sockets_settings *ch_collector_swap_next(struct ch_sockets *sockets,
                                                   struct ch_sockets_settings *settings);

#endif
