/* SPDX-License-Identifier: Apache-2.0 */
#include "walker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/text.h"

static const char *kind_name(const struct ch_node *node)
{
    if (node->kind == CH_NODE_LIST)
        return "a list";
    if (node->kind == CH_NODE_MAPPING)
        return "a mapping";
    return ch_node_is_null(node) ? "empty" : "a single value";
}

bool ch_walk_is_list(struct ch_walk *walk, const struct ch_node *node, const char *of)
{
    if (node->kind == CH_NODE_LIST || ch_node_is_null(node))
        return true;
    ch_report_node(walk->report, node, "is %s; a list of %s is due", kind_name(node), of);
    return false;
}

bool ch_walk_is_text(struct ch_walk *walk, const struct ch_node *node, const char *what)
{
    if (node->refused)
        return false;
    if (node->kind == CH_NODE_SCALAR && !ch_node_is_null(node))
        return true;
    ch_report_node(walk->report, node, "is %s; %s is due", kind_name(node), what);
    return false;
}

char *ch_walk_copy_text(struct ch_walk *walk, const struct ch_node *node, const char *what,
                        size_t min, size_t max)
{
    char *copy;

    if (!ch_walk_is_text(walk, node, what))
        return NULL;
    if (memchr(node->text, '\0', node->len)) {
        ch_report_node(walk->report, node, "holds a NUL character");
        return NULL;
    }
    if (node->len < min || node->len > max) {
        ch_report_node(walk->report, node, "is %u bytes long (%zu to %zu are allowed)", node->len,
                       min, max);
        return NULL;
    }
    copy = malloc((size_t)node->len + 1);
    if (!copy)
        walk->report->out_of_memory = true;
    else
        memcpy(copy, node->text, (size_t)node->len + 1);
    return copy;
}

void *ch_walk_array(struct ch_walk *walk, size_t count, size_t size)
{
    void *array = calloc(count ? count : 1, size);

    if (!array)
        walk->report->out_of_memory = true;
    return array;
}

static const char *type_name(enum ch_option_type type)
{
    switch (type) {
    case CH_OPTION_DURATION:
    case CH_OPTION_DURATIONS:
        return "a duration (examples: 500ms, 10s, 1m30s)";
    case CH_OPTION_UINT:
        return "a whole number";
    case CH_OPTION_BOOL:
        return "true or false";
    case CH_OPTION_TEXT:
        return "a text";
    case CH_OPTION_HEX:
        return "a text of hexadecimal digits";
    case CH_OPTION_REGEX:
        return "a regular expression";
    case CH_OPTION_CHOICE:
        return "a word";
    }
    return "a value";
}

static void read_scalar(struct ch_walk *walk, const struct ch_node *node,
                        const struct ch_option *option, void *object)
{
    char reason[CH_REASON_TEXT];
    int r;

    if (!ch_walk_is_text(walk, node, type_name(option->type)))
        return;
    if (!node->plain && (option->type == CH_OPTION_UINT || option->type == CH_OPTION_BOOL)) {
        ch_report_node(walk->report, node, "is a text; write %s without quotes",
                       type_name(option->type));
        return;
    }
    r = ch_option_parse(option, node->text, node->len, object, reason);
    if (r == -EINVAL)
        ch_report_node(walk->report, node, "%s", reason);
    else if (r < 0)
        walk->report->out_of_memory = true;
}

static void read_option(struct ch_walk *walk, const struct ch_node *node,
                        const struct ch_option *option, void *object)
{
    const struct ch_option alone[] = {*option, CH_OPTION_END};

    if (option->type != CH_OPTION_DURATIONS) {
        read_scalar(walk, node, option, object);
        return;
    }
    if (!ch_walk_is_list(walk, node, "durations"))
        return;
    ch_options_clear(alone, object); /* a list replaces the default, it does not add to it */
    for (const struct ch_node *item = node->first; item; item = item->next)
        read_scalar(walk, item, option, object);
}

