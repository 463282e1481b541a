/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "log_line.h"

/* One log a process. */
static atomic_int log_level = CH_LOG_INFO;
static atomic_int log_format = CH_LOG_FORMAT_LOGFMT;
static atomic_int journal_fd = -1;
static _Atomic uint64_t lines_dropped;
static pthread_mutex_t stderr_lock = PTHREAD_MUTEX_INITIALIZER;

/* systemd.exec(5): $JOURNAL_STREAM holds device and inode of the stream that
 * stdout or stderr was connected to; they must be compared, because it is
 * inherited by processes whose stderr goes elsewhere. */
static bool stderr_is_the_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;

    return text && sscanf(text, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void ch_log_setup(enum ch_log_level level, enum ch_log_format format)
{
    if (format == CH_LOG_FORMAT_AUTO)
        format = stderr_is_the_journal() ? CH_LOG_FORMAT_JOURNAL : CH_LOG_FORMAT_LOGFMT;
    if (format == CH_LOG_FORMAT_JOURNAL && atomic_load(&journal_fd) < 0)
        atomic_store(&journal_fd, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    atomic_store(&log_level, level);
    atomic_store(&log_format, format);
}

bool ch_log_enabled(enum ch_log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

uint64_t ch_log_dropped(void)
{
    return atomic_load_explicit(&lines_dropped, memory_order_relaxed);
}

/* The journal's own client library waits where the journal's queue is full;
 * a daemon's probes must not. True: sent, or dropped for a full queue. */
static bool send_to_journal(const struct ch_log_entry *entry)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX,
                                               .sun_path = "/run/systemd/journal/socket"};
    char line[CH_LOG_LINE_MAX];
    size_t len = ch_log_line_journal(entry, line);

    if (sendto(atomic_load(&journal_fd), line, len, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&address, sizeof(address)) >= 0)
        return true;
    if (errno != EAGAIN && errno != ENOBUFS)
        return false;
    atomic_fetch_add_explicit(&lines_dropped, 1, memory_order_relaxed);
    return true;
}

/* Whether a line can be written without waiting: a pipe that polls writable
 * takes a page at least (pipe(7)), which is more than a line. One that nobody
 * reads any more polls as an error, and is not written to: no SIGPIPE. */
static bool stderr_takes_a_line(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && out.revents == POLLOUT;
}

static void write_line(const char *line, size_t len)
{
    bool written;

    /* between the poll and the write nobody else of this process comes in */
    pthread_mutex_lock(&stderr_lock);
    written = stderr_takes_a_line() && write(STDERR_FILENO, line, len) == (ssize_t)len;
    pthread_mutex_unlock(&stderr_lock);
    if (!written)
        atomic_fetch_add_explicit(&lines_dropped, 1, memory_order_relaxed);
}

static void emit(struct ch_log_entry *entry)
{
    int format = atomic_load(&log_format), error = errno;

    entry->time_ns = ch_clock_realtime();
    if (format != CH_LOG_FORMAT_JOURNAL || !send_to_journal(entry)) {
        char line[CH_LOG_LINE_MAX];

        write_line(line, format == CH_LOG_FORMAT_JSON ? ch_log_line_json(entry, line)
                                                      : ch_log_line_logfmt(entry, line));
    }
    errno = error;
}

static void emit_fields(struct ch_log_entry *entry, va_list arguments)
{
    const char *name;

    while ((name = va_arg(arguments, const char *)) && entry->count < CH_LOG_FIELDS_MAX) {
        const char *value = va_arg(arguments, const char *);

        if (value)
            entry->fields[entry->count++] = (struct ch_log_field){.name = name, .value = value};
    }
    emit(entry);
}

void ch_log_fields(enum ch_log_level level, const char *message, ...)
{
    struct ch_log_entry entry = {.level = level, .message = message};
    va_list arguments;

    if (!ch_log_enabled(level))
        return;
    va_start(arguments, message);
    emit_fields(&entry, arguments);
    va_end(arguments);
}

void ch_log_message(enum ch_log_level level, const char *id, const char *message, ...)
{
    struct ch_log_entry entry = {.level = level, .id = id, .message = message};
    va_list arguments;

    if (!ch_log_enabled(level))
        return;
    va_start(arguments, message);
    emit_fields(&entry, arguments);
    va_end(arguments);
}

void ch_log(enum ch_log_level level, const char *format, ...)
{
    char message[CH_LOG_VALUE_MAX + 8]; /* longer than what is shown: it is cut there */
    struct ch_log_entry entry = {.level = level, .message = message};
    va_list arguments;

    if (!ch_log_enabled(level))
        return;
    va_start(arguments, format);
    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        message[0] = '\0';
    va_end(arguments);
    emit(&entry);
}
