/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include "connhealth/clock.h"
#include "connhealth/container.h"
#include "heartbeat.h"
#include "sight.h"

#define READ_SIZE (16 * 1024)
/* Edge-triggered: a level-triggered descriptor is polled once more after each
 * event, to see that it is ready no longer. So what is there is read to its end. */
#define IDLE_EVENTS  (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define ENDED_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
/* TCP_INFO is a system call of its own: it is asked for this often at most. */
#define FACTS_NS     CH_NS_PER_S
#define REOPEN_FIRST 3 /* misses in a row after which a new connection is made … */
#define REOPEN_MOST                                                                                \
    64 /* … then twice as many each time, because each one takes a                               \
          place in the accept queue of a peer that hangs */

static struct heartbeat *heartbeat_of_io(struct ch_io *io)
{
    struct ch_dial *dial = ch_container_of(io, struct ch_dial, io);
    struct ch_held *held = ch_container_of(dial, struct ch_held, dial);

    return ch_container_of(held->probe, struct heartbeat, probe);
}

static void end_exchange(struct heartbeat *self)
{
    if (self->tcp.outstanding)
        self->tcp.held.used_at = ch_loop_now(self->probe.prober->loop);
    self->tcp.outstanding = false;
    self->tcp.late = false;
    self->tcp.rest = (struct ch_bytes){0};
    ch_exchange_forget_reply(&self->exchange);
}

static enum ch_phase present_phase(const struct heartbeat *self)
{
    if (!self->tcp.outstanding)
        return CH_PHASE_IDLE;
    return self->tcp.rest.len > 0 ? CH_PHASE_SEND : CH_PHASE_RECEIVE;
}

static void describe_request(const struct heartbeat *self, struct ch_evidence *evidence)
{
    evidence->stalled = self->tcp.stalled;
    evidence->send_incomplete = self->tcp.rest.len > 0;
    evidence->request_sent = self->tcp.outstanding;
    evidence->request_bytes = self->tcp.request_bytes;
    /* bytes_acked counts the SYN as one. */
    if (self->tcp.outstanding && self->tcp.request_bytes > 0)
        evidence->request_acked_at = self->tcp.bytes_before + self->tcp.request_bytes + 1;
    if (self->tcp.outstanding) {
        evidence->idle_ns = self->tcp.idle_ns;
        evidence->duration_ns = ch_clock_monotonic() - self->tcp.request_at;
    } else {
        evidence->idle_ns = ch_clock_monotonic() - self->tcp.held.used_at;
    }
}

/* The connection is dead. The probe must not be touched afterwards. */
static void broke(struct heartbeat *self, enum ch_end end, int error)
{
    struct ch_evidence evidence = {
        .phase = (uint8_t)present_phase(self), .end = (uint8_t)end, .error = error};

    describe_request(self, &evidence);
    end_exchange(self);
    self->tcp.attempt = false;
    ch_held_broke(&self->tcp.held, &evidence);
}

static void set_events(struct heartbeat *self, uint32_t events)
{
    /* EPOLL_CTL_MOD of a descriptor that is in can only fail for memory; the
     * attempt's deadline still ends it then. */
    (void)ch_loop_io_change(self->probe.prober->loop, &self->tcp.held.dial.io, events);
}

/* Sends what is left of the request. False: the connection broke and the probe
 * must not be touched. */
static bool push(struct heartbeat *self, bool waiting_for_room)
{
    struct ch_bytes *rest = &self->tcp.rest;

    while (rest->len > 0) {
        ssize_t n =
            send(self->tcp.held.dial.io.fd, rest->data, rest->len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            if (!waiting_for_room)
                set_events(self, IDLE_EVENTS | EPOLLOUT);
            if (!self->tcp.stalled) {
                self->tcp.stalled = true;
                self->probe.prober->ops->stalled(&self->probe);
            }
            return true;
        }
        if (n < 0) {
            broke(self, CH_END_ERRNO, errno);
            return false;
        }
        rest->data += n;
        rest->len -= (size_t)n;
    }
    if (waiting_for_room)
        set_events(self, IDLE_EVENTS);
    return true;
}

static void begin_exchange(struct heartbeat *self, int64_t now)
{
    self->tcp.bytes_before += self->tcp.request_bytes;
    self->tcp.rest = ch_exchange_request(&self->exchange, self->tcp.frame);
    self->tcp.request_bytes = (uint32_t)self->tcp.rest.len;
    self->tcp.request_at = now;
    self->tcp.idle_ns = now - self->tcp.held.used_at;
    self->tcp.outstanding = true;
    self->tcp.late = false;
    push(self, false);
}

