/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* proc(5): blanks and backslashes are written as \ooo. */
static bool is_escape(const char *text, size_t left)
{
    return left >= 4 && text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
           text[2] <= '7' && text[3] >= '0' && text[3] <= '7';
}

/* False, with ret as it was, if there may not be room. */
static bool unescape(const char *text, size_t len, char *ret, size_t size)
{
    size_t out = 0;

    if (len >= size)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (is_escape(text + i, len - i)) {
            c = (char)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
            i += 3;
        }
        ret[out++] = c;
    }
    ret[out] = '\0';
    return true;
}

/* The index-th blank-separated field of the line. */
static bool field_of(const char *line, size_t line_len, unsigned index, const char **ret,
                     size_t *ret_len)
{
    const char *end = line + line_len;

    for (; line < end; index--) {
        const char *stop = memchr(line, ' ', (size_t)(end - line));

        if (!stop)
            stop = end;
        if (index == 0) {
            *ret = line;
            *ret_len = (size_t)(stop - line);
            return true;
        }
        line = stop + 1;
    }
    return false;
}

enum { mountinfo_root = 3, mountinfo_point = 4 };

static bool is_cgroup2(const char *line, size_t len)
{
    static const char type[] = " - cgroup2 ";

    return memmem(line, len, type, sizeof(type) - 1) != NULL;
}

bool ch_cgroup_mount_of(const char *mountinfo, char *ret, size_t size)
{
    bool found = false;

    for (const char *line = mountinfo; *line != '\0';) {
        size_t len = strcspn(line, "\n"), root_len, point_len;
        const char *root, *point;

        if (is_cgroup2(line, len) && field_of(line, len, mountinfo_root, &root, &root_len) &&
            field_of(line, len, mountinfo_point, &point, &point_len)) {
            bool whole = root_len == 1 && root[0] == '/';

            if ((whole || !found) && unescape(point, point_len, ret, size)) {
                if (whole)
                    return true;
                found = true;
            }
        }
        line += len + (line[len] == '\n');
    }
    return found;
}

int ch_cgroup_mount(char *ret, size_t size)
{
    char *text = NULL;
    size_t room = 0;
    int r = -ENOENT;
    FILE *file = fopen("/proc/self/mountinfo", "re");

    if (!file)
        return -errno;
    errno = 0;
    if (getdelim(&text, &room, '\0', file) < 0)
        r = errno ? -errno : -ENOENT;
    else if (ch_cgroup_mount_of(text, ret, size))
        r = 0;
    free(text);
    fclose(file);
    return r;
}

/* The kernel allows deeper trees; nobody has them. */
enum { depth_max = 64 };

static int walk_below(int fd, char path[PATH_MAX], size_t len, unsigned depth,
                      struct ch_cgroup_scan *scan);

static int visit(int parent, const struct dirent *item, char path[PATH_MAX], size_t len,
                 unsigned depth, struct ch_cgroup_scan *scan)
{
    int added = snprintf(path + len, PATH_MAX - len, "/%s", item->d_name);
    int r, fd;

    if (added < 0 || (size_t)added >= PATH_MAX - len || depth == depth_max)
        return 0;
    if (scan->seen++ >= CH_CGROUPS_MAX)
        return -E2BIG;
    r = scan->on_cgroup(item->d_ino, path, scan->arg);
    if (r != 0)
        return r;
    fd = openat(parent, item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        scan->denied |= errno == EACCES || errno == EPERM;
        /* One that went away meanwhile had nothing more to say. */
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
    }
    return walk_below(fd, path, len + (size_t)added, depth + 1, scan);
}

/* Takes fd. */
static int walk_below(int fd, char path[PATH_MAX], size_t len, unsigned depth,
                      struct ch_cgroup_scan *scan)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *item;
    int r = 0;

    if (!dir) {
        r = -errno;
        close(fd);
        return r;
    }
    while (r == 0 && (item = readdir(dir)))
        if (item->d_type == DT_DIR && strcmp(item->d_name, ".") != 0 &&
            strcmp(item->d_name, "..") != 0)
            r = visit(dirfd(dir), item, path, len, depth, scan);
    closedir(dir);
    return r;
}

int ch_cgroup_walk(const char *mount, struct ch_cgroup_scan *scan)
{
    char path[PATH_MAX] = "";
    struct stat st;
    int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    r = fstat(fd, &st) < 0 ? -errno : scan->on_cgroup(st.st_ino, "/", scan->arg);
    if (r != 0) {
        close(fd);
        return r;
    }
    return walk_below(fd, path, 0, 0, scan);
}
