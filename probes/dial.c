/* SPDX-License-Identifier: Apache-2.0 */
#include "dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "retransfail.h"
#include "sight.h"

/* Linux retransmits the first SYN after one second (tcp_timeout_init): before
 * that, with room for a late turn of the loop, the baseline of TCPRetransFail is
 * taken, and only if the SYN is still unanswered, so that healthy connects do not
 * pay for it. */
#define BASELINE_AFTER_NS (500 * CH_NS_PER_MS)

struct ch_candidates {
    struct ch_answer answer;
    int64_t share_end; /* of the one being tried, unless it is the last */
    uint8_t next;
    bool failed; /* failure holds what an earlier address met */
    struct ch_evidence failure;
};

static void try_next(struct ch_dial *dial);

static void set_timer(struct ch_dial *dial, int64_t when)
{
    /* The engine reserves room for every probe's timers; should memory be short
     * all the same, the probe's own deadline still ends the attempt. */
    (void)ch_loop_timer_arm(dial->prober->loop, &dial->timer, when);
}

static void forget_candidates(struct ch_dial *dial)
{
    free(dial->candidates);
    dial->candidates = NULL;
}

static void finish(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct ch_evidence kept;

    dial->busy = false;
    ch_loop_timer_disarm(dial->prober->loop, &dial->timer);
    if (failure) {
        kept = *failure; /* it may lie in the candidates */
        failure = &kept;
    }
    forget_candidates(dial);
    dial->done(dial, failure);
}

/* What every evidence of this dial has in common. */
static void describe(const struct ch_dial *dial, struct ch_evidence *evidence)
{
    evidence->transport = CH_TRANSPORT_TCP;
    evidence->peer = dial->peer;
    evidence->dns_stale = dial->stale;
    evidence->addresses_tried = dial->tried;
    evidence->icmp = dial->icmp;
    evidence->soft_error = dial->soft_error;
    evidence->soft_errors = dial->soft_error != 0;
    evidence->duration_ns = ch_clock_monotonic() - dial->started;
}

static bool reached_the_wire(const struct ch_evidence *evidence)
{
    return !evidence->synchronous;
}

/* This address failed: on to the next one, or the end. */
static void address_failed(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct ch_candidates *candidates = dial->candidates;

    ch_loop_io_close(dial->prober->loop, &dial->io);
    if (!candidates) {
        finish(dial, failure);
        return;
    }
    if (!candidates->failed || reached_the_wire(failure)) {
        candidates->failed = true;
        candidates->failure = *failure;
    }
    if (candidates->next < candidates->answer.count) {
        try_next(dial);
        return;
    }
    candidates->failure.addresses_tried = candidates->next;
    finish(dial, &candidates->failure);
}

static void failed_here(struct ch_dial *dial, int error)
{
    struct ch_evidence evidence = {
        .phase = CH_PHASE_CONNECT, .end = CH_END_ERRNO, .error = error, .synchronous = true};

    describe(dial, &evidence);
    address_failed(dial, &evidence);
}

static void look_at_the_dead(struct ch_dial *dial, struct ch_evidence *evidence)
{
    describe(dial, evidence);
    ch_sight_autopsy(dial->io.fd, evidence);
    /* The kernel fills the error queue and sets the errno a moment before the
     * state turns (tcp_v4_err()): an errno taken in that moment was the last
     * one, not one in passing. */
    if (evidence->error == 0 && evidence->tcp.state == CH_TCP_CLOSE) {
        evidence->error = dial->soft_error;
        evidence->soft_error = 0;
        evidence->soft_errors = 0;
    }
    /* Only a retransmission that is not out can be the one that failed. */
    if (dial->baseline && evidence->tcp.total_retrans > 0 && evidence->tcp.retrans == 0)
        evidence->retrans_fail = ch_retrans_fail_moved(dial->retrans_fail);
}

static void connect_failed(struct ch_dial *dial, enum ch_end end)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_CONNECT, .end = (uint8_t)end};

    look_at_the_dead(dial, &evidence);
    address_failed(dial, &evidence);
}

static void connected(struct ch_dial *dial)
{
    int off = 0;

    dial->connected_after_ns = ch_clock_monotonic() - dial->started;
    /* On an established connection RECVERR would turn every ICMP into a
     * passing error of recv(2); it was only wanted for the SYN. */
    if (dial->peer.family == AF_INET6)
        setsockopt(dial->io.fd, IPPROTO_IPV6, IPV6_RECVERR, &off, sizeof(off));
    finish(dial, NULL);
}

/* An error while the SYN is still out (our own firewall rejects and the socket
 * was locked): remember who said so and go on; the queue is drained, or the
 * level-triggered EPOLLERR would spin. */
