/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's thread: sweeps at their times, hears of ends between them and
 * in the midst of them, and publishes.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector.h"
#include "connhealth/clock.h"
#include "counters.h"
#include "snapshot.h"

const int64_t ch_sweep_bounds_ns[CH_SWEEP_BUCKETS - 1] = {
    CH_NS_PER_MS,      5 * CH_NS_PER_MS,    10 * CH_NS_PER_MS,  25 * CH_NS_PER_MS,
    50 * CH_NS_PER_MS, 100 * CH_NS_PER_MS,  250 * CH_NS_PER_MS, 500 * CH_NS_PER_MS,
    CH_NS_PER_S,       5 * CH_NS_PER_S / 2, 5 * CH_NS_PER_S,
};

/* Neither a probe nor an answer to a scrape should wait for a sweep. */
enum { nice_of_thread = 10 };

/* ---- publishing -------------------------------------------------------- */

/* Takes the reference. */
static void publish(struct ch_sockets *sockets, struct ch_sockets_snapshot *snapshot)
{
    struct ch_sockets_snapshot *old;

    pthread_mutex_lock(&sockets->lock);
    old = sockets->published;
    sockets->published = snapshot;
    pthread_mutex_unlock(&sockets->lock);
    ch_sockets_snapshot_unref(old);
}

struct ch_sockets_snapshot *ch_sockets_snapshot(struct ch_sockets *sockets)
{
    struct ch_sockets_snapshot *snapshot;

    if (!sockets)
        return NULL;
    pthread_mutex_lock(&sockets->lock);
    snapshot = ch_sockets_snapshot_ref(sockets->published);
    pthread_mutex_unlock(&sockets->lock);
    return snapshot;
}

static void turn(struct ch_sockets *sockets)
{
    atomic_fetch_add_explicit(&sockets->turns, 1, memory_order_relaxed);
}

uint64_t ch_sockets_turns(const struct ch_sockets *sockets)
{
    return atomic_load_explicit(&sockets->turns, memory_order_relaxed);
}

/* ---- ends -------------------------------------------------------------- */

/* At most so many batches at once, so that neither a sweep nor a stop waits for
 * a flood: a few, or as many as the buffer may hold. */
enum { some_batches = 64, all_batches = 2048 };

static void drain_ends(struct ch_sockets *sockets, unsigned batches)
{
    struct ch_ends_result result = {.more = true};

    for (unsigned i = 0; i < batches && result.more && sockets->ends.fd >= 0; i++) {
        if (ch_ends_read(&sockets->ends, &result) < 0) {
            /* Not seen to happen; a new socket is made before the next sweep,
             * and what falls between is lost. */
            ch_ends_close(&sockets->ends);
            sockets->lost = true;
            return;
        }
        sockets->self.malformed += result.malformed;
        if (result.overrun) {
            sockets->self.events_lost += ch_ends_lost(&sockets->ends);
            sockets->lost = true;
        }
        ch_tally_ends(&sockets->tally, sockets->ends.rows, result.rows, ch_clock_monotonic());
    }
}

/* ---- the sweep --------------------------------------------------------- */

/* So often the ends are looked after while a dump runs: a datagram of it takes
 * some 70 us. */
enum { datagrams_between_drains = 8 };

static int dump_one(struct ch_sockets *sockets, uint8_t family, uint8_t protocol, uint32_t states)
{
    struct ch_diag_result result = {0};
    unsigned datagrams = 0;
    int r = ch_dump_begin(&sockets->dump, family, protocol, states);

    while (r == 0 && !result.done) {
        r = ch_dump_next(&sockets->dump, &result);
        if (r < 0)
            break;
        ch_tally_rows(&sockets->tally, protocol, sockets->dump.rows, result.rows);
        sockets->self.malformed += result.malformed;
        if (result.interrupted)
            sockets->self.complete = false;
        if (++datagrams % datagrams_between_drains == 0) {
            drain_ends(sockets, some_batches);
            turn(sockets);
            if (atomic_load_explicit(&sockets->stop, memory_order_relaxed))
                return -ECANCELED;
        }
    }
    return r < 0 ? r : result.error;
}

