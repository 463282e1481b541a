/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "heartbeat.h"
#include "sight.h"

#define DATAGRAM_MAX 65536

static struct heartbeat *heartbeat_of_io(struct ch_io *io)
{
    return ch_container_of(io, struct heartbeat, udp.io);
}

static void describe(const struct heartbeat *self, struct ch_evidence *evidence)
{
    evidence->transport = CH_TRANSPORT_UDP;
    evidence->kind = CH_PROBE_HEARTBEAT;
    evidence->stalled = self->udp.stalled;
    if (evidence->phase == CH_PHASE_RESOLVE)
        return; /* the socket and its peer are an earlier attempt's */
    evidence->peer = self->udp.peer;
    evidence->dns_stale = self->udp.stale;
    evidence->addresses_tried = self->udp.peer.family != AF_UNSPEC;
    if (self->udp.request_at > 0)
        evidence->duration_ns = ch_clock_monotonic() - self->udp.request_at;
    if (self->udp.io.fd >= 0)
        evidence->local = ch_sight_local(self->udp.io.fd);
}

/* A refusal leaves the socket usable, and the next attempt's request goes out by
 * the same. After silence it is a new one, from another port: a late answer to
 * this request must not pass for the next one's, a middlebox may have forgotten
 * the flow, and our own address may have changed under the old one. After other
 * errors it may be beyond use: udp_abort() disconnects it. */
static bool stays_usable(const struct ch_evidence *evidence)
{
    switch (evidence->end) {
    case CH_END_DEADLINE:
        return false;
    case CH_END_ERRNO:
        return evidence->error == ECONNREFUSED || evidence->icmp.version != 0 ||
               evidence->phase == CH_PHASE_RESOLVE;
    default:
        return true;
    }
}

static void finish(struct heartbeat *self, struct ch_evidence *evidence)
{
    describe(self, evidence);
    self->udp.attempt = false;
    self->udp.unsent = false;
    ch_exchange_forget_reply(&self->exchange);
    if (!stays_usable(evidence))
        ch_loop_io_close(self->probe.prober->loop, &self->udp.io);
    /* A name with several addresses: the next attempt tries the next one. */
    if (evidence->end != CH_END_OK && evidence->end != CH_END_NAME)
        self->udp.turn++;
    self->probe.prober->ops->finished(&self->probe, evidence);
}

static void failed(struct heartbeat *self, enum ch_phase phase, int error, bool synchronous,
                   const struct ch_icmp *icmp)
{
    struct ch_evidence evidence = {.phase = (uint8_t)phase,
                                   .end = CH_END_ERRNO,
                                   .error = error,
                                   .synchronous = synchronous,
                                   .send_incomplete = self->udp.unsent,
                                   .request_sent = !synchronous && !self->udp.unsent};

    if (icmp)
        evidence.icmp = *icmp;
    finish(self, &evidence);
}

/* Takes what the kernel holds of errors: the pending one and the queue. Returns
 * the errno, 0 if there was none; the socket stays usable. */
static int take_error(struct heartbeat *self, struct ch_icmp *icmp)
{
    int queued, error = ch_sight_error(self->udp.io.fd);

    *icmp = (struct ch_icmp){0};
    if (ch_sight_icmp(self->udp.io.fd, &self->udp.peer, icmp, &queued))
        self->probe.prober->ops->icmp(&self->probe, icmp);
    return error != 0 ? error : queued;
}

static void set_events(struct heartbeat *self, uint32_t events)
{
    (void)ch_loop_io_change(self->probe.prober->loop, &self->udp.io, events);
}

static void wait_for_room(struct heartbeat *self)
{
    self->udp.unsent = true;
    set_events(self, EPOLLIN | EPOLLOUT);
    if (self->udp.stalled)
        return; /* the room went to somebody else: counted already */
    self->udp.stalled = true;
    self->probe.prober->ops->stalled(&self->probe);
}

