/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "connhealth/probe_options.h"

#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

/* TIME_WAIT lasts 60 s on Linux (TCP_TIMEWAIT_LEN); a seventh of the default
 * range of ephemeral ports may stand in it for our sake. */
#define TIME_WAIT_NS     (60 * CH_NS_PER_S)
#define TIME_WAIT_BUDGET 4096

/* An attempt whose time is over may be waiting for its confirming connect, which
 * takes its turn first. Whatever it waits for, it is asked again after this. */
#define EXPIRE_AGAIN_NS (2 * CH_CONFIRM_NS)

/* A sleep that breaks nothing is none. */
#define SLEPT_NS (500 * CH_NS_PER_MS)

#define RETRY_FIRST_NS  (500 * CH_NS_PER_MS)
#define RETRY_DOUBLINGS 7

enum runner_state {
    RUNNER_WAITS,   /* for its next start */
    RUNNER_RUNS,    /* an attempt is under way */
    RUNNER_EXPIRED, /* its time is over, finished is still to come */
};

/* What every attempt touches comes first, in as few cache lines as can be. */
struct ch_runner {
    struct ch_timer timer; /* the next start, or the end of the attempt's time */
    struct ch_schedule *schedule;
    const struct ch_series *series;
    struct ch_probe *probe;
    int64_t offset;
    uint32_t failures; /* in a row */
    enum runner_state state;
    struct ch_probe_spec spec;
    struct ch_probe_settings *settings; /* whose options the probe uses */
    uint64_t seed;
    struct ch_demand *demands; /* answered by the attempt that is under way */
    struct ch_demand *waiting; /* by the one that follows at once */
};

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static uint64_t seed_of(const struct ch_series *series)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    hash = mix(hash, series->target->group->name);
    hash = mix(hash, series->target->name);
    hash = mix(hash, ch_probe_kind_word(series->kind)->slug);
    /* FNV mixes its last bytes poorly into the high bits; the finalizer of
     * MurmurHash3 spreads names that differ in one digit. */
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

int64_t ch_schedule_next(int64_t now, int64_t offset, int64_t interval)
{
    int64_t passed = now - offset;

    if (passed < 0)
        return offset;
    return offset + (passed / interval + 1) * interval;
}

int64_t ch_schedule_offset(const struct ch_series *series)
{
    return (int64_t)(seed_of(series) % (uint64_t)series->settings->interval_ns);
}

int64_t ch_schedule_retry(uint32_t failures, int64_t interval, uint64_t seed)
{
    uint32_t doublings = failures > 0 ? failures - 1 : 0;
    int64_t wait;

    if (doublings > RETRY_DOUBLINGS)
        return interval;
    wait = RETRY_FIRST_NS << doublings;
    if (wait >= interval)
        return interval;
    /* three quarters to the whole of it, so that a thousand connections that
     * broke together do not come back together */
    return wait - (int64_t)(seed % (uint64_t)(wait / 4 + 1));
}

bool ch_schedule_slept(const struct ch_schedule *schedule)
{
    return ch_clock_slept_least() > schedule->slept_ns + SLEPT_NS;
}

static bool may_choose(const struct ch_series *series)
{
    const struct ch_connect_options *options = series->settings->options;

    return series->kind == CH_PROBE_CONNECT && options->close == CH_CONNECT_CLOSE_AUTO;
}

bool ch_schedule_wants_reset(const struct ch_generation *generation)
{
    int64_t connects = 0;

    for (size_t i = 0; i < generation->series_count; i++)
        if (may_choose(&generation->series[i]))
            connects += TIME_WAIT_NS / generation->series[i].settings->interval_ns + 1;
    return connects > TIME_WAIT_BUDGET;
}

static bool closes_by_reset(const struct ch_schedule *schedule, const struct ch_series *series)
{
    const struct ch_connect_options *options = series->settings->options;

    if (series->kind != CH_PROBE_CONNECT)
        return false;
    return may_choose(series) ? schedule->close_by_reset : options->close == CH_CONNECT_CLOSE_RESET;
}

/* From the first time on a runner's timer is always armed: moving it cannot fail,
 * nor can arming it again right when it has fired, before anybody else takes the
 * place that it left. So no want of memory makes a runner stop. */