static void look_again(struct heartbeat *self, struct ch_evidence *evidence)
{
    int64_t now = ch_loop_now(self->probe.prober->loop);

    if (now < self->tcp.facts_due)
        return;
    ch_sight_tcp(self->tcp.held.dial.io.fd, &evidence->tcp);
    self->tcp.facts_due = now + FACTS_NS;
}

static void ask_anew(struct heartbeat *self, bool spent)
{
    if (!spent) {
        begin_exchange(self, ch_clock_monotonic());
        return;
    }
    ch_held_drop(&self->tcp.held);
    ch_dial_start(&self->tcp.held.dial, self->tcp.deadline);
}

static void answered(struct heartbeat *self)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_RECEIVE, .end = CH_END_OK};
    bool late = self->tcp.late;
    /* Without send the next greeting takes another connection; an answer that
     * overtook its request leaves a peer that waits for the rest of it. */
    bool spent = !ch_exchange_sends(&self->exchange) || self->tcp.rest.len > 0;

    self->tcp.misses = 0;
    self->tcp.reopen_after = REOPEN_FIRST;
    ch_held_calm(&self->tcp.held);
    if (!self->tcp.attempt) {
        end_exchange(self);
        if (spent)
            ch_held_drop(&self->tcp.held);
        ch_held_answered_late(&self->tcp.held);
        return;
    }
    if (late) { /* an answer to an earlier attempt: this one's is still to be asked for */
        end_exchange(self);
        ask_anew(self, spent);
        return;
    }
    describe_request(self, &evidence);
    ch_held_describe(&self->tcp.held, &evidence);
    look_again(self, &evidence);
    end_exchange(self);
    self->tcp.attempt = false;
    if (spent)
        ch_held_drop(&self->tcp.held);
    ch_held_report(&self->tcp.held, &evidence, false);
}

/* After a reply that was not expected, or was lost here, nobody knows where the
 * next one begins: the connection is given up. */
static void give_up(struct heartbeat *self, struct ch_evidence *evidence)
{
    bool attempt = self->tcp.attempt;

    describe_request(self, evidence);
    ch_held_describe(&self->tcp.held, evidence);
    ch_sight_tcp(self->tcp.held.dial.io.fd, &evidence->tcp);
    end_exchange(self);
    self->tcp.attempt = false;
    ch_held_drop(&self->tcp.held);
    if (attempt)
        ch_held_report(&self->tcp.held, evidence, false);
}

static void mismatched(struct heartbeat *self)
{
    struct ch_evidence evidence = {.phase = CH_PHASE_RECEIVE, .end = CH_END_MISMATCH};

    ch_exchange_show(&self->exchange, &evidence);
    give_up(self, &evidence);
}

static void no_room_for_reply(struct heartbeat *self)
{
    struct ch_evidence evidence = {
        .phase = CH_PHASE_RECEIVE, .end = CH_END_ERRNO, .error = ENOMEM, .synchronous = true};

    give_up(self, &evidence);
}

/* True if the connection is still there and the probe may be touched: a report
 * may have ended it. What is left to read is then told of again, because setting
 * the events of a descriptor that is ready makes a new edge. */
static bool take(struct heartbeat *self, const uint8_t *data, size_t len, bool more)
{
    enum ch_reply reply;

    if (!self->tcp.outstanding && !ch_exchange_native(&self->exchange))
        return true; /* unasked for: a notice, or the rest of an answer that was enough */
    reply = ch_exchange_take(&self->exchange, data, len, false);
    self->tcp.held.goodbye = self->exchange.goodbye;
    switch (reply) {
    case CH_REPLY_ANSWERED:
        if (!self->tcp.outstanding)
            return true;
        if (more)
            set_events(self, IDLE_EVENTS);
        answered(self);
        return false;
    case CH_REPLY_MISMATCH:
        mismatched(self);
        return false;
    case CH_REPLY_NO_ROOM:
        no_room_for_reply(self);
        return false;
    case CH_REPLY_MORE:
        return true;
    }
    return true;
}