struct dump_row {
    uint8_t family, protocol;
    uint32_t states;
    uint32_t limit; /* what is missing if it fails */
};

/* Listeners come first in each: children find them. */
static const struct dump_row dumps[] = {
    {AF_INET, IPPROTO_TCP, CH_DIAG_STATES, CH_SOCKETS_LIMIT(TCP)},
    {AF_INET6, IPPROTO_TCP, CH_DIAG_STATES, CH_SOCKETS_LIMIT(TCP)},
    {AF_INET, IPPROTO_TCP, CH_DIAG_BOUND_INACTIVE, CH_SOCKETS_LIMIT(BOUND)},
    {AF_INET6, IPPROTO_TCP, CH_DIAG_BOUND_INACTIVE, CH_SOCKETS_LIMIT(BOUND)},
    {AF_INET, IPPROTO_UDP, CH_DIAG_STATES, CH_SOCKETS_LIMIT(UDP)},
    {AF_INET6, IPPROTO_UDP, CH_DIAG_STATES, CH_SOCKETS_LIMIT(UDP)},
};

/* 0 or a negative errno; -ECANCELED: told to stop. */
static int dump_row(struct ch_sockets *sockets, const struct dump_row *row)
{
    int r = sockets->dump.fd < 0 ? ch_dump_open(&sockets->dump) : 0;

    if (row->states == CH_DIAG_BOUND_INACTIVE && sockets->tally.memory.count > CH_BOUND_ASKED_MAX) {
        sockets->self.limits |= row->limit;
        return 0;
    }
    if (r == 0)
        r = dump_one(sockets, row->family, row->protocol, row->states);
    if (r < 0 && r != -ECANCELED) {
        sockets->self.error = -r;
        sockets->self.limits |= row->limit;
        ch_dump_close(&sockets->dump); /* what is still on its way goes with it */
    }
    return r;
}

/* False: told to stop. */
static bool dump_all(struct ch_sockets *sockets, bool *ret_whole)
{
    struct ch_sockets_snapshot *self = &sockets->self;

    *ret_whole = true;
    for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
        int r = dump_row(sockets, &dumps[i]);

        if (r == -ECANCELED)
            return false;
        if (dumps[i].protocol == IPPROTO_TCP && (r < 0 || !self->complete))
            *ret_whole = false;
    }
    if (!self->complete)
        self->sweeps_interrupted++;
    if (self->error) {
        self->sweeps_failed++;
        self->complete = false;
    }
    return true;
}

/* A small number in a file; 0 if it cannot be read. */
static uint32_t read_sysctl(const char *path)
{
    char text[32];
    ssize_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    return (uint32_t)strtoul(text, NULL, 10);
}

static void look_around(struct ch_sockets *sockets)
{
    struct ch_kernel_counters counters;
    struct ch_sockets_snapshot *self = &sockets->self;
    const struct ch_tally *tally = &sockets->tally;

    if (ch_counters_read(&counters) < 0)
        self->limits |= CH_SOCKETS_LIMIT(KERNEL_COUNTERS);
    memcpy(self->kernel, counters.value, sizeof(self->kernel));
    memcpy(self->kernel_present, counters.present, sizeof(self->kernel_present));
    if (sockets->ends.fd < 0)
        self->limits |= CH_SOCKETS_LIMIT(EVENTS);
    else if (!sockets->ends.forced)
        self->limits |= CH_SOCKETS_LIMIT(EVENT_BUFFER);
    if (tally->lacked_info)
        self->limits |= CH_SOCKETS_LIMIT(TCP_INFO);
    if (sockets->settings->units) {
        self->limits |= tally->units.limits;
        if (tally->lacked_cgroup && !tally->saw_cgroup)
            self->limits |= CH_SOCKETS_LIMIT(CGROUP_ID);
    }
    self->event_buffer_bytes = sockets->ends.buffer_bytes;
    self->interval_ns = sockets->settings->interval_ns;
    self->has_units = sockets->settings->units;
    self->has_listeners = sockets->settings->listeners;
}

