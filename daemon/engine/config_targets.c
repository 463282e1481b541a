/* SPDX-License-Identifier: Apache-2.0 */
/* Targets, their labels, and the files that list them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_build.h"
#include "connhealth/clock.h"
#include "connhealth/text.h"

#define LABEL_NAME_MAX  128
#define LABEL_VALUE_MAX 1024
#define TARGET_MAX      264 /* a name of 253 bytes, a dot, brackets, a colon and a port */
#define PATTERN_MAX     4095

/* Those that a target's own series carry besides; see the metrics' reference. */
static const char *const reserved_labels[] = {
    "group", "target",   "probe",   "category", "phase", "wire",     "cause",
    "icmp",  "offender", "trouble", "unit",     "le",    "quantile",
};

void ch_target_list_clear(struct ch_target_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->targets[i]);
    free(list->targets);
    for (size_t i = 0; i < list->labels.count; i++) {
        free(list->labels.items[i].name);
        free(list->labels.items[i].value);
    }
    free(list->labels.items);
    *list = (struct ch_target_list){0};
}

static void read_target(struct ch_walk *walk, const struct ch_node *node,
                        struct ch_target_list *list)
{
    char quoted[CH_QUOTED_TEXT];
    struct ch_hostport split;
    const char *reason;
    char *copy = ch_walk_copy_text(walk, node, "a target HOST:PORT", 0, TARGET_MAX);

    if (!copy)
        return;
    reason = ch_hostport_parse(copy, &split);
    if (reason) {
        ch_report_node(walk->report, node, "%s %s", ch_text_quote(copy, strlen(copy), quoted),
                       reason);
        free(copy);
        return;
    }
    list->targets[list->count++] = copy;
}

static void read_targets(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_target_list *list = object;

    if (!ch_walk_is_list(walk, node, "targets HOST:PORT"))
        return;
    list->targets = ch_walk_array(walk, node->count, sizeof(*list->targets));
    if (!list->targets)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next)
        read_target(walk, item, list);
}

/* https://prometheus.io/docs/concepts/data_model/ */
static bool is_label_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool letter = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
                      name[i] == '_';

        if (!letter && (i == 0 || name[i] < '0' || name[i] > '9'))
            return false;
    }
    return len > 0;
}

static bool check_label_name(struct ch_walk *walk, const struct ch_node *node)
{
    if (!is_label_name(node->key, node->key_len)) {
        ch_report_node(walk->report, node,
                       "is no label name (letters, digits and _, no digit first)");
        return false;
    }
    if (node->key_len > LABEL_NAME_MAX) {
        ch_report_node(walk->report, node, "is longer than %d bytes", LABEL_NAME_MAX);
        return false;
    }
    if (strncmp(node->key, "__", 2) == 0) {
        ch_report_node(walk->report, node,
                       "begins with __, which Prometheus keeps for itself; choose another name");
        return false;
    }
    for (size_t i = 0; i < sizeof(reserved_labels) / sizeof(reserved_labels[0]); i++) {
        if (strcmp(node->key, reserved_labels[i]) == 0) {
            ch_report_node(walk->report, node,
                           "would hide the built-in label \"%s\"; choose another name", node->key);
            return false;
        }
    }
    return true;
}

static void read_label(struct ch_walk *walk, const struct ch_node *node, struct ch_labels *labels)
{
    struct ch_label *label = &labels->items[labels->count];

    if (node->refused || !check_label_name(walk, node))
        return;
    label->value = ch_walk_copy_text(walk, node, "a text", 0, LABEL_VALUE_MAX);
    if (!label->value)
        return;
    label->name = strdup(node->key);
    if (!label->name) {
        walk->report->out_of_memory = true;
        free(label->value);
        return;
    }
    labels->count++;
}

static int by_name(const void *left, const void *right)
{
    const struct ch_label *a = left, *b = right;

    return strcmp(a->name, b->name);
}

static void read_labels(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_target_list *list = object;

    if (ch_node_is_null(node))
        return;
    if (node->kind != CH_NODE_MAPPING) {
        ch_report_node(walk->report, node, "is no mapping of label names to values");
        return;
    }
    list->labels.items = ch_walk_array(walk, node->count, sizeof(*list->labels.items));
    if (!list->labels.items)
        return;
    for (const struct ch_node *child = node->first; child; child = child->next)
        read_label(walk, child, &list->labels);
    qsort(list->labels.items, list->labels.count, sizeof(*list->labels.items), by_name);
}

static const struct ch_field target_list_fields[] = {
    {.key = "targets", .read = read_targets, .list = true, .help = "HOST:PORT each"},
    {.key = "labels", .read = read_labels, .help = "added to all series of these targets"},
    CH_FIELD_END,
};
const struct ch_section ch_target_list_section = {.fields = target_list_fields};

