/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a tree by tables: what keys a mapping may have, how each is read, where
 * its value goes. The tables are also what the JSON schema is tested against.
 *
 * A mapping is read in two passes: scalars first, then what has structure, so
 * that a group's interval is known when its probes are read, wherever it stands.
 */
#ifndef CH_ENGINE_WALKER_H
#define CH_ENGINE_WALKER_H

#include "connhealth/option.h"
#include "tree.h"

struct ch_section;

struct ch_walk {
    struct ch_report *report;
    void *context; /* of those who wrote the tables */
};

/* A key whose value has structure. */
struct ch_field {
    const char *key;
    const char *help;
    /* Called once at most for a mapping, never with a refused node. */
    void (*read)(struct ch_walk *walk, const struct ch_node *node, void *object);
    const struct ch_section *section; /* of the mapping below, or of each in a list; for
                                         descriptions: read knows by itself */
    bool list;
};

#define CH_FIELD_END                                                                               \
    {                                                                                              \
        .key = NULL                                                                                \
    }

/* The keys of one mapping. */
struct ch_section {
    const struct ch_option *options; /* scalars; NULL: none */
    const struct ch_field *fields;   /* NULL: none */
};

/* A mapping may be read into more than one object; an earlier layer's key hides
 * a later one's of the same name. */
struct ch_layer {
    const struct ch_section *section;
    void *object;
};

/* The node may be null: an empty mapping. False if it is no mapping. */
bool ch_walk_mapping(struct ch_walk *walk, const struct ch_node *node,
                     const struct ch_layer *layers, size_t count);
bool ch_walk_section(struct ch_walk *walk, const struct ch_node *node,
                     const struct ch_section *section, void *object);

/* True if node is a list or null (an empty one): then node->count is its length. */
bool ch_walk_is_list(struct ch_walk *walk, const struct ch_node *node, const char *of);
/* True if node is one value and not null. what: "an address" */
bool ch_walk_is_text(struct ch_walk *walk, const struct ch_node *node, const char *what);
/* A malloc'd copy of the node's text; NULL after reporting that it is not text,
 * not from min to max bytes, or holds a NUL. */
char *ch_walk_copy_text(struct ch_walk *walk, const struct ch_node *node, const char *what,
                        size_t min, size_t max);
/* Zeroed, for at least one element; NULL: out of memory, which is noted. */
void *ch_walk_array(struct ch_walk *walk, size_t count, size_t size);

/* How many single insertions, removals, changes or swaps of neighbours lead from
 * one word to the other; counts no further than limit. */
unsigned ch_word_distance(const char *a, const char *b, unsigned limit);

#endif
