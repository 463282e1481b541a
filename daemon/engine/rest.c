/* SPDX-License-Identifier: Apache-2.0 */
/* The prober at rest, while the machine sleeps or goes down. */
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "log.h"
#include "messages.h"
#include "prober_private.h"

static void start_again(struct ch_prober_thread *prober, bool runners, bool responder)
{
    struct ch_generation *generation = prober->generation;
    struct ch_addr failed = {0};
    int r = 0;

    if (!generation)
        return;
    if (runners)
        r = prober_start_runners(&prober->schedule, generation);
    if (r == 0 && responder)
        r = prober_start_responder(prober, generation->config, &failed);
    if (r < 0)
        prober_log_failure(r, &failed);
}

static void take_rest(struct ch_prober_thread *prober, enum ch_rest rest)
{
    enum ch_rest before = prober->rest;

    prober->rest = rest;
    if (rest == CH_REST_ALL && before != CH_REST_ALL)
        prober_end_runners(prober->generation);
    if (rest != CH_REST_NONE && before == CH_REST_NONE) {
        prober->responder = ch_responder_free(prober->responder);
        prober->responds = false;
    }
    if (before == CH_REST_ALL && rest != CH_REST_ALL)
        prober->schedule.slept_ns = ch_clock_slept_most();
    start_again(prober, before == CH_REST_ALL && rest != CH_REST_ALL,
                before != CH_REST_NONE && rest == CH_REST_NONE);
}

static void on_rest(struct ch_task *task)
{
    struct ch_prober_thread *prober = ch_container_of(task, struct ch_prober_thread, rest_task);
    uint64_t one = 1;
    ssize_t written;

    atomic_store(&prober->rest_posted, false);
    take_rest(prober, (enum ch_rest)atomic_load(&prober->rest_wanted));
    written = write(prober->rested_fd, &one, sizeof(one)); /* EAGAIN: readable already */
    (void)written;
}

void prober_rest_init(struct ch_prober_thread *prober)
{
    prober->rest_task.run = on_rest;
}

void ch_prober_rest(struct ch_prober_thread *prober, enum ch_rest rest)
{
    atomic_store(&prober->rest_wanted, (int)rest);
    if (!atomic_exchange(&prober->rest_posted, true))
        ch_loop_post(prober->loop, &prober->rest_task);
}

int ch_prober_rested_fd(const struct ch_prober_thread *prober)
{
    return prober->rested_fd;
}

void prober_look_for_sleep(struct ch_prober_thread *prober)
{
    if (prober->rest == CH_REST_ALL || !ch_schedule_slept(&prober->schedule))
        return;
    ch_log_message(CH_LOG_INFO, ch_message_row(CH_MESSAGE_SLEPT)->id,
                   "the machine slept, connections are made anew", NULL);
    prober_end_runners(prober->generation);
    prober->schedule.slept_ns = ch_clock_slept_most();
    start_again(prober, true, false);
}