void ch_config_read_target_list(struct ch_walk *walk, const struct ch_node *node,
                                struct ch_target_list *list)
{
    if (ch_walk_section(walk, node, &ch_target_list_section, list) &&
        !ch_node_child(node, "targets"))
        ch_report_node(walk->report, node, "has no targets; add targets: [\"HOST:PORT\"]");
}

void ch_config_read_static(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_group *group = object;

    if (!ch_walk_is_list(walk, node, "mappings with targets and labels"))
        return;
    group->static_configs = ch_walk_array(walk, node->count, sizeof(*group->static_configs));
    if (!group->static_configs)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next)
        ch_config_read_target_list(walk, item,
                                   &group->static_configs[group->static_config_count++]);
}

/* NULL, or what is wrong. */
static const char *check_pattern(const char *pattern)
{
    const char *base = strrchr(pattern, '/') ? strrchr(pattern, '/') + 1 : pattern;
    const char *end = strrchr(base, '.');

    if (strcspn(pattern, "*?[") < (size_t)(base - pattern))
        return "has a wildcard in a directory's name; only the last part may have one";
    if (!end || (strcasecmp(end, ".json") != 0 && strcasecmp(end, ".yml") != 0 &&
                 strcasecmp(end, ".yaml") != 0))
        return "does not end in .json, .yml or .yaml";
    return NULL;
}

static char *absolute_path(struct ch_walk *walk, const char *path)
{
    const char *directory = path[0] == '/' ? "" : ch_build_of(walk)->directory;
    size_t size = strlen(directory) + strlen(path) + sizeof("/");
    char *absolute = malloc(size);

    if (!absolute)
        walk->report->out_of_memory = true;
    else
        snprintf(absolute, size, "%s%s%s", directory, path[0] == '/' ? "" : "/", path);
    return absolute;
}

static void read_pattern(struct ch_walk *walk, const struct ch_node *node, struct ch_file_sd *sd)
{
    char quoted[CH_QUOTED_TEXT];
    const char *reason;
    char *pattern = ch_walk_copy_text(walk, node, "a file name", 1, PATTERN_MAX);

    if (!pattern)
        return;
    reason = check_pattern(pattern);
    if (reason)
        ch_report_node(walk->report, node, "%s %s", ch_text_quote(pattern, strlen(pattern), quoted),
                       reason);
    else
        sd->patterns[sd->count] = absolute_path(walk, pattern);
    sd->count += sd->patterns[sd->count] != NULL;
    free(pattern);
}

static void read_files(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_file_sd *sd = object;

    if (!ch_walk_is_list(walk, node, "file names"))
        return;
    sd->patterns = ch_walk_array(walk, node->count, sizeof(*sd->patterns));
    if (!sd->patterns)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next)
        read_pattern(walk, item, sd);
}

static const struct ch_option file_sd_options[] = {
    {.key = "refresh_interval",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct ch_file_sd, refresh_ns),
     .min = 100 * CH_NS_PER_MS,
     .max = 86400 * CH_NS_PER_S,
     .fallback = "5m",
     .help = "the files are watched, and read again after this at the latest"},
    CH_OPTION_END,
};
static const struct ch_field file_sd_fields[] = {
    {.key = "files",
     .read = read_files,
     .list = true,
     .help = "names or patterns; they need not exist yet"},
    CH_FIELD_END,
};
const struct ch_section ch_file_sd_section = {file_sd_options, file_sd_fields};

static void read_file_sd(struct ch_walk *walk, const struct ch_node *node, struct ch_file_sd *sd)
{
    const struct ch_node *files;

    if (ch_options_defaults(file_sd_options, sd) < 0)
        walk->report->out_of_memory = true;
    if (!ch_walk_section(walk, node, &ch_file_sd_section, sd))
        return;
    files = ch_node_child(node, "files");
    if (!files || ch_node_is_null(files) || (files->kind == CH_NODE_LIST && files->count == 0))
        ch_report_node(walk->report, files ? files : node,
                       "has no files; add files: [\"targets.d/*.json\"]");
}

void ch_config_read_file_sd(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct ch_group *group = object;

    if (!ch_walk_is_list(walk, node, "mappings with files"))
        return;
    group->file_sd_configs = ch_walk_array(walk, node->count, sizeof(*group->file_sd_configs));
    if (!group->file_sd_configs)
        return;
    for (const struct ch_node *item = node->first; item; item = item->next)
        read_file_sd(walk, item, &group->file_sd_configs[group->file_sd_config_count++]);
}
