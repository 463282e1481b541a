/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups and the systemd units they belong to. The id that sock_diag gives is
 * the inode number of the cgroup's directory in the cgroup2 hierarchy
 * (cgroups(7), kernfs on 64-bit kernels), so the tree itself is the map.
 */
#ifndef CH_SOCKETS_CGROUP_H
#define CH_SOCKETS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "user@1000.service/" and a unit's name, each at most NAME_MAX. */
#define CH_UNIT_NAME 512

/* The unit that owns a cgroup by its path, as systemd reads it: slices, then
 * the first service, scope, socket, mount or swap; what is below (a container's
 * own units, delegated cgroups) belongs to that. A user manager's units are
 * told apart: "user@1000.service/app.service". A path of slices alone gives the
 * last slice; one that is not of systemd's making gives "". Pure. */
void ch_unit_of_path(const char *path, char ret[CH_UNIT_NAME]);

/* Where cgroup2 is mounted, by type, from the text of /proc/self/mountinfo
 * (proc(5)); unified and hybrid hierarchies alike. A mount of the whole tree is
 * taken before one of a part. False if there is none that fits into ret. Pure. */
bool ch_cgroup_mount_of(const char *mountinfo, char *ret, size_t size);
/* The same of this process. 0; -ENOENT if none; or the errno of reading. */
int ch_cgroup_mount(char *ret, size_t size);

struct ch_cgroup_scan {
    /* path is relative to the mount and begins with '/'. Nonzero ends the scan
     * and is returned. */
    int (*on_cgroup)(uint64_t id, const char *path, void *arg);
    void *arg;
    uint32_t seen;
    bool denied; /* some of it could not be read */
};

/* Walks the tree at mount; at most CH_CGROUPS_MAX of them. 0 or negative errno. */
int ch_cgroup_walk(const char *mount, struct ch_cgroup_scan *scan);

#define CH_CGROUPS_MAX 65536

#endif