static void count_duration(struct ch_sockets_snapshot *self)
{
    unsigned bucket = 0;

    while (bucket < CH_SWEEP_BUCKETS - 1 && self->duration_ns > ch_sweep_bounds_ns[bucket])
        bucket++;
    self->sweep_bucket[bucket]++;
    self->sweep_sum_ns += (uint64_t)self->duration_ns;
}

void ch_collector_sweep(struct ch_sockets *sockets)
{
    struct ch_sockets_snapshot *self = &sockets->self, *snapshot;
    struct ch_tally *tally = &sockets->tally;
    int64_t begin = ch_clock_monotonic();
    bool whole, lost;

    /* Before the first dump, so that nothing ends between the two unheard. */
    if (sockets->ends.fd < 0)
        (void)ch_ends_open(&sockets->ends);
    self->time_ns = ch_clock_realtime();
    self->complete = true;
    self->error = 0;
    self->limits = 0;
    tally->retries = read_sysctl("/proc/sys/net/ipv4/tcp_retries2");
    /* Linux 6.5 and later add the linear ones (net/ipv4/tcp_timer.c, tcp_write_timeout) */
    tally->syn_retries = read_sysctl("/proc/sys/net/ipv4/tcp_syn_retries") +
                         read_sysctl("/proc/sys/net/ipv4/tcp_syn_linear_timeouts");
    drain_ends(sockets, all_batches);
    lost = sockets->lost;
    sockets->lost = false;
    ch_tally_sweep_begin(tally, begin);
    if (!dump_all(sockets, &whole))
        return;
    drain_ends(sockets, all_batches);
    ch_tally_sweep_end(tally, whole, lost);
    if (!whole)
        sockets->lost |= lost;
    self->duration_ns = ch_clock_monotonic() - begin;
    count_duration(self);
    look_around(sockets);
    snapshot = ch_sockets_snapshot_new(tally, self);
    if (snapshot) /* else the old one stays: its time says so */
        publish(sockets, snapshot);
}

/* ---- settings ---------------------------------------------------------- */

void ch_collector_switch_off(struct ch_sockets *sockets)
{
    ch_dump_close(&sockets->dump);
    ch_ends_close(&sockets->ends);
    if (sockets->tally_made)
        ch_tally_clear(&sockets->tally);
    sockets->tally_made = false;
    publish(sockets, NULL);
}

static bool switch_on(struct ch_sockets *sockets)
{
    if (sockets->tally_made)
        return true;
    sockets->self = (struct ch_sockets_snapshot){0};
    sockets->tally_made = ch_tally_init(&sockets->tally, ch_clock_monotonic()) == 0;
    return sockets->tally_made;
}

struct ch_sockets_settings *ch_collector_swap_next(struct ch_sockets *sockets,
                                                   struct ch_sockets_settings *settings)
{
    struct ch_sockets_settings *old;

    pthread_mutex_lock(&sockets->lock);
    old = sockets->next;
    sockets->next = settings;
    pthread_mutex_unlock(&sockets->lock);
    return old;
}

/* To be tried again, unless newer ones came meanwhile. */
static void put_back(struct ch_sockets *sockets, struct ch_sockets_settings *settings)
{
    pthread_mutex_lock(&sockets->lock);
    if (!sockets->next) {
        sockets->next = settings;
        settings = NULL;
    }
    pthread_mutex_unlock(&sockets->lock);
    free(settings);
}