static void note_soft_error(struct ch_dial *dial)
{
    int error = ch_sight_error(dial->io.fd);

    if (error != 0)
        dial->soft_error = error;
    ch_sight_icmp(dial->io.fd, &dial->peer, &dial->icmp, NULL);
}

static void on_connect_ready(struct ch_io *io, uint32_t events)
{
    struct ch_dial *dial = ch_container_of(io, struct ch_dial, io);
    struct ch_tcp_facts facts = {0};

    if (!(events & (EPOLLERR | EPOLLHUP))) {
        connected(dial);
        return;
    }
    ch_sight_tcp(io->fd, &facts);
    if (facts.state == CH_TCP_CLOSE && facts.bytes_acked > 0) {
        connected(dial); /* our SYN was acknowledged: what ended it came after */
    } else if (facts.state == CH_TCP_CLOSE) {
        connect_failed(dial, CH_END_ERRNO);
    } else if (facts.state == CH_TCP_SYN_SENT) {
        note_soft_error(dial);
    } else {
        struct ch_icmp stale;

        ch_sight_icmp(io->fd, &dial->peer, &stale, NULL);
        connected(dial);
    }
}

static int open_socket(const struct ch_addr *peer)
{
    int fd = socket(peer->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return -errno;
    /* IPv4 fills the error queue of a SYN without asking, IPv6 does not. */
    if (peer->family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

static void dial_address(struct ch_dial *dial)
{
    struct sockaddr_storage ss;
    socklen_t len = ch_addr_to_sockaddr(&dial->peer, &ss);
    int fd = open_socket(&dial->peer);
    int r;

    if (fd < 0) {
        failed_here(dial, -fd);
        return;
    }
    dial->started = ch_clock_monotonic();
    if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        failed_here(dial, error);
        return;
    }
    dial->io.on_ready = on_connect_ready;
    r = ch_loop_io_add(dial->prober->loop, &dial->io, fd, EPOLLOUT);
    if (r < 0) {
        close(fd);
        failed_here(dial, -r);
    }
}

static bool has_another(const struct ch_dial *dial)
{
    return dial->candidates && dial->candidates->next < dial->candidates->answer.count;
}

/* When this address must have answered: an equal share of what is left. */
static int64_t share_end(const struct ch_dial *dial, int64_t now)
{
    const struct ch_candidates *candidates = dial->candidates;

    return now + (dial->deadline - now) / (candidates->answer.count - candidates->next + 1);
}

static void begin_address(struct ch_dial *dial)
{
    int64_t now = ch_loop_now(dial->prober->loop);
    int64_t look_at = now + BASELINE_AFTER_NS;

    dial->icmp = (struct ch_icmp){0};
    dial->soft_error = 0;
    dial->baseline = false;
    dial->tried++;
    if (has_another(dial)) {
        dial->candidates->share_end = share_end(dial, now);
        if (dial->candidates->share_end < look_at)
            look_at = dial->candidates->share_end;
    }
    if (look_at < dial->deadline)
        set_timer(dial, look_at);
    else
        ch_loop_timer_disarm(dial->prober->loop, &dial->timer);
    dial_address(dial);
}

static bool made_after_all(struct ch_dial *dial)
{
    struct ch_tcp_facts tcp;

    return dial->io.fd >= 0 && ch_sight_tcp(dial->io.fd, &tcp) && tcp.state == CH_TCP_ESTABLISHED;
}

static void on_dial_timer(struct ch_timer *timer, int64_t now)
{
    struct ch_dial *dial = ch_container_of(timer, struct ch_dial, timer);

    if (has_another(dial) && now >= dial->candidates->share_end) {
        if (!made_after_all(dial)) /* else the loop is about to tell */
            connect_failed(dial, CH_END_DEADLINE);
        return;
    }
    dial->baseline = true;
    dial->retrans_fail = ch_retrans_fail_baseline(now);
    if (has_another(dial))
        set_timer(dial, dial->candidates->share_end);
}

static void try_next(struct ch_dial *dial)
{
    struct ch_candidates *candidates = dial->candidates;

    dial->peer = candidates->answer.address[candidates->next++];
    dial->peer.port = dial->address->port;
    begin_address(dial);
}

static void failed_before_any(struct ch_dial *dial, enum ch_phase phase, int error)
{
    struct ch_evidence evidence = {
        .phase = (uint8_t)phase, .end = CH_END_ERRNO, .error = error, .synchronous = true};

    describe(dial, &evidence);
    finish(dial, &evidence);
}

static void name_failed(struct ch_dial *dial, enum ch_dns dns)
{
    struct ch_evidence evidence = {
        .phase = CH_PHASE_RESOLVE, .end = CH_END_NAME, .dns = (uint8_t)dns};

    describe(dial, &evidence);
    finish(dial, &evidence);
}

static void use_answer(struct ch_dial *dial, const struct ch_answer *answer)
{
    if (answer->failure != CH_DNS_NONE || answer->count == 0) {
        name_failed(dial, answer->failure != CH_DNS_NONE ? answer->failure : CH_DNS_NO_ADDRESS);
        return;
    }
    dial->stale = answer->stale;
    if (answer->count == 1) {
        dial->peer = answer->address[0];
        dial->peer.port = dial->address->port;
        begin_address(dial);
        return;
    }
    dial->candidates = calloc(1, sizeof(*dial->candidates));
    if (!dial->candidates) {
        failed_before_any(dial, CH_PHASE_RESOLVE, ENOMEM);
        return;
    }
    dial->candidates->answer = *answer;
    try_next(dial);
}

static void on_answer(struct ch_lookup *lookup, const struct ch_answer *answer)
{
    use_answer(ch_container_of(lookup, struct ch_dial, lookup), answer);
}

void ch_dial_init(struct ch_dial *dial, struct ch_prober *prober, const struct ch_hostport *address,
                  void (*done)(struct ch_dial *dial, const struct ch_evidence *failure))
{
    *dial = (struct ch_dial){
        .prober = prober,
        .address = address,
        .done = done,
        .io = {.fd = -1},
        .timer = {.on_fire = on_dial_timer},
        .lookup = {.on_answer = on_answer},
    };
    if (address && address->literal)
        ch_addr_parse(address->host, address->port, &dial->peer);
}

static void begin(struct ch_dial *dial, int64_t deadline)
{
    dial->deadline = deadline;
    dial->busy = true;
    dial->stale = false;
    dial->tried = 0;
    /* a lookup that fails must not tell of the attempt before */
    dial->icmp = (struct ch_icmp){0};
    dial->soft_error = 0;
    dial->started = ch_loop_now(dial->prober->loop);
}

void ch_dial_start_at(struct ch_dial *dial, const struct ch_addr *peer, int64_t deadline)
{
    dial->peer = *peer;
    begin(dial, deadline);
    begin_address(dial);
}

/* The interface that a scope names may have gone, or have come back with another
 * index. */
static void start_scoped(struct ch_dial *dial)
{
    if (ch_addr_parse(dial->address->host, dial->address->port, &dial->peer)) {
        begin_address(dial);
        return;
    }
    dial->peer = (struct ch_addr){0};
    failed_before_any(dial, CH_PHASE_CONNECT, ENODEV);
}

void ch_dial_start(struct ch_dial *dial, int64_t deadline)
{
    struct ch_answer answer;
    int r;

    begin(dial, deadline);
    if (dial->address->literal) {
        if (dial->peer.scope != 0 || dial->peer.family == AF_UNSPEC)
            start_scoped(dial);
        else
            begin_address(dial);
        return;
    }
    dial->peer = (struct ch_addr){0};
    r = ch_resolver_ask(dial->prober->resolver, dial->address->host, &dial->lookup, &answer);
    if (r < 0)
        failed_before_any(dial, CH_PHASE_RESOLVE, -r);
    else if (r == 0)
        use_answer(dial, &answer);
}

bool ch_dial_expire(struct ch_dial *dial, struct ch_evidence *evidence)
{
    if (made_after_all(dial)) {
        dial->connected_after_ns = ch_clock_monotonic() - dial->started;
        ch_loop_timer_disarm(dial->prober->loop, &dial->timer);
        forget_candidates(dial);
        dial->busy = false;
        return false;
    }
    *evidence = (struct ch_evidence){.phase = CH_PHASE_CONNECT, .end = CH_END_DEADLINE};
    if (dial->io.fd < 0) { /* the name is still being looked up */
        evidence->phase = CH_PHASE_RESOLVE;
        evidence->end = CH_END_NAME;
        evidence->dns = CH_DNS_TIMEOUT;
        describe(dial, evidence);
    } else {
        look_at_the_dead(dial, evidence);
        if (evidence->tcp.state == CH_TCP_CLOSE && evidence->error != 0)
            evidence->end = CH_END_ERRNO; /* it died in this very turn */
    }
    ch_dial_close(dial);
    return true;
}

void ch_dial_close(struct ch_dial *dial)
{
    ch_resolver_cancel(&dial->lookup);
    ch_loop_timer_disarm(dial->prober->loop, &dial->timer);
    ch_loop_io_close(dial->prober->loop, &dial->io);
    forget_candidates(dial);
    dial->busy = false;
}

void ch_dial_reset(struct ch_dial *dial)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (dial->io.fd >= 0)
        setsockopt(dial->io.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    ch_dial_close(dial);
}

int ch_dial_hold(struct ch_dial *dial, void (*on_ready)(struct ch_io *io, uint32_t events),
                 uint32_t events)
{
    dial->io.on_ready = on_ready;
    return ch_loop_io_change(dial->prober->loop, &dial->io, events);
}