static int wait_until(struct ch_runner *runner, int64_t when)
{
    runner->state = RUNNER_WAITS;
    return ch_loop_timer_arm(runner->schedule->prober.loop, &runner->timer, when);
}

static void begin(struct ch_runner *runner, int64_t now)
{
    int64_t deadline = now + runner->series->settings->timeout_ns;

    runner->state = RUNNER_RUNS;
    runner->demands = runner->waiting;
    runner->waiting = NULL;
    (void)ch_loop_timer_arm(runner->schedule->prober.loop, &runner->timer, deadline);
    runner->spec.ops->start(runner->probe, deadline);
}

static void answer(struct ch_runner *runner, struct ch_demand *demands, int result)
{
    for (struct ch_demand *demand = demands, *next; demand; demand = next) {
        next = demand->next;
        demand->result = result;
        runner->schedule->answered(demand);
    }
}

static void on_runner_timer(struct ch_timer *timer, int64_t now)
{
    struct ch_runner *runner = ch_container_of(timer, struct ch_runner, timer);

    if (runner->state == RUNNER_WAITS) {
        begin(runner, now);
        return;
    }
    runner->state = RUNNER_EXPIRED;
    (void)ch_loop_timer_arm(runner->schedule->prober.loop, timer, now + EXPIRE_AGAIN_NS);
    runner->spec.ops->expire(runner->probe);
}

static bool holds_connection(const struct ch_runner *runner)
{
    return atomic_load_explicit(&runner->series->record->established, memory_order_relaxed) != 0;
}

/* A persistent probe whose connection is gone does not wait for its place. */
static void plan_next(struct ch_runner *runner)
{
    int64_t now = ch_loop_now(runner->schedule->prober.loop);
    int64_t interval = runner->series->settings->interval_ns;
    int64_t next = ch_schedule_next(now, runner->offset, interval);

    if (runner->waiting) {
        (void)wait_until(runner, now);
        return;
    }
    if (runner->spec.ops->persistent && runner->spec.transport == CH_TRANSPORT_TCP &&
        runner->failures > 0 && !holds_connection(runner)) {
        int64_t retry = now + ch_schedule_retry(runner->failures, interval, runner->seed);

        if (retry < next)
            next = retry;
    }
    (void)wait_until(runner, next);
}

static void tell(struct ch_runner *runner, const struct ch_attempt *attempt, bool changed)
{
    const struct ch_target *target = runner->series->target;
    struct ch_event event = {.changed = changed, .attempt = *attempt};

    snprintf(event.group, sizeof(event.group), "%s", target->group->name);
    snprintf(event.target, sizeof(event.target), "%s", target->name);
    ch_events_add(runner->schedule->events, &event);
    if (changed)
        ch_changes_add(runner->schedule->changes, &event, runner->series->kind);
}

static void on_finished(struct ch_probe *probe, const struct ch_evidence *evidence)
{
    struct ch_runner *runner = probe->owner;
    struct ch_attempt attempt = {.time_ns = ch_clock_realtime(), .evidence = *evidence};
    struct ch_demand *demands = runner->demands;
    bool changed;

    runner->demands = NULL;
    attempt.outcome = ch_classify(evidence);
    if (!attempt.outcome.success && ch_schedule_slept(runner->schedule)) {
        /* The machine's own sleep broke it; soon all is begun anew. */
        plan_next(runner);
        answer(runner, demands, -ECANCELED);
        return;
    }
    changed = ch_record_attempt(runner->series->record, &attempt);
    if (attempt.outcome.success)
        runner->failures = 0;
    else if (runner->failures < UINT32_MAX)
        runner->failures++;
    if (changed || !attempt.outcome.success)
        tell(runner, &attempt, changed);
    plan_next(runner);
    answer(runner, demands, 0);
}

static void on_connection(struct ch_probe *probe, bool established)
{
    struct ch_record *record = ((struct ch_runner *)probe->owner)->series->record;

    SET(record->established, established);
    SET(record->established_ns, established ? ch_clock_realtime() : 0);
    if (established)
        ch_count(&record->opens);
}

static void on_stalled(struct ch_probe *probe)
{
    ch_count(&((struct ch_runner *)probe->owner)->series->record->send_stalls);
}

