/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "connhealth/clock.h"
#include "json.h"
#include "json_build.h"

/* Relaxed, as everything in a record is read. */
#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* An attempt is recorded within microseconds of the time it bears; this is far
 * more. What is sent twice for it says the same twice. */
#define OVERLAP_NS (2 * CH_NS_PER_S)

struct overview_stream {
    struct ch_stream stream;
    struct ch_generation *generation; /* a reference; NULL before the first */
    const struct ch_state *state;
    int64_t now_ns;
    int64_t after_ns; /* only what changed after this */
    bool complete;
    size_t next_series;
    bool headed;              /* what stands before targets was written */
    bool begun;               /* an element of targets was written */
    struct ch_event *changes; /* newest first; NULL: not yet asked for */
    size_t change_count, next_change;
    bool asked;
    size_t changes_held;    /* in the ring, whether they are sent or not */
    int64_t oldest_held_ns; /* the oldest of those */
};

/* Whether what the client has can be completed by what changed since. */
static bool continues(const struct overview_stream *overview, const struct ch_cursor *since)
{
    return overview->generation && since->started_ns == overview->state->started_ns &&
           since->generation == overview->generation->number && since->time_ns <= overview->now_ns;
}

static void put_labels(struct json_build *build, cJSON *object, const struct ch_labels *labels)
{
    cJSON *child;

    if (labels->count == 0)
        return;
    child = json_object(build, object, "labels");
    for (size_t i = 0; i < labels->count; i++)
        json_named_text(build, child, labels->items[i].name, labels->items[i].value);
}

static void put_verdict(struct json_build *build, cJSON *object, const struct ch_record *record,
                        const struct ch_attempt *attempt)
{
    const struct ch_outcome *outcome = &attempt->outcome;
    char detail[CH_DETAIL_TEXT];

    json_text(build, object, "category", ch_category_row(outcome->category)->slug);
    json_text(build, object, "phase", ch_phase_word(outcome->phase)->slug);
    json_text(build, object, "cause", ch_cause_word(outcome->cause)->slug);
    json_bool(build, object, "certain", outcome->certain);
    json_text(build, object, "detail",
              ch_outcome_describe(&attempt->evidence, outcome, detail, sizeof(detail)));
    json_time(build, object, "last_success", LOAD(record->last_success_ns));
}

static int put_series(const struct ch_series *series, size_t id, struct ch_text *out)
{
    const struct ch_record *record = series->record;
    uint8_t success = LOAD(record->success);
    struct json_build build = {.failed = false};
    cJSON *object = json_root(&build);
    struct ch_attempt attempt;

    json_u64(&build, object, "id", id);
    json_text(&build, object, "group", series->target->group->name);
    json_text(&build, object, "target", series->target->name);
    json_text(&build, object, "probe", ch_probe_kind_word(series->kind)->slug);
    put_labels(&build, object, &series->target->labels);
    if (success == CH_SUCCESS_NEVER_TRIED)
        json_null(&build, object, "success");
    else
        json_bool(&build, object, "success", success == CH_SUCCESS_YES);
    json_time(&build, object, "since", LOAD(record->since_ns));
    if (ch_record_last(record, &attempt) && !attempt.outcome.success)
        put_verdict(&build, object, record, &attempt);
    return json_finish(&build, object, out);
}

static int produce_targets(struct overview_stream *overview, struct ch_text *out)
{
    const struct ch_generation *generation = overview->generation;

    while (generation && overview->next_series < generation->series_count) {
        size_t id = overview->next_series++;
        const struct ch_series *series = &generation->series[id];
        int r;

        if (!overview->complete && LOAD(series->record->changed_ns) <= overview->after_ns)
            continue;
        if (overview->begun)
            ch_text_puts(out, ",");
        overview->begun = true;
        r = put_series(series, id, out);
        if (r < 0 || out->len >= CH_STREAM_CHUNK)
            return r < 0 ? r : 1;
    }
    return 0;
}

static bool is_wanted_change(const struct ch_event *event, void *context)
{
    struct overview_stream *overview = context;

    if (!event->changed)
        return false;
    if (overview->changes_held++ == 0 || event->attempt.time_ns < overview->oldest_held_ns)
        overview->oldest_held_ns = event->attempt.time_ns;
    return event->attempt.time_ns > overview->after_ns;
}