/* True if the connection is over: the probe must not be touched. */
static bool receive_failed(struct heartbeat *self, int error, uint32_t events)
{
    int fd = self->tcp.held.dial.io.fd;
    struct ch_tcp_facts facts = {0};

    if (error == EAGAIN) {
        if (events & EPOLLERR)
            ch_held_soft_error(&self->tcp.held, ch_sight_error(fd));
        return false;
    }
    ch_sight_tcp(fd, &facts);
    if (facts.state == CH_TCP_CLOSE) {
        broke(self, CH_END_ERRNO, error);
        return true;
    }
    ch_held_soft_error(&self->tcp.held, error);
    return false;
}

enum received {
    RECEIVED_OVER,    /* something was reported: the probe must not be touched */
    RECEIVED_NOTHING, /* that decides anything, and there is no more for now */
    RECEIVED_MORE,
};

static enum received receive(struct heartbeat *self, uint32_t events)
{
    uint8_t data[READ_SIZE];
    ssize_t n = recv(self->tcp.held.dial.io.fd, data, sizeof(data), MSG_DONTWAIT);
    bool more;

    if (n == 0) {
        broke(self, CH_END_EOF, 0);
        return RECEIVED_OVER;
    }
    if (n < 0)
        return receive_failed(self, errno, events) ? RECEIVED_OVER : RECEIVED_NOTHING;
    /* A short read has emptied the buffer; an end or an error may be behind it. */
    more = n == sizeof(data) || (events & ENDED_EVENTS);
    if (!take(self, data, (size_t)n, more))
        return RECEIVED_OVER;
    return more ? RECEIVED_MORE : RECEIVED_NOTHING;
}

static enum received receive_all(struct heartbeat *self, uint32_t events)
{
    enum received received;

    do
        received = receive(self, events);
    while (received == RECEIVED_MORE);
    return received;
}

static void on_heartbeat_ready(struct ch_io *io, uint32_t events)
{
    struct heartbeat *self = heartbeat_of_io(io);

    if ((events & EPOLLOUT) && self->tcp.rest.len > 0 && !push(self, true))
        return;
    if (events & ~(uint32_t)EPOLLOUT)
        receive_all(self, events);
}

