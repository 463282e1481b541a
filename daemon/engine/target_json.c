/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target files in JSON to a tree. cJSON parses and decodes; it keeps no places,
 * so a cursor goes over the same text in step with its values and finds them
 * again. The text is known to be JSON by then, so the cursor only has to step
 * over strings and punctuation; out of step it would give a wrong place, never a
 * wrong value.
 *
 * cJSON keeps its last error in a global: one thread at a time.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "connhealth/text.h"
#include "tree.h"

struct cursor {
    const char *text;
    size_t len, at;
    size_t line, column; /* from 1 */
};

struct reader {
    struct cursor cursor;
    struct ch_tree *tree;
    struct ch_report *report;
};

static void step(struct cursor *cursor)
{
    unsigned char c = (unsigned char)cursor->text[cursor->at++];

    if (c == '\n') {
        cursor->line++;
        cursor->column = 1;
    } else if ((c & 0xc0) != 0x80) {
        cursor->column++;
    }
}

static bool at_space(const struct cursor *cursor)
{
    /* as cJSON's buffer_skip_whitespace */
    return cursor->at < cursor->len && (unsigned char)cursor->text[cursor->at] <= ' ';
}

static void skip_space(struct cursor *cursor)
{
    while (at_space(cursor))
        step(cursor);
}

/* Over one byte of punctuation and the space around it. */
static void skip_mark(struct cursor *cursor)
{
    skip_space(cursor);
    if (cursor->at < cursor->len)
        step(cursor);
    skip_space(cursor);
}

static void skip_string(struct cursor *cursor)
{
    if (cursor->at < cursor->len)
        step(cursor); /* the opening quote */
    while (cursor->at < cursor->len && cursor->text[cursor->at] != '"') {
        if (cursor->text[cursor->at] == '\\')
            step(cursor);
        if (cursor->at < cursor->len)
            step(cursor);
    }
    if (cursor->at < cursor->len)
        step(cursor);
}

/* Over a number, true, false or null. */
static void skip_word(struct cursor *cursor)
{
    while (cursor->at < cursor->len && !at_space(cursor) &&
           !strchr(",]}", cursor->text[cursor->at]))
        step(cursor);
}

static bool read_text(struct reader *reader, struct ch_node *node, const cJSON *item)
{
    struct cursor *cursor = &reader->cursor;
    size_t start = cursor->at;

    if (!cJSON_IsString(item)) {
        skip_word(cursor);
        node->plain = true;
        return ch_tree_set_text(reader->tree, node, cursor->text + start, cursor->at - start,
                                reader->report);
    }
    skip_string(cursor);
    if (!ch_text_is_utf8(item->valuestring, strlen(item->valuestring))) {
        ch_report_node(reader->report, node, "is not UTF-8");
        node->refused = true;
        return true;
    }
    return ch_tree_set_text(reader->tree, node, item->valuestring, strlen(item->valuestring),
                            reader->report);
}

/* Recursion ends at CH_TREE_DEPTH_MAX, where ch_tree_add() refuses. */
static bool read_value(struct reader *reader, struct ch_node *parent, const cJSON *item)
{
    struct cursor *cursor = &reader->cursor;
    struct ch_node_place place = {.line = cursor->line, .column = cursor->column};
    bool object = cJSON_IsObject(item), list = cJSON_IsArray(item);
    struct ch_node *node;
    const cJSON *child;

    if (parent && parent->kind == CH_NODE_MAPPING) {
        place.key = item->string;
        place.key_len = strlen(item->string);
        skip_string(cursor);
        skip_mark(cursor); /* the colon */
    }
    node = ch_tree_add(reader->tree, parent,
                       object ? CH_NODE_MAPPING
                       : list ? CH_NODE_LIST
                              : CH_NODE_SCALAR,
                       &place, reader->report);
    if (!node)
        return false;
    if (!object && !list)
        return read_text(reader, node, item);
    skip_mark(cursor); /* the opening bracket */
    cJSON_ArrayForEach (child, item) {
        if (!read_value(reader, node, child))
            return false;
        if (child->next)
            skip_mark(cursor); /* the comma */
    }
    skip_mark(cursor); /* the closing one */
    return true;
}

/* Before cJSON makes 64 bytes of each of millions of values. */
static bool too_many(const char *text, size_t len)
{
    size_t values = 1;

    for (size_t i = 0; i < len; i++)
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return values > 2 * (size_t)CH_TREE_NODES_MAX;
}

static void report_syntax(struct reader *reader, const char *end)
{
    struct cursor *cursor = &reader->cursor;

    while (cursor->at < cursor->len && cursor->text + cursor->at < end)
        step(cursor);
    skip_space(cursor);
    ch_report_add(reader->report, (uint32_t)cursor->line, (uint32_t)cursor->column, NULL,
                  cursor->at < cursor->len ? "not valid JSON from here on"
                                           : "not valid JSON: it ends too early");
}

bool ch_tree_read_json(struct ch_tree *tree, const char *text, size_t len, struct ch_report *report)
{
    struct reader reader = {
        .cursor = {.text = text, .len = len, .line = 1, .column = 1},
        .tree = tree,
        .report = report,
    };
    const char *end = text;
    bool complete;
    cJSON *json;

    if (too_many(text, len)) {
        ch_report_add(report, 1, 1, NULL, "more than %d values; split the file", CH_TREE_NODES_MAX);
        return false;
    }
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader.cursor.at = 3; /* cJSON skips a byte order mark as well */
    json = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (!json) {
        report_syntax(&reader, end);
        return false;
    }
    skip_space(&reader.cursor);
    complete = read_value(&reader, NULL, json);
    if (complete && reader.cursor.at < len)
        ch_report_add(report, (uint32_t)reader.cursor.line, (uint32_t)reader.cursor.column, NULL,
                      "something follows the end of the JSON value");
    cJSON_Delete(json);
    return complete;
}