static const struct ch_field *find_field(const struct ch_field *fields, const char *key)
{
    for (; fields && fields->key; fields++) {
        if (strcmp(fields->key, key) == 0)
            return fields;
    }
    return NULL;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

#define WORD_MAX 32

unsigned ch_word_distance(const char *a, const char *b, unsigned limit)
{
    /* rows of the optimal string alignment distance: i-2, i-1, i */
    unsigned rows[3][WORD_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return limit;
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(now[j], least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return least(rows[a_len % 3][b_len], limit);
}

struct suggestion {
    const char *wanted;
    const char *nearest;
    unsigned distance;
    char known[CH_REASON_TEXT];
};

static void consider(struct suggestion *suggestion, const char *key)
{
    unsigned distance = ch_word_distance(suggestion->wanted, key, WORD_MAX);
    size_t used = strlen(suggestion->known);

    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->nearest = key;
    }
    snprintf(suggestion->known + used, sizeof(suggestion->known) - used, "%s%s", used ? ", " : "",
             key);
}

/* True if a layer before the given one has the key as well. */
static bool is_hidden(const struct ch_layer *layers, size_t layer, const char *key)
{
    for (size_t i = 0; i < layer; i++) {
        if (layers[i].section->options && ch_option_find(layers[i].section->options, key))
            return true;
    }
    return false;
}

static void report_unknown(struct ch_walk *walk, const struct ch_node *node,
                           const struct ch_layer *layers, size_t count)
{
    struct suggestion suggestion = {.wanted = node->key, .distance = WORD_MAX};

    for (size_t i = 0; i < count; i++) {
        const struct ch_option *option = layers[i].section->options;
        const struct ch_field *field = layers[i].section->fields;

        for (; option && option->key; option++) {
            if (!is_hidden(layers, i, option->key))
                consider(&suggestion, option->key);
        }
        for (; field && field->key; field++)
            consider(&suggestion, field->key);
    }
    /* one slip in three letters is a typo, more is another word */
    if (suggestion.nearest && suggestion.distance <= strlen(node->key) / 3 + 1 &&
        suggestion.distance < strlen(suggestion.nearest))
        ch_report_node(walk->report, node, "is no key that is known here; did you mean \"%s\"?",
                       suggestion.nearest);
    else
        ch_report_node(walk->report, node, "is no key that is known here (known: %s)",
                       suggestion.known[0] ? suggestion.known : "none");
}

/* True if one of the layers knows the key: it is read if its kind's turn is now. */
static bool read_key(struct ch_walk *walk, const struct ch_node *node,
                     const struct ch_layer *layers, size_t count, bool scalars)
{
    for (size_t i = 0; i < count; i++) {
        const struct ch_section *section = layers[i].section;
        const struct ch_option *option =
            section->options ? ch_option_find(section->options, node->key) : NULL;
        const struct ch_field *field = find_field(section->fields, node->key);

        if (!option && !field)
            continue;
        if (node->refused)
            return true;
        if (option && scalars)
            read_option(walk, node, option, layers[i].object);
        else if (field && !scalars)
            field->read(walk, node, layers[i].object);
        return true;
    }
    return false;
}

bool ch_walk_mapping(struct ch_walk *walk, const struct ch_node *node,
                     const struct ch_layer *layers, size_t count)
{
    if (node->refused || ch_node_is_null(node))
        return !node->refused;
    if (node->kind != CH_NODE_MAPPING) {
        ch_report_node(walk->report, node, "is %s; a mapping of keys to values is due",
                       kind_name(node));
        return false;
    }
    for (const struct ch_node *child = node->first; child; child = child->next) {
        if (!read_key(walk, child, layers, count, true))
            report_unknown(walk, child, layers, count);
    }
    for (const struct ch_node *child = node->first; child; child = child->next)
        read_key(walk, child, layers, count, false);
    return true;
}

bool ch_walk_section(struct ch_walk *walk, const struct ch_node *node,
                     const struct ch_section *section, void *object)
{
    const struct ch_layer layer = {section, object};

    return ch_walk_mapping(walk, node, &layer, 1);
}
