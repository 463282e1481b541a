/* SPDX-License-Identifier: Apache-2.0 */
#include "discover.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "watches.h"

/* The last good content of a file. */
struct known_file {
    struct known_file *next;
    char *path;
    struct ch_target_list *lists;
    size_t count;
    bool seen; /* in the reading that is under way */
};

struct ch_discovery {
    struct ch_watches *watches;
    struct known_file *files;
    struct ch_group_targets *groups; /* arrays of lists; the lists' content is the files' */
    size_t group_count;
};

int ch_discovery_new(struct ch_discovery **ret)
{
    struct ch_discovery *discovery = calloc(1, sizeof(*discovery));
    int r;

    if (!discovery)
        return -ENOMEM;
    r = ch_watches_new(&discovery->watches);
    if (r < 0) {
        free(discovery);
        return r;
    }
    *ret = discovery;
    return 0;
}

static void free_file(struct known_file *file)
{
    ch_target_lists_free(file->lists, file->count);
    free(file->path);
    free(file);
}

static void forget_groups(struct ch_discovery *discovery)
{
    for (size_t i = 0; i < discovery->group_count; i++)
        free(discovery->groups[i].lists);
    free(discovery->groups);
    discovery->groups = NULL;
    discovery->group_count = 0;
}

struct ch_discovery *ch_discovery_free(struct ch_discovery *discovery)
{
    if (!discovery)
        return NULL;
    forget_groups(discovery);
    for (struct known_file *file = discovery->files, *next; file; file = next) {
        next = file->next;
        free_file(file);
    }
    ch_watches_free(discovery->watches);
    free(discovery);
    return NULL;
}

int ch_discovery_fd(const struct ch_discovery *discovery)
{
    return ch_watches_fd(discovery->watches);
}

bool ch_discovery_changed(struct ch_discovery *discovery)
{
    return ch_watches_changed(discovery->watches);
}

/* Takes line over. 0 or -ENOMEM. */
static int add_error(struct ch_config_errors *errors, char *line)
{
    char **lines = reallocarray(errors->lines, errors->count + 1, sizeof(*lines));

    if (!lines) {
        free(line);
        return -ENOMEM;
    }
    lines[errors->count++] = line;
    errors->lines = lines;
    return 0;
}

static struct known_file *file_of(struct ch_discovery *discovery, const char *path)
{
    struct known_file *file;

    for (file = discovery->files; file; file = file->next)
        if (strcmp(file->path, path) == 0)
            return file;
    file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->path = strdup(path);
    if (!file->path) {
        free(file);
        return NULL;
    }
    file->next = discovery->files;
    discovery->files = file;
    return file;
}

/* 0 also for a bad file: its last good content stays. */
static int load(struct known_file *file, struct ch_config_errors *errors)
{
    struct ch_config_errors own = {0};
    struct ch_target_list *lists;
    size_t count;
    int r = ch_target_file_load(file->path, &lists, &count, &own);

    if (r == 0) {
        ch_target_lists_free(file->lists, file->count);
        file->lists = lists;
        file->count = count;
        return 0;
    }
    if (r == -ENOMEM)
        return r;
    r = 0;
    for (size_t i = 0; i < own.count; i++) {
        if (r == 0)
            r = add_error(errors, own.lines[i]);
        else
            free(own.lines[i]);
    }
    free(own.lines);
    return r;
}

static int add_lists(struct ch_group_targets *group, const struct known_file *file)
{
    struct ch_target_list *lists =
        reallocarray(group->lists, group->count + file->count + 1, sizeof(*lists));

    if (!lists)
        return -ENOMEM;
    group->lists = lists;
    if (file->count > 0)
        memcpy(lists + group->count, file->lists, file->count * sizeof(*lists));
    group->count += file->count;
    return 0;
}

