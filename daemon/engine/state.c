/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"

int ch_state_init(struct ch_state *state)
{
    *state = (struct ch_state){.started_ns = ch_clock_realtime()};
    return -pthread_mutex_init(&state->lock, NULL);
}

void ch_state_clear(struct ch_state *state)
{
    state->generation = ch_generation_unref(state->generation);
    free(state->reload_errors);
    state->reload_errors = NULL;
    pthread_mutex_destroy(&state->lock);
}

struct ch_generation *ch_state_generation(struct ch_state *state)
{
    struct ch_generation *generation;

    pthread_mutex_lock(&state->lock);
    generation = state->generation ? ch_generation_ref(state->generation) : NULL;
    pthread_mutex_unlock(&state->lock);
    return generation;
}

void ch_state_publish(struct ch_state *state, struct ch_generation *generation)
{
    struct ch_generation *before;

    pthread_mutex_lock(&state->lock);
    before = state->generation;
    state->generation = generation;
    pthread_mutex_unlock(&state->lock);
    /* outside the lock: the last reference frees a whole generation */
    ch_generation_unref(before);
}

void ch_state_reload_result(struct ch_state *state, const char *errors)
{
    char *before, *copy = errors ? strdup(errors) : NULL;

    pthread_mutex_lock(&state->lock);
    before = state->reload_errors;
    state->reload_errors = copy;
    pthread_mutex_unlock(&state->lock);
    free(before);
    if (!errors)
        atomic_store(&state->last_reload_success_ns, ch_clock_realtime());
    atomic_store(&state->last_reload_ok, errors == NULL);
}

char *ch_state_reload_errors(struct ch_state *state)
{
    char *copy;

    pthread_mutex_lock(&state->lock);
    copy = state->reload_errors ? strdup(state->reload_errors) : NULL;
    pthread_mutex_unlock(&state->lock);
    return copy;
}
