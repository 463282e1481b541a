/* SPDX-License-Identifier: Apache-2.0 */
#include "watches.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define ITSELF (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)
#define NAMES  (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

/* One reason to watch an inode; several may share its descriptor. */
struct watch {
    struct watch *next;
    char *directory;
    char *child; /* only what happens to this name counts; NULL: to all files */
    int descriptor;
    bool wanted; /* by the reading that is under way */
};

struct ch_watches {
    int inotify;
    struct watch *all;
};

int ch_watches_new(struct ch_watches **ret)
{
    struct ch_watches *watches = calloc(1, sizeof(*watches));

    if (!watches)
        return -ENOMEM;
    watches->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watches->inotify < 0) {
        int r = -errno;

        free(watches);
        return r;
    }
    *ret = watches;
    return 0;
}

static struct watch *watch_free(struct watch *watch)
{
    free(watch->directory);
    free(watch->child);
    free(watch);
    return NULL;
}

struct ch_watches *ch_watches_free(struct ch_watches *watches)
{
    if (!watches)
        return NULL;
    for (struct watch *watch = watches->all, *next; watch; watch = next) {
        next = watch->next;
        watch_free(watch);
    }
    close(watches->inotify);
    free(watches);
    return NULL;
}

int ch_watches_fd(const struct ch_watches *watches)
{
    return watches->inotify;
}

static bool is_target_file(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcasecmp(dot, ".json") == 0 || strcasecmp(dot, ".yml") == 0 ||
                   strcasecmp(dot, ".yaml") == 0);
}

/* A link is whole as soon as it is there; a file that was just created is empty,
 * and will be closed. */
static bool is_link(const struct watch *watch, const char *name)
{
    char path[4096];
    struct stat st;

    if (snprintf(path, sizeof(path), "%s/%s", watch->directory, name) >= (int)sizeof(path) ||
        lstat(path, &st) < 0)
        return true; /* gone again, or who knows */
    return S_ISLNK(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink > 1);
}

static bool matters(const struct watch *watch, const struct inotify_event *event)
{
    const char *name = event->len > 0 ? event->name : "";

    if (event->mask & ITSELF)
        return true;
    if (watch->child)
        return (event->mask & NAMES) && strcmp(name, watch->child) == 0;
    if (event->mask & IN_CLOSE_WRITE)
        return is_target_file(name);
    if (event->mask & IN_CREATE)
        return is_link(watch, name);
    /* Of any name: a target file may be a link to, or through, what was moved. */
    return event->mask & NAMES;
}

static bool is_news(const struct ch_watches *watches, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    for (const struct watch *watch = watches->all; watch; watch = watch->next)
        if (watch->descriptor == event->wd && matters(watch, event))
            return true;
    return false;
}

bool ch_watches_changed(struct ch_watches *watches)
{
    _Alignas(struct inotify_event) char buffer[16 * 1024];
    bool changed = false;
    ssize_t n;

    while ((n = read(watches->inotify, buffer, sizeof(buffer))) > 0)
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *event = (const void *)at;

            changed = changed || is_news(watches, event);
            at += sizeof(*event) + event->len;
        }
    return changed;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct watch *find_or_new(struct ch_watches *watches, const char *directory,
                                 const char *child)
{
    struct watch *watch;

    for (watch = watches->all; watch; watch = watch->next)
        if (same_text(watch->directory, directory) && same_text(watch->child, child))
            return watch;
    watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    watch->descriptor = -1;
    watch->directory = strdup(directory);
    watch->child = child ? strdup(child) : NULL;
    if (!watch->directory || (child && !watch->child))
        return watch_free(watch);
    watch->next = watches->all;
    watches->all = watch;
    return watch;
}

static void drop_descriptor(struct ch_watches *watches, int descriptor)
{
    for (const struct watch *watch = watches->all; watch; watch = watch->next)
        if (watch->descriptor == descriptor)
            return;
    inotify_rm_watch(watches->inotify, descriptor); /* EINVAL: it went with its inode */
}

/* 0 or a negative errno. The path may lead to another inode than before. */
static int add(struct ch_watches *watches, const char *directory, const char *child)
{
    uint32_t mask = IN_ONLYDIR | IN_MASK_ADD | IN_DELETE_SELF | IN_MOVE_SELF | NAMES |
                    (child ? 0U : IN_CLOSE_WRITE);
    int descriptor = inotify_add_watch(watches->inotify, directory, mask);
    struct watch *watch;
    int before;

    if (descriptor < 0)
        return -errno;
    watch = find_or_new(watches, directory, child);
    if (!watch) {
        drop_descriptor(watches, descriptor);
        return -ENOMEM;
    }
    before = watch->descriptor;
    watch->descriptor = descriptor;
    watch->wanted = true;
    if (before >= 0 && before != descriptor)
        drop_descriptor(watches, before);
    return 0;
}

/* For the directory itself: a link that is swapped, one that comes later; then
 * the nearest parent that is there. */
static void add_parent(struct ch_watches *watches, const char *directory)
{
    char *path = strdup(directory);

    while (path && path[0] && strcmp(path, ".") != 0) {
        char *slash = strrchr(path, '/');
        const char *child = slash ? slash + 1 : path;
        const char *parent = !slash ? "." : slash == path ? "/" : path;

        if (slash)
            *slash = '\0';
        if (child[0] && add(watches, parent, child) == 0)
            break;
        if (!slash)
            break;
    }
    free(path);
}

void ch_watches_begin(struct ch_watches *watches)
{
    for (struct watch *watch = watches->all; watch; watch = watch->next)
        watch->wanted = false;
}

void ch_watches_directory(struct ch_watches *watches, const char *directory)
{
    int r = add(watches, directory, NULL);

    /* One that is not there yet is seen to come by its parent. */
    if (r < 0 && r != -ENOENT)
        ch_log_fields(CH_LOG_WARN, "a directory of target files cannot be watched", "directory",
                      directory, "error", strerror(-r), "remedy", // NOLINT
                      "changes are found at the next refresh_interval", NULL);
    add_parent(watches, directory);
}

void ch_watches_end(struct ch_watches *watches)
{
    struct watch **place = &watches->all;

    while (*place) {
        struct watch *watch = *place;
        int descriptor = watch->descriptor;

        if (watch->wanted) {
            place = &watch->next;
            continue;
        }
        *place = watch->next;
        watch_free(watch);
        drop_descriptor(watches, descriptor);
    }
}
