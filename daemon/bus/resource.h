/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a caller of Describe asks for: the path and query of /api/v1/ without
 * that prefix, as "targets?group=web&failing=true". Pure; any thread.
 */
#ifndef CH_BUS_RESOURCE_H
#define CH_BUS_RESOURCE_H

#include "query.h"

enum resource_kind {
    RESOURCE_TARGETS,
    RESOURCE_EVENTS,
    RESOURCE_SOCKETS,
    RESOURCE_STATUS,
    RESOURCE_CATEGORIES,
};

struct resource {
    enum resource_kind kind;
    struct ch_query query;
    char *text; /* private: what query points into */
};

/* 0; -ENOMEM; -EINVAL with a sentence that names the remedy. */
int resource_parse(const char *text, struct resource *ret, char reason[CH_QUERY_REASON]);
void resource_clear(struct resource *resource);

#endif
