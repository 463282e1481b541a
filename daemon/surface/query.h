/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters behind the question mark of the API's paths, from one table:
 * a key that a path does not know, a repeated one and a bad value are errors, so
 * that a misspelt filter never looks like an answer to another question.
 */
#ifndef CH_SURFACE_QUERY_H
#define CH_SURFACE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ch_query_key {
    CH_QUERY_GROUP = 1,
    CH_QUERY_TARGET = 2,
    CH_QUERY_FAILING = 4,
    CH_QUERY_LIMIT = 8,
    CH_QUERY_SINCE = 16,
};

/* How far a client of /api/v1/overview has got: which process, which
 * configuration of its, and when. */
struct ch_cursor {
    int64_t started_ns; /* realtime, as both */
    uint64_t generation;
    int64_t time_ns;
};
#define CH_CURSOR_TEXT 64
const char *ch_cursor_format(const struct ch_cursor *cursor, char text[CH_CURSOR_TEXT]);

struct ch_query {
    unsigned given; /* enum ch_query_key: which were there */
    const char *group;
    const char *target;
    bool failing;
    size_t limit;
    struct ch_cursor since;
};

#define CH_QUERY_REASON 192

/* Adds one key and its decoded value, which must outlive query; value may be
 * NULL (a key without "="). allowed: the keys of this path. 0, or -EINVAL with a
 * plain ASCII sentence that names the remedy. */
int ch_query_add(struct ch_query *query, unsigned allowed, const char *key, const char *value,
                 char reason[CH_QUERY_REASON]);

#endif
