/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the prober share. */
#ifndef CH_ENGINE_PROBER_PRIVATE_H
#define CH_ENGINE_PROBER_PRIVATE_H

#include <pthread.h>

#include "connhealth/responder.h"
#include "prober.h"
#include "schedule.h"

struct ch_prober_thread {
    struct ch_schedule schedule;
    struct ch_loop *loop;
    struct ch_resolver *resolver;
    struct ch_confirm_budget *budget;
    struct ch_responder *responder;
    bool responds; /* as the configuration that runs asks for */
    struct ch_responder_passed *passed;
    size_t passed_count;
    struct ch_responder_counters *counters;
    struct ch_generation *generation; /* the one that runs */
    _Atomic(struct ch_generation *) retired;
    _Atomic(struct ch_demand *) answered; /* the newest first */
    int answered_fd;
    enum ch_rest rest; /* of the prober's thread */
    atomic_int rest_wanted;
    struct ch_task rest_task;
    atomic_bool rest_posted;
    int rested_fd;
    struct ch_task pulse;
    atomic_bool pulse_posted;
    pthread_t thread;
    bool running;
};

/* All but the last two on the prober's thread. */
void prober_end_runners(struct ch_generation *generation);
/* Those that are not there; 0, or a negative errno if one could not be started. */
int prober_start_runners(struct ch_schedule *schedule, struct ch_generation *generation);
int prober_start_responder(struct ch_prober_thread *prober, const struct ch_config *config,
                           struct ch_addr *ret_failed);
void prober_log_failure(int r, const struct ch_addr *failed);
/* The machine slept and nobody had said so: connections are made anew. */
void prober_look_for_sleep(struct ch_prober_thread *prober);

void prober_answered(struct ch_demand *demand);
/* Once the thread has ended. */
void prober_free_answered(struct ch_prober_thread *prober);
void prober_rest_init(struct ch_prober_thread *prober);

#endif