static int put_change(const struct ch_event *event, struct ch_text *out)
{
    const struct ch_outcome *outcome = &event->attempt.outcome;
    struct json_build build = {.failed = false};
    cJSON *object = json_root(&build);

    json_u64(&build, object, "number", event->number);
    json_time(&build, object, "time", event->attempt.time_ns);
    json_text(&build, object, "group", event->group);
    json_text(&build, object, "target", event->target);
    json_text(&build, object, "probe", ch_probe_kind_word(event->attempt.evidence.kind)->slug);
    json_bool(&build, object, "success", outcome->success);
    if (!outcome->success) {
        json_text(&build, object, "category", ch_category_row(outcome->category)->slug);
        json_text(&build, object, "cause", ch_cause_word(outcome->cause)->slug);
    }
    return json_finish(&build, object, out);
}

static void begin_changes(struct overview_stream *overview, struct ch_text *out)
{
    int64_t known_ns = overview->state->started_ns;

    overview->changes = ch_events_copy(overview->state->events, CH_EVENTS_MAX, is_wanted_change,
                                       overview, &overview->change_count);
    overview->asked = true;
    /* A change leaves the ring only when it holds nothing else (events.h): what came
     * in its place may be a repeat, and one slot may be under the pen. */
    if (overview->changes_held >= CH_EVENTS_MAX - 2)
        known_ns = overview->oldest_held_ns;
    ch_text_puts(out, "],\"changes_since\":");
    ch_text_decimal(out, known_ns / CH_NS_PER_MS, 3);
    ch_text_puts(out, ",\"changes\":[");
}

static int produce_changes(struct overview_stream *overview, struct ch_text *out)
{
    if (!overview->asked)
        begin_changes(overview, out);
    while (overview->next_change < overview->change_count) {
        int r;

        if (overview->next_change > 0)
            ch_text_puts(out, ",");
        r = put_change(&overview->changes[overview->next_change++], out);
        if (r < 0 || out->len >= CH_STREAM_CHUNK)
            return r < 0 ? r : 1;
    }
    ch_text_puts(out, "]}\n");
    return 0;
}

static void put_head(const struct overview_stream *overview, struct ch_text *out)
{
    struct ch_cursor cursor = {overview->state->started_ns,
                               overview->generation ? overview->generation->number : 0,
                               overview->now_ns};
    char text[CH_CURSOR_TEXT];

    ch_text_printf(out,
                   "{\"cursor\":\"%s\",\"complete\":%s,\"time\":", ch_cursor_format(&cursor, text),
                   overview->complete ? "true" : "false");
    ch_text_decimal(out, overview->now_ns / CH_NS_PER_MS, 3);
    ch_text_puts(out, ",\"targets\":[");
}

static int produce(struct ch_stream *stream, struct ch_text *out)
{
    struct overview_stream *overview = (struct overview_stream *)stream;
    int r;

    if (!overview->headed)
        put_head(overview, out);
    overview->headed = true;
    r = overview->asked ? 0 : produce_targets(overview, out);
    return r == 0 ? produce_changes(overview, out) : r;
}

static void release(struct ch_stream *stream)
{
    struct overview_stream *overview = (struct overview_stream *)stream;

    ch_generation_unref(overview->generation);
    free(overview->changes);
    free(overview);
}

int ch_json_overview_open(struct ch_state *state, int64_t now_ns, const struct ch_query *query,
                          struct ch_stream **ret)
{
    static const struct ch_stream_ops ops = {.produce = produce, .release = release};
    struct overview_stream *overview = calloc(1, sizeof(*overview));

    if (!overview)
        return -ENOMEM;
    ch_stream_init(&overview->stream, &ops);
    overview->state = state;
    overview->now_ns = now_ns;
    overview->generation = ch_state_generation(state);
    overview->complete = !(query->given & CH_QUERY_SINCE) || !continues(overview, &query->since);
    if (!overview->complete)
        overview->after_ns = query->since.time_ns - OVERLAP_NS;
    *ret = &overview->stream;
    return 0;
}