static void send_request(struct heartbeat *self)
{
    uint8_t frame[CH_FRAME_SIZE];
    struct ch_bytes request = ch_exchange_request(&self->exchange, frame);
    struct ch_icmp icmp;
    ssize_t n;
    int error;

    self->udp.unsent = false;
    self->udp.request_at = ch_clock_monotonic();
    n = send(self->udp.io.fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
        return;
    error = errno;
    if (error == EAGAIN) {
        wait_for_room(self);
        return;
    }
    /* An ICMP that came since the last attempt fails this send in its stead
     * (udp(7)): it is taken off, and the request is sent after all. */
    if (take_error(self, &icmp) != 0 || icmp.version != 0) {
        n = send(self->udp.io.fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return;
        error = errno;
    }
    failed(self, CH_PHASE_SEND, error, true, NULL);
}

/* True if it ended the attempt: the probe must not be touched then. */
static bool on_reply(struct heartbeat *self, const uint8_t *data, size_t len)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_RECEIVE, .request_sent = true};

    if (!self->udp.attempt)
        return false; /* too late: its attempt has failed already */
    switch (ch_exchange_take(&self->exchange, data, len, true)) {
    case CH_REPLY_ANSWERED:
        evidence.end = CH_END_OK;
        break;
    case CH_REPLY_MISMATCH:
        evidence.end = CH_END_MISMATCH;
        ch_exchange_show(&self->exchange, &evidence);
        break;
    case CH_REPLY_NO_ROOM:
        evidence.end = CH_END_ERRNO;
        evidence.error = ENOMEM;
        evidence.synchronous = true;
        break;
    case CH_REPLY_MORE:
        return false;
    }
    finish(self, &evidence);
    return true;
}

static void on_udp_error(struct heartbeat *self)
{
    struct ch_icmp icmp;
    int error = take_error(self, &icmp);

    if (error == 0)
        return;
    if (self->udp.attempt)
        failed(self, CH_PHASE_RECEIVE, error, false, &icmp);
    else if (icmp.version == 0 && error != ECONNREFUSED) /* as in stays_usable() */
        ch_loop_io_close(self->probe.prober->loop, &self->udp.io);
}

static void on_udp_ready(struct ch_io *io, uint32_t events)
{
    struct heartbeat *self = heartbeat_of_io(io);
    uint8_t data[DATAGRAM_MAX];
    ssize_t n;

    if (events & EPOLLERR) {
        on_udp_error(self);
        return; /* what is readable is told of again: level-triggered */
    }
    if (events & EPOLLOUT) {
        set_events(self, EPOLLIN);
        if (self->udp.unsent)
            send_request(self);
        return;
    }
    n = recv(io->fd, data, sizeof(data), MSG_DONTWAIT);
    if (n >= 0)
        on_reply(self, data, (size_t)n);
    else if (errno != EAGAIN && self->udp.attempt)
        failed(self, CH_PHASE_RECEIVE, errno, false, NULL);
}

/* 0 or a negative errno; the socket is connected, so that the kernel gives us
 * the ICMP errors of this peer alone. */
static int open_socket(struct heartbeat *self)
{
    struct sockaddr_storage ss;
    socklen_t len = ch_addr_to_sockaddr(&self->udp.peer, &ss);
    bool ipv6 = self->udp.peer.family == AF_INET6;
    int fd = socket(self->udp.peer.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int r;

    if (fd < 0)
        return -errno;
    /* Without it, host-unreachable and a full local queue are invisible. */
    if (setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_RECVERR : IP_RECVERR, &on,
                   sizeof(on)) < 0 ||
        connect(fd, (struct sockaddr *)&ss, len) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    r = ch_loop_io_add(self->probe.prober->loop, &self->udp.io, fd, EPOLLIN);
    if (r < 0)
        close(fd);
    return r;
}

static bool same_peer(const struct ch_addr *a, const struct ch_addr *b)
{
    return a->port == b->port && ch_addr_same_host(a, b);
}

static void use_peer(struct heartbeat *self, struct ch_addr peer)
{
    int r;

    peer.port = self->probe.spec->address.port;
    if (self->udp.io.fd >= 0 && !same_peer(&peer, &self->udp.peer))
        ch_loop_io_close(self->probe.prober->loop, &self->udp.io);
    self->udp.peer = peer;
    if (self->udp.io.fd < 0) {
        r = open_socket(self);
        if (r < 0) {
            failed(self, CH_PHASE_SEND, -r, true, NULL);
            return;
        }
    }
    send_request(self);
}

static void use_answer(struct heartbeat *self, const struct ch_answer *answer)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_RESOLVE, .end = CH_END_NAME};

    if (answer->failure != CH_DNS_NONE || answer->count == 0) {
        evidence.dns =
            (uint8_t)(answer->failure != CH_DNS_NONE ? answer->failure : CH_DNS_NO_ADDRESS);
        finish(self, &evidence);
        return;
    }
    self->udp.stale = answer->stale;
    use_peer(self, answer->address[self->udp.turn % answer->count]);
}