static void resume(struct ch_sockets *sockets)
{
    const struct ch_sockets_snapshot *before = sockets->before;
    struct ch_sockets_snapshot *self = &sockets->self;

    if (!before)
        return;
    ch_tally_resume(&sockets->tally, before);
    memcpy(self->sweep_bucket, before->sweep_bucket, sizeof(self->sweep_bucket));
    self->sweep_sum_ns = before->sweep_sum_ns;
    self->sweeps_interrupted = before->sweeps_interrupted;
    self->sweeps_failed = before->sweeps_failed;
    self->events_lost = before->events_lost;
    self->malformed = before->malformed;
    sockets->before = ch_sockets_snapshot_unref(sockets->before);
}

/* New settings come into force, and a sweep with them; without memory the old
 * ones stay, and it is tried again at the next turn. */
static void take_settings(struct ch_sockets *sockets)
{
    struct ch_sockets_settings *next = ch_collector_swap_next(sockets, NULL);

    if (!next)
        return;
    if (next->enabled && (!switch_on(sockets) || ch_tally_configure(&sockets->tally, next) < 0)) {
        put_back(sockets, next);
        return;
    }
    if (next->enabled)
        resume(sockets);
    else
        ch_collector_switch_off(sockets);
    free(sockets->settings);
    sockets->settings = next;
    sockets->next_sweep_ns = ch_clock_monotonic();
}

/* ---- the thread -------------------------------------------------------- */

/* A watchdog wants to see a turn now and then. */
static const int64_t longest_wait_ns = CH_NS_PER_S;

static void wait_for(struct ch_sockets *sockets, int64_t until_ns)
{
    struct pollfd fds[] = {
        {.fd = sockets->wake_fd, .events = POLLIN},
        {.fd = sockets->ends.fd, .events = POLLIN}, /* -1 is skipped: poll(2) */
    };
    int64_t left_ns = until_ns - ch_clock_monotonic();
    struct timespec left;
    uint64_t woken;

    if (left_ns > longest_wait_ns)
        left_ns = longest_wait_ns;
    if (left_ns < 0)
        left_ns = 0;
    left = (struct timespec){.tv_sec = left_ns / CH_NS_PER_S, .tv_nsec = left_ns % CH_NS_PER_S};
    (void)ppoll(fds, 2, &left, NULL);
    if (fds[0].revents)
        (void)!read(sockets->wake_fd, &woken, sizeof(woken));
    if (fds[1].revents)
        drain_ends(sockets, some_batches);
}

static void sweep_if_due(struct ch_sockets *sockets)
{
    int64_t now = ch_clock_monotonic(), interval = sockets->settings->interval_ns;

    /* After lost records a sweep says what is left, sooner than its time. */
    if (sockets->lost && sockets->next_sweep_ns > sockets->last_sweep_ns + interval / 4)
        sockets->next_sweep_ns = sockets->last_sweep_ns + interval / 4;
    if (now < sockets->next_sweep_ns)
        return;
    ch_collector_sweep(sockets);
    sockets->last_sweep_ns = ch_clock_monotonic();
    sockets->next_sweep_ns += interval;
    if (sockets->next_sweep_ns <= sockets->last_sweep_ns) /* late: not twice in a row */
        sockets->next_sweep_ns = sockets->last_sweep_ns + interval;
}

void *ch_collector_run(void *arg)
{
    struct ch_sockets *sockets = arg;

    if (getpriority(PRIO_PROCESS, 0) < nice_of_thread) /* of this thread: setpriority(2) */
        (void)setpriority(PRIO_PROCESS, 0, nice_of_thread);
    while (!atomic_load_explicit(&sockets->stop, memory_order_acquire)) {
        bool on;

        take_settings(sockets);
        on = sockets->settings && sockets->settings->enabled;
        if (on)
            sweep_if_due(sockets);
        wait_for(sockets, on ? sockets->next_sweep_ns : INT64_MAX);
        turn(sockets);
    }
    return NULL;
}
