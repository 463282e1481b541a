/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as a tree of values, each with its place in the text, read from YAML
 * (libyaml's events) or JSON (cJSON). What the walker reads.
 *
 * Refused while reading, because they only serve mistakes and attacks: aliases
 * and anchors, tags, a second document, repeated keys, too deep, too many.
 *
 * One tree owns all its nodes and texts and is freed as a whole.
 */
#ifndef CH_ENGINE_TREE_H
#define CH_ENGINE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"

#define CH_TREE_DEPTH_MAX 16
#define CH_TREE_KEYS_MAX  256 /* of one mapping */
#define CH_TREE_NODES_MAX 1000000

enum ch_node_kind { CH_NODE_SCALAR, CH_NODE_LIST, CH_NODE_MAPPING };

struct ch_node {
    enum ch_node_kind kind;
    bool plain;            /* a scalar without quotes; JSON: not a string */
    bool refused;          /* already reported: look no further into it */
    uint32_t line, column; /* of its key, or of itself in a list; from 1 */
    uint32_t index;        /* among its siblings */
    uint32_t count;        /* of its children */
    uint32_t len;          /* of text, without the NUL */
    uint32_t key_len;
    const char *key;  /* NULL in a list */
    const char *text; /* of a scalar */
    struct ch_node *parent, *next, *first, *last;
};

struct ch_tree {
    struct ch_tree_block *blocks;
    struct ch_node *root; /* NULL: an empty file */
    size_t nodes;
};

/* Reports what is wrong. False if the text could not be read to its end: what
 * there is of the tree is valid, but what seems missing in it may not be. */
bool ch_tree_read_yaml(struct ch_tree *tree, const char *text, size_t len,
                       struct ch_report *report);
bool ch_tree_read_json(struct ch_tree *tree, const char *text, size_t len,
                       struct ch_report *report);
void ch_tree_clear(struct ch_tree *tree);

struct ch_node *ch_node_child(const struct ch_node *mapping, const char *key);
/* A plain scalar that says nothing: "", ~ or null. Also true for NULL. */
bool ch_node_is_null(const struct ch_node *node);

/* Reports at the node's place under its path, groups[0].heartbeat.interval. */
__attribute__((format(printf, 3, 4))) void
ch_report_node(struct ch_report *report, const struct ch_node *node, const char *format, ...);

/* For the readers: a new child of parent (NULL: the root). key and text are
 * copied. A repeated key is reported and its node kept out of the mapping, so
 * that the walker meets each key once. NULL at a limit or out of memory, which
 * was reported: the reader must stop. */
struct ch_node_place {
    const char *key; /* NULL in a list */
    size_t key_len;
    size_t line, column; /* from 1 */
};
struct ch_node *ch_tree_add(struct ch_tree *tree, struct ch_node *parent, enum ch_node_kind kind,
                            const struct ch_node_place *place, struct ch_report *report);
bool ch_tree_set_text(struct ch_tree *tree, struct ch_node *node, const char *text, size_t len,
                      struct ch_report *report);

#endif
