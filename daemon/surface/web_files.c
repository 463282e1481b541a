/* SPDX-License-Identifier: Apache-2.0 */
#include "web_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void read_stamp(const char *name, struct web_stamp *ret)
{
    struct stat st;

    memset(ret, 0, sizeof(*ret)); /* with its padding: it is compared as bytes */
    if (stat(name, &st) < 0) {
        ret->error = errno;
        return;
    }
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    ret->size = st.st_size;
    ret->modified = st.st_mtim;
    ret->changed = st.st_ctim;
}

void web_files_add(struct web_files *files, char *name)
{
    read_stamp(name, &files->stamps[files->count]);
    files->names[files->count++] = name;
}

bool web_files_changed(const struct web_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct web_stamp now;

        read_stamp(files->names[i], &now);
        if (memcmp(&now, &files->stamps[i], sizeof(now)) != 0) // NOLINT: the padding is 0
            return true;
    }
    return false;
}

void web_files_clear(struct web_files *files)
{
    while (files->count > 0)
        free(files->names[--files->count]);
}
