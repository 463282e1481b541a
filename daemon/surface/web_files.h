/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a web configuration was read from, and whether one has changed
 * since. */
#ifndef CH_SURFACE_WEB_FILES_H
#define CH_SURFACE_WEB_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define WEB_FILES_MAX 4 /* itself, certificate, key, the clients' CA */

/* What tells one content of a file from the next (inode(7)). */
struct web_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
    int error; /* of stat(2) */
};

struct web_files {
    char *names[WEB_FILES_MAX];
    struct web_stamp stamps[WEB_FILES_MAX];
    size_t count;
};

/* Takes name over. To be called before the file is read: what changes meanwhile
 * is then found to have changed. */
void web_files_add(struct web_files *files, char *name);
bool web_files_changed(const struct web_files *files);
void web_files_clear(struct web_files *files);

#endif
