/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's file_sd files: a list of {targets, labels}, in JSON or YAML. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_build.h"
#include "file.h"

struct ch_target_list *ch_target_lists_free(struct ch_target_list *lists, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ch_target_list_clear(&lists[i]);
    free(lists);
    return NULL;
}

static bool is_json(const char *path)
{
    const char *end = strrchr(path, '.');

    return end && strcasecmp(end, ".json") == 0;
}

/* The lists of root, *ret_count of which were begun. */
static struct ch_target_list *read_root(struct ch_report *report, const struct ch_node *root,
                                        size_t *ret_count)
{
    struct ch_walk walk = {.report = report};
    struct ch_target_list *lists;

    *ret_count = 0;
    if (root &&
        (root->refused || !ch_walk_is_list(&walk, root, "mappings with targets and labels")))
        return NULL;
    lists = ch_walk_array(&walk, root ? root->count : 0, sizeof(*lists));
    if (!lists || !root)
        return lists;
    for (const struct ch_node *item = root->first; item; item = item->next)
        ch_config_read_target_list(&walk, item, &lists[(*ret_count)++]);
    return lists;
}

int ch_target_file_parse(const char *text, size_t len, const char *path,
                         struct ch_target_list **ret_lists, size_t *ret_count,
                         struct ch_config_errors *errors)
{
    struct ch_report report = {.file = path};
    struct ch_tree tree = {0};
    struct ch_target_list *lists;
    bool complete;
    size_t count;
    int r;

    if (is_json(path))
        complete = ch_tree_read_json(&tree, text, len, &report);
    else
        complete = ch_tree_read_yaml(&tree, text, len, &report);
    lists = read_root(&report, complete ? tree.root : NULL, &count);
    ch_tree_clear(&tree);
    r = ch_report_finish(&report, errors);
    if (r < 0) {
        ch_target_lists_free(lists, count);
        return r;
    }
    *ret_lists = lists;
    *ret_count = count;
    return 0;
}

int ch_target_file_load(const char *path, struct ch_target_list **ret_lists, size_t *ret_count,
                        struct ch_config_errors *errors)
{
    struct ch_report report = {.file = path};
    char *text;
    size_t len;
    int r = ch_file_read(path, CH_FILE_REGULAR, &text, &len);

    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        ch_report_add(&report, 0, 0, NULL, "cannot be read: %s", ch_file_reason(r));
        return ch_report_finish(&report, errors);
    }
    r = ch_target_file_parse(text, len, path, ret_lists, ret_count, errors);
    free(text);
    return r;
}
