/* SPDX-License-Identifier: Apache-2.0 */
/* Describe: what HTTP answers at /api/v1/, from the same functions. */
#include <errno.h>
#include <stdlib.h>

#include "bus_private.h"
#include "connhealth/clock.h"
#include "resource.h"

struct describe_job {
    struct bus_job job;
    struct ch_bus *bus;
    bool details; /* of single connections: the caller is root */
    struct resource resource;
    struct ch_stream *stream; /* of those that come in pieces */
    struct ch_text text;
};

static int send_text(struct describe_job *describe)
{
    char *text = ch_text_take(&describe->text);
    int r = text ? sd_bus_reply_method_return(describe->job.call, "s", text) : -ENOMEM;

    free(text);
    return r < 0 ? r : 0;
}

static int step_describe(struct bus_job *job)
{
    struct describe_job *describe = (struct describe_job *)job;
    const char *piece;
    ssize_t len = ch_stream_peek(describe->stream, &piece);

    if (len < 0)
        return (int)len;
    if (len == 0)
        return send_text(describe);
    ch_text_append(&describe->text, piece, (size_t)len);
    ch_stream_take(describe->stream, (size_t)len);
    return describe->text.len > BUS_ANSWER_MAX ? -E2BIG : 1;
}

static int step_whole(struct bus_job *job)
{
    struct describe_job *describe = (struct describe_job *)job;
    const struct ch_bus_parts *parts = &describe->bus->parts;
    int r = -EINVAL;

    switch (describe->resource.kind) {
    case RESOURCE_STATUS:
        r = ch_json_status(parts->state, ch_clock_realtime(), parts->status, parts->status_count,
                           &describe->text);
        break;
    case RESOURCE_SOCKETS:
        r = parts->sockets(parts->sockets_context, describe->details, &describe->text);
        break;
    case RESOURCE_CATEGORIES:
        r = ch_json_categories(&describe->text);
        break;
    case RESOURCE_TARGETS:
    case RESOURCE_EVENTS:
        break;
    }
    if (r >= 0 && describe->text.len > BUS_ANSWER_MAX)
        r = -E2BIG;
    return r < 0 ? r : send_text(describe);
}

static void release_describe(struct bus_job *job)
{
    struct describe_job *describe = (struct describe_job *)job;

    ch_stream_free(describe->stream);
    ch_text_free(&describe->text);
    resource_clear(&describe->resource);
    free(describe);
}

static int open_resource(struct describe_job *describe)
{
    struct ch_state *state = describe->bus->parts.state;

    switch (describe->resource.kind) {
    case RESOURCE_TARGETS:
        return ch_json_targets_open(state, &describe->resource.query, &describe->stream);
    case RESOURCE_EVENTS:
        return ch_json_events_open(state, &describe->resource.query, &describe->stream);
    default:
        return 0;
    }
}

int bus_describe(sd_bus_message *call, void *context, sd_bus_error *error)
{
    struct describe_job *describe;
    char reason[CH_QUERY_REASON];
    const char *text;
    int r = sd_bus_message_read(call, "s", &text);

    if (r < 0)
        return r;
    describe = calloc(1, sizeof(*describe));
    if (!describe)
        return -ENOMEM;
    describe->bus = context;
    r = resource_parse(text, &describe->resource, reason);
    if (r == -EINVAL)
        r = sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, reason);
    if (r >= 0 && describe->resource.kind == RESOURCE_SOCKETS) {
        r = sd_bus_query_sender_privilege(call, -1);
        describe->details = r > 0;
    }
    if (r >= 0)
        r = open_resource(describe);
    if (r < 0) {
        release_describe(&describe->job);
        return r;
    }
    describe->job.step = describe->stream ? step_describe : step_whole;
    describe->job.release = release_describe;
    return bus_job_start(describe->bus, &describe->job, call, error);
}