static bool is_gone(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static int read_file(struct ch_discovery *discovery, const char *path,
                     struct ch_config_errors *errors, struct ch_group_targets *group)
{
    struct known_file *file;
    int r = 0;

    if (is_gone(path)) /* or a link that leads nowhere: it may come later */
        return 0;
    file = file_of(discovery, path);
    if (!file)
        return -ENOMEM;
    if (!file->seen)
        r = load(file, errors);
    if (r < 0)
        return r;
    file->seen = true;
    return add_lists(group, file);
}

/* A directory that cannot be read for the moment (no descriptor left, say) keeps
 * the targets of its files. */
static int keep_files(struct ch_discovery *discovery, const char *directory, const char *pattern,
                      int error, struct ch_config_errors *errors, struct ch_group_targets *group)
{
    size_t len = strlen(directory);
    char *line = NULL;
    int r;

    if (asprintf(&line, "%s: cannot be read: %s", directory, ch_file_reason(error)) < 0)
        return -ENOMEM;
    r = add_error(errors, line);
    for (struct known_file *file = discovery->files; r == 0 && file; file = file->next)
        if (strncmp(file->path, directory, len) == 0 && file->path[len] == '/' &&
            fnmatch(pattern, file->path + len + 1, FNM_PATHNAME | FNM_PERIOD) == 0) {
            file->seen = true;
            r = add_lists(group, file);
        }
    return r;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* glob(3) would also take the special characters of the directory, and does not
 * tell an empty directory from one that cannot be read. */
static int read_matching(struct ch_discovery *discovery, const char *directory, const char *pattern,
                         struct ch_config_errors *errors, struct ch_group_targets *group)
{
    struct dirent **entries;
    int count = scandir(directory[0] ? directory : "/", &entries, NULL, by_name);
    int r = 0;

    if (count < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* none yet: it may come later */
    if (count < 0)
        return keep_files(discovery, directory, pattern, -errno, errors, group);
    for (int i = 0; i < count; i++) {
        char *path = NULL;

        if (r == 0 && fnmatch(pattern, entries[i]->d_name, FNM_PERIOD) == 0) {
            if (asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0)
                path = NULL;
            r = path ? read_file(discovery, path, errors, group) : -ENOMEM;
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int read_pattern(struct ch_discovery *discovery, const char *pattern,
                        struct ch_config_errors *errors, struct ch_group_targets *group)
{
    const char *slash = strrchr(pattern, '/'); /* it is a path: there is one */
    char *directory = strndup(pattern, (size_t)(slash - pattern));
    int r;

    if (!directory)
        return -ENOMEM;
    ch_watches_directory(discovery->watches, directory[0] ? directory : "/");
    if (strpbrk(slash + 1, "*?[\\"))
        r = read_matching(discovery, directory, slash + 1, errors, group);
    else
        r = read_file(discovery, pattern, errors, group);
    free(directory);
    return r;
}

static int read_group(struct ch_discovery *discovery, const struct ch_group *group,
                      struct ch_config_errors *errors, struct ch_group_targets *targets)
{
    int r = 0;

    for (size_t i = 0; i < group->file_sd_config_count; i++)
        for (size_t j = 0; r == 0 && j < group->file_sd_configs[i].count; j++)
            r = read_pattern(discovery, group->file_sd_configs[i].patterns[j], errors, targets);
    return r;
}

static void drop_unseen(struct ch_discovery *discovery)
{
    struct known_file **place = &discovery->files;

    while (*place) {
        struct known_file *file = *place;

        if (file->seen) {
            place = &file->next;
        } else {
            *place = file->next;
            free_file(file);
        }
    }
}

int ch_discovery_read(struct ch_discovery *discovery, const struct ch_config *config,
                      struct ch_config_errors *errors, const struct ch_group_targets **ret)
{
    int r = 0;

    forget_groups(discovery);
    for (struct known_file *file = discovery->files; file; file = file->next)
        file->seen = false;
    discovery->groups = calloc(config->group_count + 1, sizeof(*discovery->groups));
    if (!discovery->groups)
        return -ENOMEM;
    discovery->group_count = config->group_count;
    ch_watches_begin(discovery->watches);
    for (size_t i = 0; r == 0 && i < config->group_count; i++)
        r = read_group(discovery, &config->groups[i], errors, &discovery->groups[i]);
    if (r < 0)
        return r;
    drop_unseen(discovery);
    ch_watches_end(discovery->watches);
    *ret = discovery->groups;
    return 0;
}

int64_t ch_discovery_refresh(const struct ch_config *config)
{
    int64_t shortest = 0;

    for (size_t i = 0; i < config->group_count; i++)
        for (size_t j = 0; j < config->groups[i].file_sd_config_count; j++) {
            int64_t refresh = config->groups[i].file_sd_configs[j].refresh_ns;

            if (shortest == 0 || refresh < shortest)
                shortest = refresh;
        }
    return shortest;
}
