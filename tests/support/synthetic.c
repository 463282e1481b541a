/* SPDX-License-Identifier: Apache-2.0 */
#include "synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"

static void *must(void *made)
{
    if (!made)
        abort();
    return made;
}

struct ch_generation *synthetic_generation(const char *yaml)
{
    struct ch_config_errors errors = {.count = 0};
    struct ch_generation *generation = NULL;
    struct ch_config *config = NULL;
    char *text;

    if (ch_config_parse(yaml, strlen(yaml), "/etc/connhealthd/connhealthd.yml", &config, &errors) <
        0) {
        for (size_t i = 0; i < errors.count; i++)
            fprintf(stderr, "%s\n", errors.lines[i]);
        abort();
    }
    ch_config_errors_clear(&errors);
    text = must(ch_config_format(config));
    if (ch_generation_new(&config, NULL, NULL, &generation) < 0)
        abort();
    generation->config_text = text;
    return generation;
}

char *synthetic_yaml(size_t targets)
{
    static const char head[] = "groups:\n"
                               "  - name: fleet\n"
                               "    connect: {}\n"
                               "    static_configs:\n"
                               "      - labels: {team: storage, region: eu-west-1}\n"
                               "        targets:\n";
    char *text = must(malloc(sizeof(head) + targets * 48)), *at = text;

    at = stpcpy(at, head);
    for (size_t i = 0; i < targets; i++)
        at += sprintf(at, "          - \"10.%zu.%zu.%zu:6379\"\n", i >> 16 & 255, i >> 8 & 255,
                      i & 255);
    return text;
}

void synthetic_success(struct ch_record *record, enum ch_probe_kind kind, int64_t duration_ns)
{
    struct ch_attempt attempt = {
        .time_ns = SYNTHETIC_NOW_NS - 5 * CH_NS_PER_S,
        .outcome = {.success = 1},
        .evidence = {.kind = (uint8_t)kind, .duration_ns = duration_ns, .tcp = {.rtt_us = 250}},
    };

    ch_record_attempt(record, &attempt);
}

void synthetic_failure(struct ch_record *record, enum ch_probe_kind kind,
                       const struct ch_evidence *evidence)
{
    struct ch_attempt attempt = {.time_ns = SYNTHETIC_NOW_NS, .evidence = *evidence};

    attempt.evidence.kind = (uint8_t)kind;
    attempt.outcome = ch_classify(&attempt.evidence);
    if (attempt.outcome.success)
        abort();
    ch_record_attempt(record, &attempt);
}

static struct ch_addr address(const char *text, uint16_t port)
{
    struct ch_addr addr;

    if (!ch_addr_parse(text, port, &addr))
        abort();
    return addr;
}

static void refuse(struct ch_record *record, enum ch_probe_kind kind)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_CONNECT,
                                   .end = CH_END_ERRNO,
                                   .error = ECONNREFUSED,
                                   .duration_ns = 150 * CH_NS_PER_US,
                                   .peer = address("10.0.0.1", 6379),
                                   .tcp = {.state = 7, .segs_out = 1, .segs_in = 1}};

    synthetic_failure(record, kind, &evidence);
}

static void unreachable(struct ch_record *record, enum ch_probe_kind kind)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_CONNECT,
                                   .end = CH_END_ERRNO,
                                   .error = EHOSTUNREACH,
                                   .duration_ns = 3 * CH_NS_PER_S,
                                   .peer = address("10.0.0.1", 6379),
                                   .icmp = {.version = 4,
                                            .type = 3,
                                            .code = 1,
                                            .sender = CH_OFFENDER_ROUTER,
                                            .offender = address("10.0.0.254", 0)}};

    synthetic_failure(record, kind, &evidence);
    ch_record_icmp(record, &evidence.icmp);
}

static void mismatch(struct ch_record *record, enum ch_probe_kind kind)
{
    static const char reply[] = "-ERR \xff\x01\"no\"\\";
    struct ch_evidence evidence = {.phase = CH_PHASE_RECEIVE,
                                   .end = CH_END_MISMATCH,
                                   .established = true,
                                   .duration_ns = 700 * CH_NS_PER_US,
                                   .age_ns = 90 * CH_NS_PER_S,
                                   .peer = address("2001:db8::7", 6379),
                                   .confirm = CH_CONFIRM_CONNECTED,
                                   .reply_len = sizeof(reply) - 1};

    memcpy(evidence.reply, reply, sizeof(reply) - 1);
    synthetic_failure(record, kind, &evidence);
}

static void hold(struct ch_record *record, enum ch_trouble trouble)
{
    atomic_store(&record->established, 1);
    atomic_store(&record->established_ns, SYNTHETIC_NOW_NS - 3600 * CH_NS_PER_S);
    ch_count(&record->opens);
    atomic_store(&record->trouble, (uint8_t)trouble);
    atomic_store(&record->trouble_stage, 3);
    atomic_store(&record->trouble_since_ns, SYNTHETIC_NOW_NS - 2 * CH_NS_PER_S);
    atomic_store(&record->trouble_until_give_up_ns, 12500 * CH_NS_PER_MS);
}

static void add_event(struct ch_events *events, const struct ch_series *series)
{
    struct ch_event event = {.changed = true};

    snprintf(event.group, sizeof(event.group), "%s", series->target->group->name);
    snprintf(event.target, sizeof(event.target), "%s", series->target->name);
    if (!ch_record_last(series->record, &event.attempt))
        return;
    event.attempt.evidence.kind = (uint8_t)series->kind;
    ch_events_add(events, &event);
}

static void live_through(const struct ch_series *series)
{
    struct ch_record *record = series->record;

    switch (series->kind) {
    case CH_PROBE_CONNECT:
        synthetic_success(record, series->kind, 90 * CH_NS_PER_US);
        synthetic_success(record, series->kind, 1200 * CH_NS_PER_US);
        synthetic_success(record, series->kind, 4 * CH_NS_PER_S);
        unreachable(record, series->kind);
        refuse(record, series->kind);
        break;
    case CH_PROBE_HEARTBEAT:
        hold(record, CH_TROUBLE_REPLY_OVERDUE);
        ch_count(&record->send_stalls);
        mismatch(record, series->kind);
        synthetic_success(record, series->kind, 300 * CH_NS_PER_US);
        break;
    case CH_PROBE_KEEPALIVE:
        hold(record, CH_TROUBLE_NONE);
        atomic_store(&record->idle_survived_ns, 240 * CH_NS_PER_S);
        atomic_store(&record->idle_died_ns, 300 * CH_NS_PER_S);
        synthetic_success(record, series->kind, 0);
        break;
    case CH_PROBE_KIND_COUNT:
        break;
    }
}

void synthetic_morning(const struct ch_generation *generation, struct ch_events *events)
{
    for (size_t i = 0; i < generation->series_count; i++) {
        const struct ch_series *series = &generation->series[i];

        live_through(series);
        if (events)
            add_event(events, series);
    }
}
