/* SPDX-License-Identifier: Apache-2.0 */
#include "discover.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "log.h"

#define WATCHED                                                                                    \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

/* The last good content of a file. */
struct known_file {
    struct known_file *next;
    char *path;
    struct ch_target_list *lists;
    size_t count;
    bool seen; /* in the reading that is under way */
};

struct ch_discovery {
    int inotify;
    struct known_file *files;
    struct ch_group_targets *groups; /* arrays of lists; the lists' content is the files' */
    size_t group_count;
};

int ch_discovery_new(struct ch_discovery **ret)
{
    struct ch_discovery *discovery = calloc(1, sizeof(*discovery));

    if (!discovery)
        return -ENOMEM;
    discovery->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (discovery->inotify < 0) {
        int r = -errno;

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
    close(discovery->inotify);
    free(discovery);
    return NULL;
}

int ch_discovery_fd(const struct ch_discovery *discovery)
{
    return discovery->inotify;
}

static bool is_target_file(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot &&
           (strcmp(dot, ".json") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

bool ch_discovery_changed(struct ch_discovery *discovery)
{
    _Alignas(struct inotify_event) char buffer[16 * 1024];
    bool changed = false;
    ssize_t n;

    while ((n = read(discovery->inotify, buffer, sizeof(buffer))) > 0)
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const void *)at;

            /* An overflow (no name) may have hidden anything. */
            if (event->len == 0 || is_target_file(event->name))
                changed = true;
            at += sizeof(*event) + event->len;
        }
    return changed;
}

static void watch_directory_of(struct ch_discovery *discovery, const char *pattern)
{
    char *copy = strdup(pattern);
    const char *directory;

    if (!copy)
        return;
    directory = dirname(copy);
    /* Adding one that is watched already changes nothing (inotify(7)). Without a
     * watch the refresh interval still finds the change. */
    if (inotify_add_watch(discovery->inotify, directory, WATCHED) < 0)
        ch_log_fields(CH_LOG_WARN, "a directory of target files cannot be watched", "directory",
                      directory, "error", strerror(errno), "remedy", // NOLINT
                      "changes are found at the next refresh_interval", NULL);
    free(copy);
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
static int read_file(struct ch_discovery *discovery, const char *path,
                     struct ch_config_errors *errors, struct known_file **ret)
{
    struct known_file *file = file_of(discovery, path);
    struct ch_target_list *lists;
    size_t count;
    int r;

    if (!file)
        return -ENOMEM;
    if (!file->seen) {
        r = ch_target_file_load(path, &lists, &count, errors);
        if (r == -ENOMEM)
            return r;
        if (r == 0) {
            ch_target_lists_free(file->lists, file->count);
            file->lists = lists;
            file->count = count;
        }
        file->seen = true;
    }
    *ret = file;
    return 0;
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

static int read_pattern(struct ch_discovery *discovery, const char *pattern,
                        struct ch_config_errors *errors, struct ch_group_targets *group)
{
    glob_t found = {0};
    int r = 0;

    watch_directory_of(discovery, pattern);
    switch (glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found)) {
    case 0:
        break;
    case GLOB_NOSPACE:
        return -ENOMEM;
    default: /* none yet: they may come later */
        return 0;
    }
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
        struct known_file *file;

        r = read_file(discovery, found.gl_pathv[i], errors, &file);
        if (r == 0)
            r = add_lists(group, file);
    }
    globfree(&found);
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
    for (size_t i = 0; r == 0 && i < config->group_count; i++)
        r = read_group(discovery, &config->groups[i], errors, &discovery->groups[i]);
    if (r < 0)
        return r;
    drop_unseen(discovery);
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
