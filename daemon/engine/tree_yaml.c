/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to a tree, by the events of libyaml: its own document loader resolves
 * aliases and keeps repeated keys, and both must be seen here. */
#include <string.h>
#include <yaml.h>

#include "connhealth/text.h"
#include "tree.h"

struct reader {
    yaml_parser_t parser;
    struct ch_tree *tree;
    struct ch_report *report;
    struct ch_node *container; /* the list or mapping being filled; NULL: none yet */
    yaml_event_t key;          /* of a mapping's entry whose value is due */
    bool has_key;
    unsigned documents;
};

static void report_mark(struct reader *reader, const yaml_mark_t *mark, const char *message)
{
    ch_report_add(reader->report, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1, NULL, "%s",
                  message);
}

/* The reader's errors (bytes that are no text) know an offset only. */
static void report_offset(struct reader *reader, const char *text, size_t len)
{
    size_t end = reader->parser.problem_offset < len ? reader->parser.problem_offset : len;
    uint32_t line = 1, column = 1;

    for (size_t i = 0; i < end; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    ch_report_add(reader->report, line, column, NULL, "not readable as UTF-8 text: %s",
                  reader->parser.problem);
}

static void report_syntax(struct reader *reader, const char *text, size_t len)
{
    const yaml_parser_t *parser = &reader->parser;
    const yaml_mark_t *mark = &parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        reader->report->out_of_memory = true;
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        report_offset(reader, text, len);
        return;
    }
    if (parser->context)
        ch_report_add(reader->report, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1, NULL,
                      "not valid YAML: %s, %s that begins on line %zu", parser->problem,
                      parser->context, parser->context_mark.line + 1);
    else
        ch_report_add(reader->report, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1, NULL,
                      "not valid YAML: %s", parser->problem ? parser->problem : "unknown reason");
}

static bool key_is_due(const struct reader *reader)
{
    return reader->container && reader->container->kind == CH_NODE_MAPPING && !reader->has_key;
}

/* Adds the node that event begins; its key, if any, is used up. */
static struct ch_node *add(struct reader *reader, enum ch_node_kind kind, const yaml_event_t *event,
                           const yaml_char_t *anchor, const yaml_char_t *tag)
{
    const yaml_mark_t *mark = reader->has_key ? &reader->key.start_mark : &event->start_mark;
    struct ch_node_place place = {.line = mark->line + 1, .column = mark->column + 1};
    char quoted[CH_QUOTED_TEXT];
    struct ch_node *node;

    if (reader->has_key) {
        place.key = (const char *)reader->key.data.scalar.value;
        place.key_len = reader->key.data.scalar.length;
    }
    node = ch_tree_add(reader->tree, reader->container, kind, &place, reader->report);
    if (reader->has_key)
        yaml_event_delete(&reader->key);
    reader->has_key = false;
    if (!node)
        return NULL;
    if (anchor)
        ch_report_node(reader->report, node, "has an anchor (&%.32s); write values out instead",
                       (const char *)anchor);
    if (tag)
        ch_report_node(reader->report, node, "has a tag, %s; leave it out",
                       ch_text_quote(tag, strlen((const char *)tag), quoted));
    node->refused = anchor || tag;
    return node;
}

/* Takes the event over: the key is read from it when its value comes. */
static bool take_key(struct reader *reader, yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT) {
        report_mark(reader, &event->start_mark,
                    "a key must be a single word, not an alias, a list or a mapping");
        return false;
    }
    if (event->data.scalar.anchor || event->data.scalar.tag)
        report_mark(reader, &event->start_mark, "a key has an anchor or a tag; leave it out");
    reader->key = *event;
    reader->has_key = true;
    memset(event, 0, sizeof(*event));
    return true;
}

static bool read_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct ch_node *node =
        add(reader, CH_NODE_SCALAR, event, event->data.scalar.anchor, event->data.scalar.tag);

    if (!node)
        return false;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return ch_tree_set_text(reader->tree, node, (const char *)event->data.scalar.value,
                            event->data.scalar.length, reader->report);
}

static bool read_alias(struct reader *reader, const yaml_event_t *event)
{
    struct ch_node *node = add(reader, CH_NODE_SCALAR, event, NULL, NULL);

    if (!node)
        return false;
    ch_report_node(reader->report, node, "is an alias (*%.32s); write the value out instead",
                   (const char *)event->data.alias.anchor);
    node->refused = true;
    return true;
}

static bool open_container(struct reader *reader, const yaml_event_t *event)
{
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    struct ch_node *node =
        list ? add(reader, CH_NODE_LIST, event, event->data.sequence_start.anchor,
                   event->data.sequence_start.tag)
             : add(reader, CH_NODE_MAPPING, event, event->data.mapping_start.anchor,
                   event->data.mapping_start.tag);

    if (!node)
        return false;
    reader->container = node;
    return true;
}

/* False: no more is to be read. */
static bool read_event(struct reader *reader, yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reader->documents++ == 0)
            return true;
        report_mark(reader, &event->start_mark,
                    "a second document begins here; a file holds one, put groups under one list");
        return false;
    case YAML_SCALAR_EVENT:
    case YAML_ALIAS_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (key_is_due(reader))
            return take_key(reader, event);
        if (event->type == YAML_SCALAR_EVENT)
            return read_scalar(reader, event);
        if (event->type == YAML_ALIAS_EVENT)
            return read_alias(reader, event);
        return open_container(reader, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->container = reader->container->parent;
        return true;
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return false;
}

bool ch_tree_read_yaml(struct ch_tree *tree, const char *text, size_t len, struct ch_report *report)
{
    struct reader reader = {.tree = tree, .report = report};
    yaml_event_t event;
    bool more = true, complete = false;

    if (!yaml_parser_initialize(&reader.parser)) {
        report->out_of_memory = true;
        return false;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
    while (more) {
        if (!yaml_parser_parse(&reader.parser, &event)) {
            report_syntax(&reader, text, len);
            break;
        }
        more = read_event(&reader, &event);
        complete = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    if (reader.has_key)
        yaml_event_delete(&reader.key);
    yaml_parser_delete(&reader.parser);
    return complete;
}