static void on_answer(struct ch_lookup *lookup, const struct ch_answer *answer)
{
    use_answer(ch_container_of(lookup, struct heartbeat, udp.lookup), answer);
}

/* The address is read anew each time: an interface that its scope names may have
 * gone, or have come back with another index. */
static void use_literal(struct heartbeat *self, const struct ch_hostport *address)
{
    struct ch_addr peer;

    if (ch_addr_parse(address->host, address->port, &peer)) {
        use_peer(self, peer);
        return;
    }
    ch_loop_io_close(self->probe.prober->loop, &self->udp.io);
    self->udp.peer = (struct ch_addr){0};
    failed(self, CH_PHASE_SEND, ENODEV, true, NULL);
}

static void udp_start(struct heartbeat *self, int64_t deadline)
{
    const struct ch_hostport *address = &self->probe.spec->address;
    struct ch_answer answer;
    int r;

    (void)deadline;
    self->udp.attempt = true;
    self->udp.stalled = false;
    self->udp.request_at = 0;
    if (address->literal) {
        use_literal(self, address);
        return;
    }
    r = ch_resolver_ask(self->probe.prober->resolver, address->host, &self->udp.lookup, &answer);
    if (r < 0)
        failed(self, CH_PHASE_RESOLVE, -r, true, NULL);
    else if (r == 0)
        use_answer(self, &answer);
}

/* Where this process was held up, the answer may have come in time. True if the
 * attempt is over: the probe must not be touched then. */
static bool answer_was_there(struct heartbeat *self)
{
    uint8_t data[DATAGRAM_MAX];
    struct ch_icmp icmp;
    int error;
    ssize_t n;

    while ((n = recv(self->udp.io.fd, data, sizeof(data), MSG_DONTWAIT)) >= 0)
        if (on_reply(self, data, (size_t)n))
            return true;
    if (errno == EAGAIN)
        return false;
    error = errno; /* recv has taken it; its ICMP is in the queue still */
    take_error(self, &icmp);
    failed(self, CH_PHASE_RECEIVE, error, false, &icmp);
    return true;
}

static void udp_expire(struct heartbeat *self)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_RECEIVE, .end = CH_END_DEADLINE};

    if (self->udp.lookup.place) {
        ch_resolver_cancel(&self->udp.lookup);
        evidence.phase = CH_PHASE_RESOLVE;
        evidence.end = CH_END_NAME;
        evidence.dns = CH_DNS_TIMEOUT;
    } else if (self->udp.unsent) {
        evidence.phase = CH_PHASE_SEND;
        evidence.send_incomplete = true;
    } else {
        if (answer_was_there(self))
            return;
        evidence.request_sent = true;
        evidence.silent_ns = ch_clock_monotonic() - self->udp.request_at;
    }
    finish(self, &evidence);
}

static void udp_init(struct heartbeat *self)
{
    self->udp.io = (struct ch_io){.fd = -1, .on_ready = on_udp_ready};
    self->udp.lookup.on_answer = on_answer;
}

static void udp_release(struct heartbeat *self)
{
    ch_resolver_cancel(&self->udp.lookup);
    ch_loop_io_close(self->probe.prober->loop, &self->udp.io);
}

const struct heartbeat_carrier heartbeat_over_udp = {
    .init = udp_init, .start = udp_start, .expire = udp_expire, .release = udp_release};