static void on_icmp(struct ch_probe *probe, const struct ch_icmp *icmp)
{
    ch_record_icmp(((struct ch_runner *)probe->owner)->series->record, icmp);
}

static void on_trouble(struct ch_probe *probe, const struct ch_trouble_report *report)
{
    struct ch_record *record = ((struct ch_runner *)probe->owner)->series->record;

    if (atomic_load_explicit(&record->trouble, memory_order_relaxed) != report->trouble)
        SET(record->trouble_since_ns, report->trouble == CH_TROUBLE_NONE ? 0 : ch_clock_realtime());
    SET(record->trouble, (uint8_t)report->trouble);
    SET(record->trouble_stage, report->stage);
    SET(record->trouble_until_give_up_ns, report->until_give_up);
}

static void on_idle_life(struct ch_probe *probe, const struct ch_idle_life *life)
{
    struct ch_record *record = ((struct ch_runner *)probe->owner)->series->record;

    SET(record->idle_survived_ns, life->survived_ns);
    SET(record->idle_died_ns, life->died_ns);
}

const struct ch_prober_ops ch_schedule_ops = {
    .finished = on_finished,
    .connection = on_connection,
    .stalled = on_stalled,
    .icmp = on_icmp,
    .trouble = on_trouble,
    .idle_life = on_idle_life,
};

static int make_spec(struct ch_runner *runner)
{
    const struct ch_series *series = runner->series;

    runner->spec = (struct ch_probe_spec){
        .ops = series->settings->ops,
        .transport = series->target->group->transport,
        .options = series->settings->options,
        .confirm = series->target->group->confirm,
        .close_by_reset = closes_by_reset(runner->schedule, series),
    };
    /* The configuration's check has parsed it before. */
    return ch_hostport_parse(series->target->name, &runner->spec.address) ? -EINVAL : 0;
}

int ch_runner_new(struct ch_schedule *schedule, const struct ch_series *series,
                  struct ch_runner **ret)
{
    struct ch_runner *runner = calloc(1, sizeof(*runner));
    int r;

    if (!runner)
        return -ENOMEM;
    runner->schedule = schedule;
    runner->series = series;
    runner->settings = ch_probe_settings_ref(series->settings);
    runner->timer.on_fire = on_runner_timer;
    runner->seed = seed_of(series);
    runner->offset = ch_schedule_offset(series);
    r = make_spec(runner);
    if (r == 0)
        r = ch_probe_new(&runner->spec, &schedule->prober, runner, &runner->probe);
    if (r == 0)
        r = wait_until(runner, ch_schedule_next(ch_clock_monotonic(), runner->offset,
                                                series->settings->interval_ns));
    if (r < 0) {
        ch_runner_free(runner);
        return r;
    }
    *ret = runner;
    return 0;
}

void ch_runner_rebind(struct ch_runner *runner, const struct ch_series *series)
{
    int64_t before = runner->series->settings->interval_ns;

    runner->series = series;
    runner->spec.close_by_reset = closes_by_reset(runner->schedule, series);
    if (series->settings->interval_ns == before)
        return;
    runner->offset = ch_schedule_offset(series);
    if (runner->state == RUNNER_WAITS)
        plan_next(runner);
}

void ch_runner_demand(struct ch_runner *runner, struct ch_demand *demand)
{
    demand->next = runner->waiting;
    runner->waiting = demand;
    if (runner->state == RUNNER_WAITS)
        (void)wait_until(runner, ch_clock_monotonic());
}

struct ch_runner *ch_runner_free(struct ch_runner *runner)
{
    struct ch_record *record;

    if (!runner)
        return NULL;
    answer(runner, runner->demands, -ECANCELED);
    answer(runner, runner->waiting, -ECANCELED);
    record = runner->series->record;
    ch_loop_timer_disarm(runner->schedule->prober.loop, &runner->timer);
    runner->probe = ch_probe_free(runner->probe);
    SET(record->established, 0);
    SET(record->established_ns, 0);
    SET(record->trouble, CH_TROUBLE_NONE);
    ch_probe_settings_unref(runner->settings);
    free(runner);
    return NULL;
}