static void set_socket_options(struct heartbeat *self)
{
    const struct ch_heartbeat_options *options = self->exchange.options;
    int fd = self->tcp.held.dial.io.fd;
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (options && options->send_buffer > 0) {
        int size = (int)options->send_buffer;

        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
}

static void report_dial(struct heartbeat *self, struct ch_evidence *evidence)
{
    ch_held_describe(&self->tcp.held, evidence);
    self->tcp.attempt = false;
    if (evidence->icmp.version != 0)
        self->probe.prober->ops->icmp(&self->probe, &evidence->icmp);
    ch_held_report(&self->tcp.held, evidence, false);
}

static void on_heartbeat_dialled(struct ch_dial *dial, const struct ch_evidence *failure)
{
    struct ch_held *held = ch_container_of(dial, struct ch_held, dial);
    struct heartbeat *self = ch_container_of(held->probe, struct heartbeat, probe);
    struct ch_evidence evidence;
    int r;

    if (failure) {
        evidence = *failure;
        report_dial(self, &evidence);
        return;
    }
    r = ch_held_established(held, on_heartbeat_ready, IDLE_EVENTS);
    if (r < 0) {
        ch_dial_close(dial);
        evidence = (struct ch_evidence){
            .phase = CH_PHASE_CONNECT, .end = CH_END_ERRNO, .error = -r, .synchronous = true};
        report_dial(self, &evidence);
        return;
    }
    set_socket_options(self);
    ch_exchange_begin_stream(&self->exchange);
    self->tcp.bytes_before = 0;
    self->tcp.facts_due = 0;
    self->tcp.request_bytes = 0;
    self->tcp.misses = 0;
    begin_exchange(self, ch_clock_monotonic());
}

static void watch(struct heartbeat *self)
{
    struct ch_evidence evidence = {0};
    struct ch_trouble_setting setting = {0};

    describe_request(self, &evidence);
    setting.request_acked_at = evidence.request_acked_at;
    setting.waiting_ns = evidence.duration_ns;
    ch_held_watch(&self->tcp.held, &setting);
}

static void tcp_start(struct heartbeat *self, int64_t deadline)
{
    self->tcp.attempt = true;
    self->tcp.deadline = deadline;
    self->tcp.stalled = false;
    if (ch_held_reporting(&self->tcp.held))
        return; /* the break that is being confirmed answers this attempt too */
    if (!self->tcp.held.up) {
        ch_dial_start(&self->tcp.held.dial, deadline);
    } else if (self->tcp.outstanding) {
        self->tcp.late = true;
        self->tcp.stalled = self->tcp.rest.len > 0;
        watch(self);
    } else {
        begin_exchange(self, ch_loop_now(self->probe.prober->loop)); /* a timer's: fresh */
    }
}

/* Its kernel is there: it took the whole request, or it has acknowledged all that
 * was sent and its window has no room for the rest. */
static bool peer_kernel_answers(const struct ch_evidence *evidence)
{
    const struct ch_tcp_facts *tcp = &evidence->tcp;
    bool acked = evidence->request_acked_at > 0 && tcp->bytes_acked >= evidence->request_acked_at;
    bool no_room = evidence->send_incomplete || (tcp->has_snd_wnd && tcp->snd_wnd == 0);

    return acked || (no_room && tcp->retransmits == 0 && tcp->probes == 0);
}

/* Counts a miss. A greeting comes only at the start of a connection; an answer
 * may still come for a while. A silent connection is left to the confirming
 * connect, where there is one. */
static bool wants_a_new_connection(struct heartbeat *self, bool alive)
{
    if (!ch_exchange_sends(&self->exchange))
        return true;
    if (++self->tcp.misses < self->tcp.reopen_after)
        return false;
    self->tcp.reopen_after = self->tcp.reopen_after * 2 < REOPEN_MOST
                                 ? (uint16_t)(self->tcp.reopen_after * 2)
                                 : REOPEN_MOST;
    return alive || !self->probe.spec->confirm;
}

static void missed(struct heartbeat *self)
{
    struct ch_evidence evidence = {.phase = (uint8_t)present_phase(self), .end = CH_END_DEADLINE};
    bool alive, dead;

    watch(self);
    describe_request(self, &evidence);
    ch_held_describe(&self->tcp.held, &evidence);
    ch_sight_autopsy(self->tcp.held.dial.io.fd, &evidence);
    evidence.silent_ns = ch_sight_silence(&evidence.tcp, evidence.age_ns);
    alive = peer_kernel_answers(&evidence);
    self->tcp.attempt = false;
    /* In this very turn: its errno has been taken here, and what the loop would
     * find next is an end without one. */
    dead = evidence.tcp.state == CH_TCP_CLOSE;
    if (wants_a_new_connection(self, alive) || dead) {
        end_exchange(self);
        ch_held_drop(&self->tcp.held);
    }
    if (dead)
        ch_held_report(&self->tcp.held, &evidence, evidence.error != ECONNABORTED);
    else
        ch_held_report(&self->tcp.held, &evidence, !alive && ch_exchange_sends(&self->exchange));
}

/* Where this process was held up (a busy host, SIGSTOP, a suspend), the answer
 * may have come in time and wait in the socket: that is no timeout. An answer to
 * an earlier attempt would only begin a new exchange, and is left for later. */
static bool answer_was_there(struct heartbeat *self)
{
    if (!self->tcp.outstanding || self->tcp.late || self->tcp.rest.len > 0)
        return false;
    return receive_all(self, ENDED_EVENTS) == RECEIVED_OVER;
}

static void tcp_expire(struct heartbeat *self)
{
    struct ch_evidence evidence;

    if (ch_held_reporting(&self->tcp.held))
        return; /* ends within CH_CONFIRM_NS */
    if (!self->tcp.held.up) {
        if (ch_dial_expire(&self->tcp.held.dial, &evidence))
            report_dial(self, &evidence);
        else /* begins its exchange after all; there will be another expire */
            on_heartbeat_dialled(&self->tcp.held.dial, NULL);
    } else if (answer_was_there(self)) {
        return;
    } else if (ch_exchange_partial(&self->exchange) && !self->tcp.late) {
        mismatched(self);
    } else {
        missed(self);
    }
}

static void tcp_init(struct heartbeat *self)
{
    self->tcp.reopen_after = REOPEN_FIRST;
    ch_held_init(&self->tcp.held, &self->probe, &self->exchange, on_heartbeat_dialled);
}

static void tcp_release(struct heartbeat *self)
{
    ch_held_release(&self->tcp.held);
}

const struct heartbeat_carrier heartbeat_over_tcp = {
    .init = tcp_init, .start = tcp_start, .expire = tcp_expire, .release = tcp_release};
