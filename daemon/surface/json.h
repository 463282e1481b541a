/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON API: pure functions from what the state holds to bytes. Times are
 * Unix seconds, durations seconds; a value that is not known is null or absent
 * as README.md says. Numbers are exact; strings are UTF-8 whatever a peer sent.
 *
 * Lists that may be long are streams, one element at a time; the rest appends
 * one JSON value to out. Each returns 0 or -ENOMEM. Any thread.
 */
#ifndef CH_SURFACE_JSON_H
#define CH_SURFACE_JSON_H

#include "query.h"
#include "state.h"
#include "stream.h"

/* What another module adds to /api/v1/status: render appends one JSON value,
 * which becomes the member name. 0 or a negative errno. */
struct ch_json_writer {
    const char *name;
    int (*render)(void *context, struct ch_text *out);
    void *context;
};

/* /api/v1/status; now_ns is the real-time clock's. */
int ch_json_status(struct ch_state *state, int64_t now_ns, const struct ch_json_writer *writers,
                   size_t writer_count, struct ch_text *out);

/* /api/v1/categories: the words and rules of the diagnosis. */
int ch_json_categories(struct ch_text *out);

/* {"error": message} */
int ch_json_error(const char *message, struct ch_text *out);

/* /api/v1/targets: group, target and failing of query count. */
#define CH_JSON_TARGETS_KEYS ((unsigned)(CH_QUERY_GROUP | CH_QUERY_TARGET | CH_QUERY_FAILING))
int ch_json_targets_open(struct ch_state *state, const struct ch_query *query,
                         struct ch_stream **ret);

/* /api/v1/overview: since of query counts. */
#define CH_JSON_OVERVIEW_KEYS ((unsigned)CH_QUERY_SINCE)
int ch_json_overview_open(struct ch_state *state, int64_t now_ns, const struct ch_query *query,
                          struct ch_stream **ret);

/* /api/v1/events: group, target and limit of query count. */
#define CH_JSON_EVENTS_KEYS ((unsigned)(CH_QUERY_GROUP | CH_QUERY_TARGET | CH_QUERY_LIMIT))
int ch_json_events_open(struct ch_state *state, const struct ch_query *query,
                        struct ch_stream **ret);

#endif
