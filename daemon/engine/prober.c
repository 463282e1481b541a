/* SPDX-License-Identifier: Apache-2.0 */
#include "prober.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "log.h"
#include "prober_private.h"

/* Confirming connects: so many a second, after a burst. A break of thousands of
 * connections at once is confirmed by a sample of them. */
#define CONFIRMS_PER_SECOND 200
#define CONFIRM_BURST       50

/* Each runner has a timer, each dial and each confirming connect one. */
#define TIMERS_PER_RUNNER 2
#define TIMERS_BESIDE     1024

/* A generation on its way; keep[i] says that series i goes on undisturbed. That
 * is found out on the thread that reloads: comparing the settings of 100,000
 * targets would hold up the probes. */
struct handover {
    struct ch_task task;
    struct ch_prober_thread *prober;
    struct ch_generation *generation;
    bool *keep;
};

static bool same_listeners(const struct ch_config *a, const struct ch_config *b)
{
    if (!a || a->responder.listen_count != b->responder.listen_count ||
        a->responder.max_connections != b->responder.max_connections ||
        a->responder.max_connections_per_address != b->responder.max_connections_per_address ||
        a->responder.idle_timeout_ns != b->responder.idle_timeout_ns)
        return false;
    for (size_t i = 0; i < a->responder.listen_count; i++)
        if (a->responder.listen[i].port != b->responder.listen[i].port ||
            !ch_addr_same_host(&a->responder.listen[i], &b->responder.listen[i]))
            return false;
    return true;
}

/* Whoever passed it holds it, too: its clients are connected by the kernel, and
 * would wait for answers that never come. */
static void tell_unused(const struct ch_prober_thread *prober)
{
    for (size_t i = 0; i < prober->passed_count; i++) {
        struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(sa);
        char address[CH_ADDR_TEXT];
        struct ch_addr addr;

        if (prober->passed[i].used)
            continue;
        getsockname(prober->passed[i].fd, (struct sockaddr *)&sa, &len);
        addr = ch_addr_from_sockaddr((struct sockaddr *)&sa, len);
        ch_log_fields(CH_LOG_WARN, "a passed socket of the responder is not served", "address",
                      ch_addr_format(&addr, address), "remedy",
                      "add the address to responder.listen, or take it out of the socket unit",
                      NULL);
    }
}

int prober_start_responder(struct ch_prober_thread *prober, const struct ch_config *config,
                           struct ch_addr *ret_failed)
{
    struct ch_responder_limits limits = {
        .connections = config->responder.max_connections,
        .connections_per_address = config->responder.max_connections_per_address,
        .idle_ns = config->responder.idle_timeout_ns,
    };
    int r;

    prober->responder = ch_responder_free(prober->responder);
    for (size_t i = 0; i < prober->passed_count; i++)
        prober->passed[i].used = false;
    prober->responds = config->responder.listen_count == 0;
    if (prober->responds) {
        tell_unused(prober);
        return 0;
    }
    r = ch_responder_new(prober->loop, &limits, prober->counters, &prober->responder);
    if (r == 0)
        ch_responder_lend(prober->responder, prober->passed, prober->passed_count);
    for (size_t i = 0; r == 0 && i < config->responder.listen_count; i++) {
        r = ch_responder_listen(prober->responder, &config->responder.listen[i]);
        if (r < 0)
            *ret_failed = config->responder.listen[i];
    }
    prober->responds = r == 0;
    if (r == 0)
        tell_unused(prober);
    return r;
}

static void take_over(struct ch_generation *generation, struct ch_generation *previous,
                      const bool *keep)
{
    for (size_t i = 0; i < generation->series_count; i++) {
        struct ch_series *series = &generation->series[i], *before;

        if (!keep[i])
            continue;
        before = &previous->series[series->previous];
        series->runner = before->runner;
        before->runner = NULL;
        if (series->runner)
            ch_runner_rebind(series->runner, series);
    }
}

void prober_end_runners(struct ch_generation *generation)
{
    for (size_t i = 0; generation && i < generation->series_count; i++)
        generation->series[i].runner = ch_runner_free(generation->series[i].runner);
}

