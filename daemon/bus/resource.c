/* SPDX-License-Identifier: Apache-2.0 */
#include "resource.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/text.h"
#include "json.h"

static const struct {
    const char *name;
    enum resource_kind kind;
    unsigned keys;
} resources[] = {
    {"targets", RESOURCE_TARGETS, CH_JSON_TARGETS_KEYS},
    {"events", RESOURCE_EVENTS, CH_JSON_EVENTS_KEYS},
    {"sockets", RESOURCE_SOCKETS, 0},
    {"status", RESOURCE_STATUS, 0},
    {"categories", RESOURCE_CATEGORIES, 0},
};

#define RESOURCE_COUNT (sizeof(resources) / sizeof(resources[0]))

/* In place, as a form is encoded. What follows a percent sign and is no number
 * stands for itself. False for an encoded NUL byte. */
static bool decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '%' && ch_text_hex_digit(from[1]) >= 0 && ch_text_hex_digit(from[2]) >= 0) {
            *to = (char)(ch_text_hex_digit(from[1]) << 4 | ch_text_hex_digit(from[2]));
            from += 2;
            if (*to == '\0')
                return false;
        } else {
            *to = *from == '+' ? ' ' : *from;
        }
        to++;
    }
    *to = '\0';
    return true;
}

static int read_query(char *rest, unsigned keys, struct ch_query *query,
                      char reason[CH_QUERY_REASON])
{
    int r = 0;

    for (char *pair; r == 0 && (pair = strsep(&rest, "&"));) {
        char *key = strsep(&pair, "=");

        if (!*key && !pair)
            continue;
        if (!decode(key) || (pair && !decode(pair))) {
            snprintf(reason, CH_QUERY_REASON, "the query has a NUL byte in it");
            return -EINVAL;
        }
        r = ch_query_add(query, keys, key, pair, reason);
    }
    return r;
}

int resource_parse(const char *text, struct resource *ret, char reason[CH_QUERY_REASON])
{
    struct resource made = {.text = strdup(text)};
    char *rest = made.text, *name;
    size_t i = 0;
    int r;

    if (!made.text)
        return -ENOMEM;
    name = strsep(&rest, "?");
    while (i < RESOURCE_COUNT && strcmp(resources[i].name, name) != 0)
        i++;
    if (i == RESOURCE_COUNT) {
        snprintf(reason, CH_QUERY_REASON,
                 "there is no such resource (there is: targets, events, sockets, status, "
                 "categories)");
        resource_clear(&made);
        return -EINVAL;
    }
    made.kind = resources[i].kind;
    r = read_query(rest, resources[i].keys, &made.query, reason);
    if (r < 0) {
        resource_clear(&made);
        return r;
    }
    *ret = made;
    return 0;
}

void resource_clear(struct resource *resource)
{
    free(resource->text);
    resource->text = NULL;
}
