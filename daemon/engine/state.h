/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the surfaces may read of the running daemon. Built by main before the
 * threads start, freed after they ended; the pointers never change in between,
 * what they point at is safe to read on any thread.
 */
#ifndef CH_ENGINE_STATE_H
#define CH_ENGINE_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "connhealth/loop.h"
#include "connhealth/responder.h"
#include "events.h"
#include "generation.h"

struct ch_sockets; /* the sock_diag collector: connhealth/sockets.h */

struct ch_state {
    int64_t started_ns; /* realtime */
    struct ch_events *events;
    const struct ch_loop_lag *loop_lag;
    struct ch_responder_counters *responder;
    struct ch_sockets *sockets; /* NULL: switched off at build of the state */

    _Atomic bool ready;   /* the first configuration runs */
    _Atomic bool healthy; /* every thread turns */
    _Atomic bool last_reload_ok;
    _Atomic int64_t last_reload_success_ns; /* realtime */

    /* private to state.c */
    pthread_mutex_t lock; /* held for a few instructions; never by the prober */
    struct ch_generation *generation;
    char *reload_errors; /* newline-separated, NULL if the last reload was good */
};

/* Zeroes the whole and sets started_ns. 0 or a negative errno. */
int ch_state_init(struct ch_state *state);
void ch_state_clear(struct ch_state *state);

/* A new reference to the published generation; NULL before the first. */
struct ch_generation *ch_state_generation(struct ch_state *state);
/* Takes one reference over. */
void ch_state_publish(struct ch_state *state, struct ch_generation *generation);

/* NULL errors: the reload was good. */
void ch_state_reload_result(struct ch_state *state, const char *errors);
/* A copy, the caller's; NULL if the last reload was good. */
char *ch_state_reload_errors(struct ch_state *state);

#endif
