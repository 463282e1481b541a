/* SPDX-License-Identifier: Apache-2.0 */
#include "attempt.h"

#include <errno.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"

/* Of confirming connects: a single attempt makes one. */
#define CONFIRMS 4

struct run {
    struct ctl_attempt *attempt;
    struct ch_prober prober;
    struct ch_probe *probe;
    struct ch_timer timer;
    bool started; /* an attempt is under way */
    bool holding; /* a keepalive connection is held until the timer fires */
    bool finished;
};

static void on_finished(struct ch_probe *probe, const struct ch_evidence *evidence)
{
    struct run *run = probe->owner;
    struct ch_attempt *result = &run->attempt->result;
    bool first = run->started && !run->holding;

    run->started = false;
    result->time_ns = ch_clock_realtime();
    result->evidence = *evidence;
    result->outcome = ch_classify(evidence);
    /* A keepalive's first look only sees that the connection was made: what it
     * is for shows while the connection is held. */
    run->holding =
        first && result->outcome.success && run->attempt->spec.ops->kind == CH_PROBE_KEEPALIVE;
    run->finished = !run->holding;
}

static void on_timer(struct ch_timer *timer, int64_t now)
{
    struct run *run = ch_container_of(timer, struct run, timer);

    if (run->started) {
        run->attempt->spec.ops->expire(run->probe);
        return;
    }
    run->started = true;
    run->attempt->spec.ops->start(run->probe, now);
}

static void on_connection(struct ch_probe *probe, bool established)
{
    (void)probe;
    (void)established;
}

static void on_stalled(struct ch_probe *probe)
{
    (void)probe;
}

static void on_icmp(struct ch_probe *probe, const struct ch_icmp *icmp)
{
    (void)probe;
    (void)icmp;
}

static void on_trouble(struct ch_probe *probe, const struct ch_trouble_report *report)
{
    (void)probe;
    (void)report;
}

static void on_idle_life(struct ch_probe *probe, const struct ch_idle_life *life)
{
    (void)probe;
    (void)life;
}

static const struct ch_prober_ops ops = {
    .finished = on_finished,
    .connection = on_connection,
    .stalled = on_stalled,
    .icmp = on_icmp,
    .trouble = on_trouble,
    .idle_life = on_idle_life,
};

static int turn_to_the_end(struct run *run)
{
    struct ch_loop *loop = run->prober.loop;
    int64_t begun = ch_clock_monotonic();
    int64_t deadline = begun + run->attempt->timeout_ns;
    int r = ch_loop_timer_arm(loop, &run->timer, deadline);

    if (r < 0)
        return r;
    run->started = true;
    run->attempt->spec.ops->start(run->probe, deadline);
    while (r == 0 && !run->finished)
        r = ch_loop_turn(loop, -1);
    run->attempt->elapsed_ns = ch_clock_monotonic() - begun;
    ch_loop_timer_disarm(loop, &run->timer);
    return r;
}

static void close_run(struct run *run)
{
    ch_probe_free(run->probe);
    ch_resolver_free(run->prober.resolver);
    ch_confirm_budget_free(run->prober.confirm_budget);
    ch_loop_free(run->prober.loop);
}

int ctl_attempt_run(struct ctl_attempt *attempt)
{
    struct run run = {.attempt = attempt, .prober = {.ops = &ops}, .timer = {.on_fire = on_timer}};
    int r = ch_loop_new(&run.prober.loop);

    if (r == 0)
        r = ch_resolver_new(run.prober.loop, &run.prober.resolver);
    if (r == 0)
        r = ch_confirm_budget_new(CONFIRMS, CONFIRMS, &run.prober.confirm_budget);
    if (r == 0)
        r = ch_probe_new(&attempt->spec, &run.prober, &run, &run.probe);
    if (r == 0)
        r = turn_to_the_end(&run);
    close_run(&run);
    return r;
}
