/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "log.h"
#include "messages.h"
#include "service.h"

#define NAME        "counters"
#define EMPTY_STORE "FDSTOREREMOVE=1\nFDNAME=" NAME

/* A hundred thousand targets take some 50 MB. */
#define SIZE_MAX_KEPT ((off_t)1 << 30)

/* systemd looks at a message of a process that is gone no more. */
#define TAKEN_WITHIN_US UINT64_C(5000000)

/* The descriptor that was passed under our name, -1 if none. */
static int find_passed(void)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(0, &names), found = -1;

    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], NAME) == 0) {
            if (found >= 0)
                close(found);
            found = SD_LISTEN_FDS_START + i;
        }
        free(names[i]);
    }
    free(names);
    return found;
}

static int read_whole(int fd, char **ret_text, size_t *ret_size)
{
    struct stat st;
    size_t done = 0;
    char *text;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > SIZE_MAX_KEPT)
        return -EBADF;
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    while (done < (size_t)st.st_size) {
        ssize_t n = pread(fd, text + done, (size_t)st.st_size - done, (off_t)done);

        if (n <= 0) { /* shorter than it was a moment ago: the checksum will tell */
            if (n < 0 && errno == EINTR)
                continue;
            break;
        }
        done += (size_t)n;
    }
    *ret_text = text;
    *ret_size = done;
    return 0;
}

bool ch_keep_restore(const struct ch_kept *counters)
{
    const char *reason = NULL;
    char *text = NULL, found[24];
    size_t size = 0, series = 0;
    int fd = find_passed(), r;

    if (fd < 0)
        return false;
    r = read_whole(fd, &text, &size);
    if (r == 0)
        r = ch_kept_read(counters, text, size, &series, &reason);
    free(text);
    close(fd);
    sd_notify(0, EMPTY_STORE);
    if (r < 0) {
        ch_log_message(CH_LOG_WARN, ch_message_row(CH_MESSAGE_COUNTERS_REFUSED)->id,
                       "kept counters are no good, all begin at 0", "reason",
                       reason ? reason : strerror(-r), NULL); // NOLINT
        return false;
    }
    snprintf(found, sizeof(found), "%zu", series);
    ch_log_message(CH_LOG_INFO, ch_message_row(CH_MESSAGE_COUNTERS_RESTORED)->id,
                   "counters go on where the last process ended", "probes", found, NULL);
    return true;
}

static int write_whole(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

static int make_memfd(const struct ch_kept *counters, int *ret_fd)
{
    size_t size = 0;
    char *text = ch_kept_write(counters, &size);
    int fd, r;

    if (!text)
        return -ENOMEM;
    fd = memfd_create("connhealth-" NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    r = fd < 0 ? -errno : write_whole(fd, text, size);
    free(text);
    if (r == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        r = -errno;
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

void ch_keep_store(const struct ch_kept *counters)
{
    int fd, r;

    if (!getenv("NOTIFY_SOCKET"))
        return;
    sd_notify(0, "EXTEND_TIMEOUT_USEC=" CH_SERVICE_STOP_US);
    sd_notify(0, EMPTY_STORE); /* two would be one too many for the next to choose from */
    r = make_memfd(counters, &fd);
    if (r == 0) {
        r = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" NAME, &fd, 1);
        if (r > 0)
            r = sd_notify_barrier(0, TAKEN_WITHIN_US);
        close(fd);
    }
    if (r < 0)
        ch_log_fields(CH_LOG_WARN, "counters are not kept, all begin at 0 next time", "error",
                      strerror(-r), NULL); // NOLINT
}
