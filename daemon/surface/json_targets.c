/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "connhealth/icmp.h"
#include "json.h"
#include "json_attempt.h"

/* Relaxed, as everything in a record is read. */
#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

struct targets_stream {
    struct ch_stream stream;
    struct ch_generation *generation; /* a reference; NULL before the first */
    size_t next;
    bool begun;
    unsigned given;
    bool failing;
    char *group, *target; /* copies of the filters */
};

static bool wanted(const struct targets_stream *targets, const struct ch_series *series)
{
    uint8_t success = LOAD(series->record->success);

    if ((targets->given & CH_QUERY_GROUP) &&
        strcmp(series->target->group->name, targets->group) != 0)
        return false;
    if ((targets->given & CH_QUERY_TARGET) && strcmp(series->target->name, targets->target) != 0)
        return false;
    return !(targets->given & CH_QUERY_FAILING) || (success == CH_SUCCESS_NO) == targets->failing;
}

static void put_success(struct json_build *build, cJSON *object, uint8_t success)
{
    if (success == CH_SUCCESS_NEVER_TRIED)
        json_null(build, object, "success");
    else
        json_bool(build, object, "success", success == CH_SUCCESS_YES);
}

static void put_labels(struct json_build *build, cJSON *object, const struct ch_labels *labels)
{
    cJSON *child = json_object(build, object, "labels");

    for (size_t i = 0; i < labels->count; i++)
        json_named_text(build, child, labels->items[i].name, labels->items[i].value);
}

static void put_failures(struct json_build *build, cJSON *object, const struct ch_series *series)
{
    uint32_t expected = series->settings->ops->categories(series->target->group->transport);
    cJSON *child = json_object(build, object, "failures");

    for (unsigned i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++) {
        uint64_t count = ch_counter(&series->record->failures[i]);

        if (count > 0 || (expected & 1u << i))
            json_u64(build, child, ch_category_row((enum ch_category)i)->slug, count);
    }
}

static void put_causes(struct json_build *build, cJSON *object, const struct ch_record *record)
{
    cJSON *array = json_array(build, object, "causes");

    for (struct ch_cause_count *row = atomic_load_explicit(&record->causes, memory_order_acquire);
         row; row = atomic_load_explicit(&row->next, memory_order_acquire)) {
        cJSON *child = json_element(build, array);

        json_text(build, child, "phase", ch_phase_word(row->outcome.phase)->slug);
        json_text(build, child, "category", ch_category_row(row->outcome.category)->slug);
        json_text(build, child, "wire", ch_wire_word(row->outcome.wire)->slug);
        json_text(build, child, "cause", ch_cause_word(row->outcome.cause)->slug);
        json_u64(build, child, "count", ch_counter(&row->count));
    }
}

static void put_icmp_errors(struct json_build *build, cJSON *object, const struct ch_record *record)
{
    cJSON *array = json_array(build, object, "icmp_errors");

    for (struct ch_icmp_count *row = atomic_load_explicit(&record->icmp, memory_order_acquire); row;
         row = atomic_load_explicit(&row->next, memory_order_acquire)) {
        cJSON *child = json_element(build, array);
        char offender[CH_ADDR_TEXT] = "other";

        json_text(build, child, "icmp", ch_icmp_word(&row->icmp)->slug);
        if (row->icmp.version != 0) {
            json_u64(build, child, "version", row->icmp.version);
            json_u64(build, child, "type", row->icmp.type);
            json_u64(build, child, "code", row->icmp.code);
            ch_addr_format_host(&row->icmp.offender, offender);
        }
        json_text(build, child, "offender", offender);
        json_u64(build, child, "count", ch_counter(&row->count));
    }
}

static void put_trouble(struct json_build *build, cJSON *object, const struct ch_record *record)
{
    enum ch_trouble trouble = LOAD(record->trouble);
    int64_t left = LOAD(record->trouble_until_give_up_ns);
    cJSON *child;

    if (trouble == CH_TROUBLE_NONE) {
        json_null(build, object, "trouble");
        return;
    }
    child = json_object(build, object, "trouble");
    json_text(build, child, "trouble", ch_trouble_word(trouble)->slug);
    json_text(build, child, "meaning", ch_trouble_word(trouble)->meaning);
    json_u64(build, child, "stage", LOAD(record->trouble_stage));
    json_time(build, child, "since", LOAD(record->trouble_since_ns));
    if (left >= 0)
        json_seconds(build, child, "until_give_up_seconds", left);
    else
        json_null(build, child, "until_give_up_seconds");
}

static void put_known_seconds(struct json_build *build, cJSON *object, const char *key, int64_t ns)
{
    if (ns > 0)
        json_seconds(build, object, key, ns);
    else
        json_null(build, object, key);
}

