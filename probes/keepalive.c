/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keepalive probe: a connection that is held idle, watched by the kernel's
 * keepalive. An attempt is one look at it; its end is a failed attempt of its
 * own, reported as soon as epoll tells.
 *
 * What the peer sends unasked (a banner) is read and thrown away. TCP_USER_TIMEOUT
 * replaces the count when it is set (tcp(7)), in both directions.
 *
 * Blocks: never. Allocates: nothing in an attempt.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "connhealth/probe_options.h"
#include "held.h"
#include "idle_life.h"
#include "kinds.h"
#include "sight.h"

#define READ_SIZE (16 * 1024)

struct keepalive {
    struct ch_probe probe;
    struct ch_held held;
    struct ch_idle_watch *idle; /* with verify_after, else NULL */
};

static struct keepalive *keepalive_of(struct ch_probe *probe)
{
    return ch_container_of(probe, struct keepalive, probe);
}

static const struct ch_keepalive_options *options_of(const struct keepalive *self)
{
    return self->probe.spec->options;
}

static void broke(struct keepalive *self, enum ch_end end, int error)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_IDLE, .end = (uint8_t)end, .error = error};

    evidence.idle_ns = ch_clock_monotonic() - self->held.used_at;
    ch_held_broke(&self->held, &evidence);
}

static void on_keepalive_ready(struct ch_io *io, uint32_t events)
{
    struct ch_dial *dial = ch_container_of(io, struct ch_dial, io);
    struct ch_held *held = ch_container_of(dial, struct ch_held, dial);
    struct keepalive *self = keepalive_of(held->probe);
    uint8_t data[READ_SIZE];
    ssize_t n = recv(io->fd, data, sizeof(data), MSG_DONTWAIT);
    int error = n < 0 ? errno : 0;
    struct ch_tcp_facts facts = {0};

    if (n > 0) {
        held->used_at = ch_clock_monotonic();
        return;
    }
    if (n == 0) {
        broke(self, CH_END_EOF, 0);
        return;
    }
    if (error == EAGAIN) {
        if (events & EPOLLERR) {
            struct ch_icmp stale;

            ch_held_soft_error(held, ch_sight_error(io->fd));
            /* level-triggered: what the SYN has left there would be told for ever */
            ch_sight_icmp(io->fd, &held->dial.peer, &stale, NULL);
        }
        return;
    }
    ch_sight_tcp(io->fd, &facts);
    if (facts.state == CH_TCP_CLOSE)
        broke(self, CH_END_ERRNO, error);
    else
        ch_held_soft_error(held, error);
}

static int seconds_up(int64_t ns)
{
    return (int)((ns + CH_NS_PER_S - 1) / CH_NS_PER_S);
}

static int set_keepalive(const struct keepalive *self)
{
    const struct ch_keepalive_options *options = options_of(self);
    int fd = self->held.dial.io.fd;
    int on = 1;
    int idle = seconds_up(options->idle_ns);
    int interval = seconds_up(options->interval_ns);
    int count = (int)options->count;
    unsigned user_timeout_ms = (unsigned)(options->user_timeout_ns / CH_NS_PER_MS);

    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms)) <
            0)
        return -errno;
    return 0;
}

static void look(struct keepalive *self)
{
    const struct ch_keepalive_options *options = options_of(self);
    struct ch_trouble_setting setting = {
        .keepalive_interval_ns = options->interval_ns,
        .keepalive_count = options->count,
        .user_timeout_ns = options->user_timeout_ns,
    };
    /* A look takes no time: no duration. */
    struct ch_evidence evidence = {.phase = CH_PHASE_IDLE, .end = CH_END_OK};

    ch_held_watch(&self->held, &setting);
    ch_held_describe(&self->held, &evidence);
    ch_sight_tcp(self->held.dial.io.fd, &evidence.tcp);
    ch_held_report(&self->held, &evidence, false);
}

static void report_dial(struct keepalive *self, struct ch_evidence *evidence)
{
    ch_held_describe(&self->held, evidence);
    if (evidence->icmp.version != 0)
        self->probe.prober->ops->icmp(&self->probe, &evidence->icmp);
    ch_held_report(&self->held, evidence, false);
}

