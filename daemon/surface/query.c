/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/text.h"

static const char *set_group(struct ch_query *query, const char *value)
{
    query->group = value;
    return *value ? NULL : "the name of a group";
}

static const char *set_target(struct ch_query *query, const char *value)
{
    query->target = value;
    return *value ? NULL : "a target as it is written in the configuration";
}

static const char *set_failing(struct ch_query *query, const char *value)
{
    query->failing = strcmp(value, "true") == 0;
    return query->failing || strcmp(value, "false") == 0 ? NULL : "true or false";
}

static const char *set_limit(struct ch_query *query, const char *value)
{
    size_t limit = 0;

    for (const char *at = value; *at; at++) {
        if (*at < '0' || *at > '9' || limit > SIZE_MAX / 10 - 10)
            return "a whole number from 1";
        limit = limit * 10 + (size_t)(*at - '0');
    }
    query->limit = limit;
    return limit > 0 ? NULL : "a whole number from 1";
}

const char *ch_cursor_format(const struct ch_cursor *cursor, char text[CH_CURSOR_TEXT])
{
    snprintf(text, CH_CURSOR_TEXT, "%" PRIx64 "-%" PRIx64 "-%" PRIx64, (uint64_t)cursor->started_ns,
             cursor->generation, (uint64_t)cursor->time_ns);
    return text;
}

/* Up to 16 hexadecimal digits and the end that must follow them. */
static const char *read_hex(const char *at, char end, uint64_t *ret)
{
    size_t len = strspn(at, "0123456789abcdef");

    if (len == 0 || len > 16 || at[len] != end)
        return NULL;
    *ret = strtoull(at, NULL, 16);
    return at + len + 1;
}

static const char *set_since(struct ch_query *query, const char *value)
{
    uint64_t started, generation, time;
    const char *at = read_hex(value, '-', &started);

    at = at ? read_hex(at, '-', &generation) : NULL;
    at = at ? read_hex(at, '\0', &time) : NULL;
    if (!at)
        return "the cursor of an answer before";
    query->since = (struct ch_cursor){(int64_t)started, generation, (int64_t)time};
    return NULL;
}

/* set returns what would be right, NULL when the value is. */
static const struct {
    enum ch_query_key key;
    const char *name;
    const char *(*set)(struct ch_query *query, const char *value);
} parameters[] = {
    {CH_QUERY_GROUP, "group", set_group},       {CH_QUERY_TARGET, "target", set_target},
    {CH_QUERY_FAILING, "failing", set_failing}, {CH_QUERY_LIMIT, "limit", set_limit},
    {CH_QUERY_SINCE, "since", set_since},
};

#define PARAMETER_COUNT (sizeof(parameters) / sizeof(parameters[0]))

static int unknown(unsigned allowed, const char *key, char reason[CH_QUERY_REASON])
{
    char quoted[CH_QUOTED_TEXT], names[64] = "";
    size_t len = 0;

    for (size_t i = 0; i < PARAMETER_COUNT; i++)
        if (allowed & parameters[i].key)
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
                                    parameters[i].name);
    snprintf(reason, CH_QUERY_REASON, "there is no parameter %s here (there is: %s)",
             ch_text_quote(key, strlen(key), quoted), len ? names : "none");
    return -EINVAL;
}

int ch_query_add(struct ch_query *query, unsigned allowed, const char *key, const char *value,
                 char reason[CH_QUERY_REASON])
{
    char quoted[CH_QUOTED_TEXT];
    const char *right;
    size_t i = 0;

    while (i < PARAMETER_COUNT &&
           (!(allowed & parameters[i].key) || strcmp(parameters[i].name, key) != 0))
        i++;
    if (i == PARAMETER_COUNT)
        return unknown(allowed, key, reason);
    if (query->given & parameters[i].key) {
        snprintf(reason, CH_QUERY_REASON, "%s is given twice", parameters[i].name);
        return -EINVAL;
    }
    right = parameters[i].set(query, value ? value : "");
    if (right) {
        snprintf(reason, CH_QUERY_REASON, "%s=%s is not %s", parameters[i].name,
                 ch_text_quote(value, value ? strlen(value) : 0, quoted), right);
        return -EINVAL;
    }
    query->given |= parameters[i].key;
    return 0;
}
