/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES 65536U

static int read_all(int fd, char **text, size_t *len)
{
    size_t room = 0;

    for (;;) {
        ssize_t got;

        if (room - *len < CHUNK_BYTES) {
            char *grown;

            room = room ? 2 * room : 2 * CHUNK_BYTES;
            grown = realloc(*text, room);
            if (!grown)
                return -ENOMEM;
            *text = grown;
        }
        got = read(fd, *text + *len, CHUNK_BYTES - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        (*text)[*len + (size_t)got] = '\0';
        if (got == 0)
            return 0;
        *len += (size_t)got;
        if (*len > CH_FILE_MAX_BYTES)
            return -EFBIG;
    }
}

static int check_kind(int fd, enum ch_file_kind kind)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (kind == CH_FILE_REGULAR && !S_ISREG(st.st_mode))
        return -EINVAL;
    /* O_NONBLOCK only served open(2), which waits for a FIFO's writer. */
    if (!S_ISREG(st.st_mode) && fcntl(fd, F_SETFL, O_RDONLY) < 0)
        return -errno;
    return 0;
}

int ch_file_read(const char *path, enum ch_file_kind kind, char **ret_text, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    size_t len = 0;
    int r;

    if (fd < 0)
        return -errno;
    r = check_kind(fd, kind);
    if (r == 0)
        r = read_all(fd, &text, &len);
    close(fd);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}

const char *ch_file_reason(int error)
{
    if (error == -EFBIG)
        return "larger than 32 MiB";
    if (error == -EINVAL)
        return "not a regular file";
    return strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error";
}
