/* SPDX-License-Identifier: Apache-2.0 */
#include "self.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "log.h"

static int64_t count_open_fds(void)
{
    struct stat st;
    int64_t count = 0;
    DIR *dir;

    /* Linux 6.2 and later have the number in st_size (fs/proc/fd.c,
     * proc_readfd_count): no walk over 100,000 entries. */
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return st.st_size;
    dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count - 1; /* without the one that was just open */
}

/* Fields 20, 23 and 24 of proc(5)'s stat; the second, the command's name, may
 * hold anything, parentheses included. */
static void read_proc_stat(struct ch_self *self)
{
    char line[1024];
    const char *rest;
    long long threads, size;
    long pages;
    ssize_t len;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    len = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (len <= 0)
        return;
    line[len] = '\0';
    rest = strrchr(line, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
                        " %lld %*d %*u %lld %ld",
                        &threads, &size, &pages) != 3)
        return;
    self->threads = threads;
    self->virtual_bytes = size;
    self->resident_bytes = (int64_t)pages * sysconf(_SC_PAGESIZE);
}

void ch_self_read(const struct ch_state *state, const struct ch_generation *generation,
                  struct ch_self *ret)
{
    struct rlimit limit;

    *ret = (struct ch_self){
        .targets = generation ? generation->target_count : 0,
        .reload_ok = atomic_load_explicit(&state->last_reload_ok, memory_order_relaxed),
        .reload_success_ns =
            atomic_load_explicit(&state->last_reload_success_ns, memory_order_relaxed),
        .log_dropped = ch_log_dropped(),
        .cpu_ns = ch_clock_read(CLOCK_PROCESS_CPUTIME_ID),
        .open_fds = count_open_fds(),
        .max_fds = -1,
        .virtual_bytes = -1,
        .resident_bytes = -1,
        .threads = -1,
        .start_ns = state->started_ns,
    };
    /* never RLIM_INFINITY: fs.nr_open bounds it (setrlimit(2)) */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = (int64_t)limit.rlim_cur;
    read_proc_stat(ret);
}