static void on_keepalive_dialled(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct ch_held *held = ch_container_of(dial, struct ch_held, dial);
    struct keepalive *self = keepalive_of(held->probe);
    struct ch_evidence evidence;
    int r;

    if (failure) {
        evidence = *failure;
        report_dial(self, &evidence);
        return;
    }
    r = set_keepalive(self);
    if (r == 0)
        r = ch_held_established(held, on_keepalive_ready, EPOLLIN | EPOLLRDHUP);
    if (r < 0) {
        ch_dial_close(dial);
        evidence = (struct ch_evidence){
            .phase = CH_PHASE_CONNECT, .end = CH_END_ERRNO, .error = -r, .synchronous = true};
        report_dial(self, &evidence);
        return;
    }
    look(self);
}

static void keepalive_init(struct ch_probe *probe)
{
    struct keepalive *self = keepalive_of(probe);
    const struct ch_durations *ages = &options_of(self)->verify_after;

    ch_held_init(&self->held, probe, NULL, on_keepalive_dialled);
    /* Without memory for it, the probe itself still works. */
    if (ages->count > 0)
        (void)ch_idle_watch_new(probe, ages, &self->idle);
}

static void keepalive_start(struct ch_probe *probe, int64_t deadline)
{
    struct keepalive *self = keepalive_of(probe);

    ch_idle_watch_start(self->idle);
    if (ch_held_reporting(&self->held))
        return; /* the break that is being confirmed answers this attempt too */
    if (self->held.up)
        look(self);
    else
        ch_dial_start(&self->held.dial, deadline);
}

static void keepalive_expire(struct ch_probe *probe)
{
    struct keepalive *self = keepalive_of(probe);
    struct ch_evidence evidence;

    if (ch_held_reporting(&self->held))
        return;
    if (ch_dial_expire(&self->held.dial, &evidence))
        report_dial(self, &evidence);
    else
        on_keepalive_dialled(&self->held.dial, NULL);
}

static void keepalive_release(struct ch_probe *probe)
{
    struct keepalive *self = keepalive_of(probe);

    self->idle = ch_idle_watch_free(self->idle);
    ch_held_release(&self->held);
}

#define BIT(category) (1u << CH_CATEGORY_##category)

static uint32_t keepalive_categories(enum ch_transport transport)
{
    (void)transport;
    return BIT(REFUSED) | BIT(RESET) | BIT(ABORTED) | BIT(TIMEOUT) | BIT(BROKEN_PIPE) |
           BIT(HOST_UNREACHABLE) | BIT(NET_UNREACHABLE) | BIT(EOF) | BIT(NAME_RESOLUTION) |
           BIT(DENIED) | BIT(LOCAL_RESOURCE) | BIT(OTHER);
}

/* MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL are 32767 s, MAX_TCP_KEEPCNT is 127
 * (include/net/tcp.h). */
static const struct ch_option keepalive_options[] = {
    {.key = "idle",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct ch_keepalive_options, idle_ns),
     .min = CH_NS_PER_S,
     .max = 32767 * CH_NS_PER_S,
     .fallback = "30s",
     .help = "TCP_KEEPIDLE: silence before the first keepalive probe; whole seconds"},
    {.key = "interval",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct ch_keepalive_options, interval_ns),
     .min = CH_NS_PER_S,
     .max = 32767 * CH_NS_PER_S,
     .fallback = "10s",
     .help = "TCP_KEEPINTVL: between keepalive probes; whole seconds"},
    {.key = "count",
     .type = CH_OPTION_UINT,
     .offset = offsetof(struct ch_keepalive_options, count),
     .min = 1,
     .max = 127,
     .fallback = "3",
     .help = "TCP_KEEPCNT: unanswered probes after which the connection is dead"},
    {.key = "user_timeout",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct ch_keepalive_options, user_timeout_ns),
     .min = 0,
     .max = 86400 * CH_NS_PER_S,
     .fallback = "0s",
     .help = "TCP_USER_TIMEOUT: replaces count when set; 0 is off"},
    {.key = "verify_after",
     .type = CH_OPTION_DURATIONS,
     .offset = offsetof(struct ch_keepalive_options, verify_after),
     .min = CH_NS_PER_S,
     .max = 86400 * CH_NS_PER_S,
     .help = "ages: a connection left idle that long is then used once, which measures a "
             "middlebox's idle timeout"},
    CH_OPTION_END,
};

const struct ch_probe_ops ch_keepalive_ops = {
    .kind = CH_PROBE_KEEPALIVE,
    .tcp = true,
    .udp = false,
    .persistent = true,
    .options = keepalive_options,
    .options_size = sizeof(struct ch_keepalive_options),
    .state_size = sizeof(struct keepalive),
    .categories = keepalive_categories,
    .init = keepalive_init,
    .start = keepalive_start,
    .expire = keepalive_expire,
    .release = keepalive_release,
};