int prober_start_runners(struct ch_schedule *schedule, struct ch_generation *generation)
{
    int r = 0;

    for (size_t i = 0; i < generation->series_count; i++)
        if (!generation->series[i].runner) {
            int one =
                ch_runner_new(schedule, &generation->series[i], &generation->series[i].runner);

            if (one < 0)
                r = one;
        }
    return r;
}

static int take_generation(struct handover *handover, struct ch_addr *ret_failed)
{
    struct ch_prober_thread *prober = handover->prober;
    struct ch_generation *generation = handover->generation, *previous = prober->generation;
    size_t timers = generation->series_count * TIMERS_PER_RUNNER + TIMERS_BESIDE;
    int r, responder = 0;

    /* From here on nothing turns back: the one who reloads counts on this
     * generation being the one that runs. Without room beforehand, each runner
     * finds its own, or is told of as not started. */
    (void)ch_loop_timers_reserve(prober->loop, timers > UINT32_MAX ? UINT32_MAX : (uint32_t)timers);
    prober->generation = generation;
    handover->generation = NULL;
    prober->schedule.close_by_reset = ch_schedule_wants_reset(generation);
    take_over(generation, previous, handover->keep);
    prober_end_runners(previous);
    r = prober->rest == CH_REST_ALL ? 0 : prober_start_runners(&prober->schedule, generation);
    if (prober->rest != CH_REST_NONE)
        prober->responds = false;
    else if (!prober->responds ||
             !same_listeners(previous ? previous->config : NULL, generation->config))
        responder = prober_start_responder(prober, generation->config, ret_failed);
    /* Freeing 100,000 targets would hold up the probes: that is left to
     * ch_prober_pulse(). */
    ch_generation_unref(atomic_exchange(&prober->retired, previous));
    return r < 0 ? r : responder;
}

static void free_handover(struct handover *handover)
{
    ch_generation_unref(handover->generation);
    free(handover->keep);
    free(handover);
}

void prober_log_failure(int r, const struct ch_addr *failed)
{
    char address[CH_ADDR_TEXT];

    if (failed->family != AF_UNSPEC)
        ch_log_fields(CH_LOG_ERROR, "the responder cannot listen", "address",
                      ch_addr_format(failed, address), "error", strerror(-r), NULL); // NOLINT
    else
        ch_log_fields(CH_LOG_ERROR, "not every probe could be started", "error", strerror(-r),
                      NULL); // NOLINT
}

static void on_handover(struct ch_task *task)
{
    struct handover *handover = ch_container_of(task, struct handover, task);
    struct ch_addr failed = {0};
    int r = take_generation(handover, &failed);

    if (r < 0)
        prober_log_failure(r, &failed);
    free_handover(handover);
}

static int plan_handover(struct ch_prober_thread *prober, struct ch_generation *generation,
                         const struct ch_generation *previous, struct handover **ret)
{
    struct handover *handover = calloc(1, sizeof(*handover));

    if (!handover)
        return -ENOMEM;
    handover->keep = calloc(generation->series_count + 1, sizeof(*handover->keep));
    if (!handover->keep) {
        free(handover);
        return -ENOMEM;
    }
    handover->task.run = on_handover;
    handover->prober = prober;
    handover->generation = ch_generation_ref(generation);
    for (size_t i = 0; previous && i < generation->series_count; i++) {
        const struct ch_series *series = &generation->series[i];

        handover->keep[i] = series->previous != CH_SERIES_NEW &&
                            ch_series_same_settings(series, &previous->series[series->previous]);
    }
    *ret = handover;
    return 0;
}

void ch_prober_lend(struct ch_prober_thread *prober, struct ch_responder_passed *passed,
                    size_t count)
{
    prober->passed = passed;
    prober->passed_count = count;
}

static void on_pulse(struct ch_task *task)
{
    struct ch_prober_thread *prober = ch_container_of(task, struct ch_prober_thread, pulse);

    atomic_store(&prober->pulse_posted, false);
    prober_look_for_sleep(prober);
}

