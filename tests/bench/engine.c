/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine PORT TARGETS COUNT connect-fin|connect-reset|heartbeat: the whole
 * engine as the daemon runs it, from a configuration to the records (schedule,
 * probe, evidence, classification, counters), with intervals so short that it is
 * never idle: so many targets are so many attempts at a time.
 */
#include <time.h>

#include "bench_config.h"
#include "changes.h"
#include "connhealth/responder.h"
#include "events.h"
#include "generation.h"
#include "prober.h"

/* So much sooner than any attempt can be over, each target is due again. */
#define INTERVAL_PER_TARGET_NS (2 * CH_NS_PER_US)

static struct ch_responder_counters responder_counters;

static const char *probe_of(const char *kind)
{
    if (strcmp(kind, "connect-fin") == 0)
        return "connect: {close: fin}";
    if (strcmp(kind, "connect-reset") == 0)
        return "connect: {close: reset}";
    if (strcmp(kind, "heartbeat") == 0)
        return "heartbeat: {send: \"PING\\r\\n\", expect: \"^\\\\+PONG\\r\\n\"}";
    fprintf(stderr, "no such probe: %s\n", kind);
    exit(2);
}

/* A user may not ask for this: the configuration's least interval is longer. */
static void make_it_restless(struct ch_config *config, uint32_t targets)
{
    for (int kind = 0; kind < CH_PROBE_KIND_COUNT; kind++)
        if (config->groups[0].probes[kind])
            config->groups[0].probes[kind]->interval_ns = targets * INTERVAL_PER_TARGET_NS;
}

static uint64_t attempts_of(const struct ch_generation *generation)
{
    uint64_t attempts = 0;

    for (size_t i = 0; i < generation->series_count; i++)
        attempts += ch_counter(&generation->series[i].record->attempts);
    return attempts;
}

static uint64_t failures_of(const struct ch_generation *generation)
{
    uint64_t failures = 0;

    for (size_t i = 0; i < generation->series_count; i++)
        for (int category = 0; category < CH_CATEGORY_COUNT; category++)
            failures += ch_counter(&generation->series[i].record->failures[category]);
    return failures;
}

static void wait_for(const struct ch_generation *generation, uint64_t attempts)
{
    static const struct timespec pause = {.tv_nsec = 5 * CH_NS_PER_MS};

    while (attempts_of(generation) < attempts)
        nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    struct ch_events *events;
    struct ch_changes *changes;
    struct ch_prober_thread *prober;
    struct ch_generation *generation;
    struct ch_config *config;
    struct ch_addr failed;
    struct bench_mark begin, end;
    uint32_t targets;
    uint64_t count;

    if (argc != 5) {
        fprintf(stderr, "usage: engine PORT TARGETS COUNT "
                        "connect-fin|connect-reset|heartbeat\n");
        return 2;
    }
    bench_raise_descriptors();
    targets = (uint32_t)bench_number(argv[2]);
    count = bench_number(argv[3]);
    config = bench_config(probe_of(argv[4]), (uint16_t)bench_number(argv[1]), targets);
    make_it_restless(config, targets);
    bench_check(ch_generation_new(&config, NULL, NULL, &generation), "generation");
    bench_check(ch_events_new(&events), "events");
    bench_check(ch_changes_new(&changes), "changes");
    bench_check(ch_prober_new(events, changes, &responder_counters, &prober), "prober");
    bench_check(ch_prober_apply(prober, generation, NULL, &failed), "apply");
    bench_check(ch_prober_start(prober), "start");
    wait_for(generation, count / 10);
    begin = bench_mark(attempts_of(generation));
    wait_for(generation, begin.count + count);
    end = bench_mark(attempts_of(generation));
    bench_report(begin, end, failures_of(generation));
    ch_prober_free(prober);
    ch_generation_unref(generation);
    ch_changes_free(changes);
    ch_events_free(events);
    return 0;
}
