/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/text.h"

#define BLOCK_BYTES 16384U

struct ch_tree_block {
    struct ch_tree_block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

/* Zeroed memory that lives as long as the tree. */
static void *take(struct ch_tree *tree, size_t size, struct ch_report *report)
{
    struct ch_tree_block *block = tree->blocks;
    size_t rounded = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);

    if (!block || block->size - block->used < rounded) {
        size_t room = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;

        block = calloc(1, sizeof(*block) + room);
        if (!block) {
            report->out_of_memory = true;
            return NULL;
        }
        block->size = room;
        block->next = tree->blocks;
        tree->blocks = block;
    }
    block->used += rounded;
    return block->bytes + block->used - rounded;
}

static const char *take_copy(struct ch_tree *tree, const char *text, size_t len,
                             struct ch_report *report)
{
    char *copy = take(tree, len + 1, report);

    if (copy)
        memcpy(copy, text, len);
    return copy;
}

void ch_tree_clear(struct ch_tree *tree)
{
    while (tree->blocks) {
        struct ch_tree_block *next = tree->blocks->next;

        free(tree->blocks);
        tree->blocks = next;
    }
    *tree = (struct ch_tree){0};
}

static struct ch_node *find_child(const struct ch_node *mapping, const char *key, size_t len)
{
    for (struct ch_node *child = mapping->first; child; child = child->next) {
        if (child->key_len == len && memcmp(child->key, key, len) == 0)
            return child;
    }
    return NULL;
}

struct ch_node *ch_node_child(const struct ch_node *mapping, const char *key)
{
    return mapping && mapping->kind == CH_NODE_MAPPING ? find_child(mapping, key, strlen(key))
                                                       : NULL;
}

bool ch_node_is_null(const struct ch_node *node)
{
    if (!node)
        return true;
    return node->kind == CH_NODE_SCALAR && node->plain &&
           (node->len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

static bool is_plain_key(const struct ch_node *node)
{
    for (size_t i = 0; i < node->key_len; i++) {
        char c = node->key[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '-')
            return false;
    }
    return node->key_len > 0 && node->key_len <= CH_QUOTED_TEXT;
}

/* What the node adds to its parent's path. */
static void format_step(const struct ch_node *node, bool leads, char step[CH_QUOTED_TEXT + 2])
{
    char quoted[CH_QUOTED_TEXT];

    if (!node->key)
        snprintf(step, CH_QUOTED_TEXT + 2, "[%u]", node->index);
    else if (is_plain_key(node))
        snprintf(step, CH_QUOTED_TEXT + 2, "%s%.*s", leads ? "" : ".", (int)node->key_len,
                 node->key);
    else
        snprintf(step, CH_QUOTED_TEXT + 2, "%s%s", leads ? "" : ".",
                 ch_text_quote(node->key, node->key_len, quoted));
}

#define PATH_TEXT ((CH_TREE_DEPTH_MAX + 1) * CH_QUOTED_TEXT)

/* The depth is bounded, so this always fits but for absurd keys, which are cut. */
static void format_path(const struct ch_node *node, char path[PATH_TEXT])
{
    const struct ch_node *steps[CH_TREE_DEPTH_MAX + 1];
    size_t depth = 0, used = 0;

    for (; node->parent && depth <= CH_TREE_DEPTH_MAX; node = node->parent)
        steps[depth++] = node;
    snprintf(path, PATH_TEXT, "%s", depth ? "" : "top level");
    while (depth > 0) {
        char step[CH_QUOTED_TEXT + 2];
        int written;

        format_step(steps[--depth], used == 0, step);
        written = snprintf(path + used, PATH_TEXT - used, "%s", step);
        if (written < 0 || (size_t)written >= PATH_TEXT - used)
            return;
        used += (size_t)written;
    }
}

void ch_report_node(struct ch_report *report, const struct ch_node *node, const char *format, ...)
{
    char path[PATH_TEXT], message[2 * CH_REASON_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    format_path(node, path);
    ch_report_add(report, node->line, node->column, path, "%s", message);
}

static unsigned depth_of(const struct ch_node *node)
{
    unsigned depth = 0;

    for (; node; node = node->parent)
        depth++;
    return depth;
}

static void append(struct ch_tree *tree, struct ch_node *parent, struct ch_node *node)
{
    tree->nodes++;
    if (!parent) {
        tree->root = node;
        return;
    }
    node->index = parent->count++;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
}

/* A place in the text as the error line shows it. */
static uint32_t shown(size_t number)
{
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

/* True if parent may take a child there; else what forbids it was reported. */
static bool may_add(const struct ch_tree *tree, const struct ch_node *parent,
                    const struct ch_node_place *place, struct ch_report *report)
{
    uint32_t line = shown(place->line), column = shown(place->column);

    if (tree->nodes >= CH_TREE_NODES_MAX)
        ch_report_add(report, line, column, NULL, "more than %d values; split the file",
                      CH_TREE_NODES_MAX);
    else if (depth_of(parent) >= CH_TREE_DEPTH_MAX)
        ch_report_add(report, line, column, NULL, "nested deeper than %d levels",
                      CH_TREE_DEPTH_MAX);
    else if (place->key && parent->count >= CH_TREE_KEYS_MAX)
        ch_report_node(report, parent, "has more than %d keys", CH_TREE_KEYS_MAX);
    else if (place->key && memchr(place->key, '\0', place->key_len))
        ch_report_add(report, line, column, NULL, "a key holds a NUL character");
    else
        return true;
    return false;
}

struct ch_node *ch_tree_add(struct ch_tree *tree, struct ch_node *parent, enum ch_node_kind kind,
                            const struct ch_node_place *place, struct ch_report *report)
{
    const struct ch_node *earlier;
    struct ch_node *node;

    if (!may_add(tree, parent, place, report))
        return NULL;
    node = take(tree, sizeof(*node), report);
    if (!node)
        return NULL;
    node->kind = kind;
    node->text = "";
    node->line = shown(place->line);
    node->column = shown(place->column);
    node->parent = parent;
    if (place->key) {
        node->key = take_copy(tree, place->key, place->key_len, report);
        node->key_len = shown(place->key_len);
        if (!node->key)
            return NULL;
        earlier = find_child(parent, node->key, node->key_len);
        if (earlier) {
            ch_report_node(report, node, "is given twice, first on line %u; keep one",
                           earlier->line);
            return node;
        }
    }
    append(tree, parent, node);
    return node;
}

bool ch_tree_set_text(struct ch_tree *tree, struct ch_node *node, const char *text, size_t len,
                      struct ch_report *report)
{
    const char *copy = take_copy(tree, text, len, report);

    if (!copy)
        return false;
    node->text = copy;
    node->len = (uint32_t)len;
    return true;
}
