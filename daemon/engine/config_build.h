/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the configuration's files: what they share while one is being
 * built, and the tables each contributes.
 */
#ifndef CH_ENGINE_CONFIG_BUILD_H
#define CH_ENGINE_CONFIG_BUILD_H

#include "config.h"
#include "walker.h"

/* A group's name appears in events, which keep 63 bytes of it. */
#define CH_NAME_MAX 63

/* Where a thing was said, for messages about its repetition. */
struct ch_origin {
    const char *file;
    unsigned file_index;
    const struct ch_node *node; /* NULL: it was not */
};

enum ch_top_key { CH_TOP_GLOBAL, CH_TOP_RESPONDER, CH_TOP_SOCKETS, CH_TOP_WEB, CH_TOP_COUNT };

struct ch_build {
    struct ch_report report;
    struct ch_walk walk; /* context: this build */
    struct ch_config *config;
    char *directory; /* relative paths start here */
    struct ch_origin top[CH_TOP_COUNT];
    struct ch_origin *groups; /* one for each of config->groups */
};

static inline struct ch_build *ch_build_of(const struct ch_walk *walk)
{
    return walk->context;
}

extern const struct ch_section ch_root_section;   /* config_root.c; object: struct ch_config */
extern const struct ch_section ch_global_section; /* the same, as are the next */
extern const struct ch_section ch_responder_section;
extern const struct ch_section ch_sockets_section;
extern const struct ch_section ch_units_section;
extern const struct ch_section ch_web_section;
extern const struct ch_section ch_group_section;       /* config_group.c; object is its own */
extern const struct ch_section ch_target_list_section; /* config_targets.c */
extern const struct ch_section ch_file_sd_section;     /* the same; struct ch_file_sd */

/* The keys of every probe whatever its kind; object: struct ch_probe_settings. */
extern const struct ch_section ch_probe_section;

/* Every default that a file may replace. 0 or -ENOMEM. */
int ch_config_set_defaults(struct ch_config *config);

/* `global` comes first, of all files: groups rest on it. */
void ch_config_read_global(struct ch_build *build, const struct ch_node *root);
void ch_config_read_root(struct ch_build *build, const struct ch_node *root);
/* After the last file. */
void ch_config_check_groups(struct ch_build *build);

/* config_group.c: the read function of `groups`; config_targets.c: of its lists. */
void ch_config_read_groups(struct ch_walk *walk, const struct ch_node *node, void *config);
void ch_config_read_static(struct ch_walk *walk, const struct ch_node *node, void *group);
void ch_config_read_file_sd(struct ch_walk *walk, const struct ch_node *node, void *group);
/* node is one mapping of targets and labels. */
void ch_config_read_target_list(struct ch_walk *walk, const struct ch_node *node,
                                struct ch_target_list *list);

/* Frees what a half-built one holds, too. */
void ch_group_clear(struct ch_group *group);
void ch_target_list_clear(struct ch_target_list *list);

#endif