int ch_prober_new(struct ch_events *events, struct ch_changes *changes,
                  struct ch_responder_counters *counters, struct ch_prober_thread **ret)
{
    struct ch_prober_thread *prober = calloc(1, sizeof(*prober));
    int r;

    if (!prober)
        return -ENOMEM;
    prober->counters = counters;
    prober->pulse.run = on_pulse;
    prober->answered_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    prober->rested_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    prober_rest_init(prober);
    r = prober->answered_fd < 0 || prober->rested_fd < 0 ? -errno : ch_loop_new(&prober->loop);
    if (r == 0)
        r = ch_resolver_new(prober->loop, &prober->resolver);
    if (r == 0)
        r = ch_confirm_budget_new(CONFIRMS_PER_SECOND, CONFIRM_BURST, &prober->budget);
    if (r < 0) {
        ch_prober_free(prober);
        return r;
    }
    prober->schedule = (struct ch_schedule){
        .prober = {.loop = prober->loop,
                   .resolver = prober->resolver,
                   .ops = &ch_schedule_ops,
                   .confirm_budget = prober->budget},
        .events = events,
        .changes = changes,
        .answered = prober_answered,
        .slept_ns = ch_clock_slept_most(),
    };
    *ret = prober;
    return 0;
}

int ch_prober_apply(struct ch_prober_thread *prober, struct ch_generation *generation,
                    const struct ch_generation *previous, struct ch_addr *ret_failed)
{
    struct handover *handover;
    int r = plan_handover(prober, generation, previous, &handover);

    if (r < 0)
        return r;
    if (prober->running) {
        ch_loop_post(prober->loop, &handover->task);
        return 0;
    }
    r = take_generation(handover, ret_failed);
    free_handover(handover);
    return r;
}

static void *run_prober(void *argument)
{
    struct ch_prober_thread *prober = argument;
    int r = ch_loop_run(prober->loop);

    if (r < 0)
        ch_log_fields(CH_LOG_ERROR, "the prober's loop failed", "error", strerror(-r), // NOLINT
                      NULL);
    return NULL;
}

int ch_prober_start(struct ch_prober_thread *prober)
{
    sigset_t all, before;
    int r;

    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    prober->running = true;
    r = pthread_create(&prober->thread, NULL, run_prober, prober);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        prober->running = false;
        return -r;
    }
    pthread_setname_np(prober->thread, "prober");
    return 0;
}

void ch_prober_stop(struct ch_prober_thread *prober)
{
    if (prober->running) {
        ch_loop_stop(prober->loop);
        pthread_join(prober->thread, NULL);
    }
    prober->running = false;
}

struct ch_prober_thread *ch_prober_free(struct ch_prober_thread *prober)
{
    if (!prober)
        return NULL;
    ch_prober_stop(prober);
    prober_end_runners(prober->generation);
    ch_generation_unref(prober->generation);
    ch_generation_unref(prober->retired);
    ch_responder_free(prober->responder);
    ch_resolver_free(prober->resolver);
    ch_confirm_budget_free(prober->budget);
    ch_loop_free(prober->loop);
    prober_free_answered(prober);
    if (prober->answered_fd >= 0)
        close(prober->answered_fd);
    if (prober->rested_fd >= 0)
        close(prober->rested_fd);
    free(prober);
    return NULL;
}

void ch_prober_lag_set(struct ch_prober_thread *prober, const struct ch_loop_lag *lag)
{
    ch_loop_lag_set(prober->loop, lag);
}

const struct ch_loop_lag *ch_prober_lag(const struct ch_prober_thread *prober)
{
    return ch_loop_lag(prober->loop);
}

uint64_t ch_prober_pulse(struct ch_prober_thread *prober)
{
    ch_generation_unref(atomic_exchange(&prober->retired, NULL));
    if (prober->running && !atomic_exchange(&prober->pulse_posted, true))
        ch_loop_post(prober->loop, &prober->pulse);
    return ch_loop_turns(prober->loop);
}
