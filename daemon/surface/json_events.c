/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "connhealth/clock.h"
#include "json.h"
#include "json_attempt.h"

struct events_stream {
    struct ch_stream stream;
    struct ch_event *events; /* newest first */
    size_t count;
    size_t next;
    int64_t started_ns; /* numbers begin anew with each start of the daemon */
};

static bool wanted(const struct ch_event *event, void *context)
{
    const struct ch_query *query = context;

    /* A name that was cut to fit is compared as far as it is kept. */
    if ((query->given & CH_QUERY_GROUP) &&
        strncmp(event->group, query->group, sizeof(event->group) - 1) != 0)
        return false;
    return !(query->given & CH_QUERY_TARGET) ||
           strncmp(event->target, query->target, sizeof(event->target) - 1) == 0;
}

static int put_event(const struct ch_event *event, struct ch_text *out)
{
    struct json_build build = {.failed = false};
    cJSON *object = json_root(&build);

    json_u64(&build, object, "number", event->number);
    json_text(&build, object, "group", event->group);
    json_text(&build, object, "target", event->target);
    json_text(&build, object, "probe", ch_probe_kind_word(event->attempt.evidence.kind)->slug);
    json_bool(&build, object, "success", event->attempt.outcome.success);
    json_bool(&build, object, "changed", event->changed);
    json_attempt(&build, object, &event->attempt);
    return json_finish(&build, object, out);
}

static int produce(struct ch_stream *stream, struct ch_text *out)
{
    struct events_stream *events = (struct events_stream *)stream;

    if (events->next == 0)
        ch_text_puts(out, "{\"events\":[");
    while (events->next < events->count) {
        int r;

        if (events->next > 0)
            ch_text_puts(out, ",");
        r = put_event(&events->events[events->next++], out);
        if (r < 0)
            return r;
        if (out->len >= CH_STREAM_CHUNK)
            return 1;
    }
    ch_text_puts(out, "],\"started\":");
    ch_text_decimal(out, events->started_ns / CH_NS_PER_MS, 3);
    ch_text_puts(out, "}\n");
    return 0;
}

static void release(struct ch_stream *stream)
{
    struct events_stream *events = (struct events_stream *)stream;

    free(events->events);
    free(events);
}

int ch_json_events_open(struct ch_state *state, const struct ch_query *query,
                        struct ch_stream **ret)
{
    static const struct ch_stream_ops ops = {.produce = produce, .release = release};
    struct events_stream *events = calloc(1, sizeof(*events));
    struct ch_query copy = *query;

    if (!events)
        return -ENOMEM;
    ch_stream_init(&events->stream, &ops);
    events->started_ns = state->started_ns;
    events->events =
        ch_events_copy(state->events, query->given & CH_QUERY_LIMIT ? query->limit : CH_EVENTS_MAX,
                       wanted, &copy, &events->count);
    *ret = &events->stream;
    return 0;
}