/* What a probe has that holds its connection. */
static void put_connection(struct json_build *build, cJSON *object, const struct ch_series *series)
{
    const struct ch_record *record = series->record;
    cJSON *child = json_object(build, object, "connection");

    json_bool(build, child, "established", LOAD(record->established));
    json_time(build, child, "since", LOAD(record->established_ns));
    json_u64(build, child, "opens", ch_counter(&record->opens));
    put_trouble(build, object, record);
    if (series->kind != CH_PROBE_KEEPALIVE)
        return;
    child = json_object(build, object, "idle");
    put_known_seconds(build, child, "survived_seconds", LOAD(record->idle_survived_ns));
    put_known_seconds(build, child, "died_seconds", LOAD(record->idle_died_ns));
}

static void put_last(struct json_build *build, cJSON *object, const struct ch_record *record)
{
    struct ch_attempt attempt;

    if (ch_record_last(record, &attempt))
        json_attempt(build, json_object(build, object, "last"), &attempt);
    else
        json_null(build, object, "last");
    if (ch_record_last_failure(record, &attempt))
        json_attempt(build, json_object(build, object, "last_failure"), &attempt);
    else
        json_null(build, object, "last_failure");
}

static void put_series(struct json_build *build, cJSON *object, const struct ch_series *series)
{
    const struct ch_record *record = series->record;
    const struct ch_target *target = series->target;

    json_text(build, object, "group", target->group->name);
    json_text(build, object, "target", target->name);
    json_text(build, object, "probe", ch_probe_kind_word(series->kind)->slug);
    json_text(build, object, "transport", ch_transport_slug(target->group->transport));
    put_labels(build, object, &target->labels);
    put_success(build, object, LOAD(record->success));
    json_time(build, object, "since", LOAD(record->since_ns));
    json_u64(build, object, "consecutive", LOAD(record->consecutive));
    json_u64(build, object, "attempts", ch_counter(&record->attempts));
    put_failures(build, object, series);
    json_seconds(build, object, "interval_seconds", series->settings->interval_ns);
    json_seconds(build, object, "timeout_seconds", series->settings->timeout_ns);
    json_time(build, object, "last_attempt", LOAD(record->last_attempt_ns));
    json_time(build, object, "last_success", LOAD(record->last_success_ns));
    put_known_seconds(build, object, "rtt_seconds", (int64_t)LOAD(record->rtt_us) * 1000);
    json_u64(build, object, "syn_retransmits", ch_counter(&record->syn_retransmits));
    json_u64(build, object, "send_stalls", ch_counter(&record->send_stalls));
    if (series->settings->ops->persistent &&
        series->target->group->transport == CH_TRANSPORT_TCP) /* UDP holds none */
        put_connection(build, object, series);
    put_last(build, object, record);
    put_causes(build, object, record);
    put_icmp_errors(build, object, record);
}

static int produce(struct ch_stream *stream, struct ch_text *out)
{
    struct targets_stream *targets = (struct targets_stream *)stream;
    const struct ch_generation *generation = targets->generation;

    if (targets->next == 0)
        ch_text_puts(out, "{\"targets\":[");
    while (generation && targets->next < generation->series_count) {
        const struct ch_series *series = &generation->series[targets->next++];
        struct json_build build = {.failed = false};
        cJSON *object;
        int r;

        if (!wanted(targets, series))
            continue;
        if (targets->begun)
            ch_text_puts(out, ",");
        targets->begun = true;
        object = json_root(&build);
        put_series(&build, object, series);
        r = json_finish(&build, object, out);
        if (r < 0)
            return r;
        if (out->len >= CH_STREAM_CHUNK)
            return 1;
    }
    ch_text_puts(out, "]}\n");
    return 0;
}

static void release(struct ch_stream *stream)
{
    struct targets_stream *targets = (struct targets_stream *)stream;

    ch_generation_unref(targets->generation);
    free(targets->group);
    free(targets->target);
    free(targets);
}

int ch_json_targets_open(struct ch_state *state, const struct ch_query *query,
                         struct ch_stream **ret)
{
    static const struct ch_stream_ops ops = {.produce = produce, .release = release};
    struct targets_stream *targets = calloc(1, sizeof(*targets));

    if (!targets)
        return -ENOMEM;
    ch_stream_init(&targets->stream, &ops);
    targets->given = query->given;
    targets->failing = query->failing;
    targets->group = strdup(query->group ? query->group : "");
    targets->target = strdup(query->target ? query->target : "");
    if (!targets->group || !targets->target) {
        release(&targets->stream);
        return -ENOMEM;
    }
    targets->generation = ch_state_generation(state);
    *ret = &targets->stream;
    return 0;
}
