/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP client. It holds one frame of input and one of output and no more:
 * while a reply cannot leave, nothing is read, so that a client that does not
 * read its replies fills its own buffers and not this process.
 */
#include "responder_private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utlist.h>

#include "connhealth/clock.h"

/* So that one busy client leaves the loop time for others. */
#define FRAMES_PER_TURN 16
#define NO_LIMIT        INT64_MAX

static void conn_free(struct responder_conn *conn)
{
    struct ch_responder *responder = conn->responder;

    ch_loop_timer_disarm(responder->loop, &conn->timer);
    ch_loop_io_close(responder->loop, &conn->io);
    responder_client_leave(responder, conn->client);
    DL_DELETE(responder->conns, conn);
    responder->conn_count--;
    atomic_fetch_sub_explicit(&responder->counters->connections, 1, memory_order_relaxed);
    free(conn);
}

static void conn_end(struct responder_conn *conn, enum ch_phase phase, enum ch_category category)
{
    responder_count_end(conn->responder, phase, category);
    conn_free(conn);
}

/* Where a client left off that did not end the connection by a call of ours. */
static enum ch_phase phase_of(const struct responder_conn *conn)
{
    int unacknowledged = 0;

    if (conn->stalled_since != 0)
        return CH_PHASE_SEND;
    if (conn->in_len > 0)
        return CH_PHASE_RECEIVE;
    /* It still tells on a dead socket what was never acknowledged (tcp(7)). */
    if (ioctl(conn->io.fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0)
        return CH_PHASE_SEND;
    return CH_PHASE_IDLE;
}

/* Ends what lives still. close(2) with unread input sends an RST alone, and a
 * client that finds us unchanged would blame a middlebox for it: the FIN goes first. */
static void hang_up(struct responder_conn *conn, enum ch_phase phase, enum ch_category category)
{
    shutdown(conn->io.fd, SHUT_WR);
    conn_end(conn, phase, category);
}

static void on_end_of_stream(struct responder_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);

    /* An RST in answer to our reply, to a client that had closed before: it
     * came after the FIN and shows only here, as EPIPE. */
    if (getsockopt(conn->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0 &&
        phase_of(conn) == CH_PHASE_SEND)
        conn_end(conn, CH_PHASE_SEND, ch_category_of_errno(error));
    else if (conn->in_len > 0)
        conn_end(conn, CH_PHASE_RECEIVE, CH_CATEGORY_EOF);
    else
        conn_end(conn, CH_PHASE_IDLE, CH_CATEGORY_NONE);
}

static void on_garbage(struct responder_conn *conn)
{
    responder_count(&conn->responder->counters->malformed);
    conn_end(conn, CH_PHASE_RECEIVE, CH_CATEGORY_BAD_REPLY);
}

/* When our patience with the client is at its end. Between two requests there may
 * be no limit: the kernel's keepalive sees that somebody is still there. */
static int64_t due(const struct responder_conn *conn)
{
    const struct ch_responder *responder = conn->responder;
    int64_t idle = responder->limits.idle_ns > 0 ? responder->limits.idle_ns : NO_LIMIT;
    int64_t stall = responder->patience.stall_ns < idle ? responder->patience.stall_ns : idle;

    if (conn->stalled_since != 0)
        return conn->stalled_since + stall;
    if (conn->in_len > 0)
        return conn->begun_since + stall;
    return idle == NO_LIMIT ? NO_LIMIT : conn->last_request + idle;
}

static int expect_by(struct responder_conn *conn, int64_t when)
{
    if (when == NO_LIMIT)
        return 0;
    return ch_loop_timer_arm(conn->responder->loop, &conn->timer, when);
}

/* The timer is not moved at each request: it fires at the deadline that it was
 * armed for, and then sees whether there is a later one. */
static void on_due(struct ch_timer *timer, int64_t now)
{
    struct responder_conn *conn = ch_container_of(timer, struct responder_conn, timer);
    int64_t when = due(conn);

    (void)timer;
    if (now < when && expect_by(conn, when) == 0)
        return;
    if (conn->stalled_since != 0)
        hang_up(conn, CH_PHASE_SEND, CH_CATEGORY_WOULD_BLOCK);
    else
        hang_up(conn, phase_of(conn), CH_CATEGORY_TIMEOUT);
}

/* Waits for room, and reads nothing until then. */
static bool stall(struct responder_conn *conn)
{
    struct ch_loop *loop = conn->responder->loop;

    if (conn->stalled_since != 0)
        return true;
    conn->stalled_since = ch_loop_now(loop);
    if (ch_loop_io_change(loop, &conn->io, EPOLLOUT) < 0 ||
        ch_loop_timer_arm(loop, &conn->timer, due(conn)) < 0) {
        conn_end(conn, CH_PHASE_SEND, CH_CATEGORY_LOCAL_RESOURCE);
        return false;
    }
    return true;
}

static bool unstall(struct responder_conn *conn)
{
    if (conn->stalled_since == 0)
        return true;
    conn->stalled_since = 0;
    if (ch_loop_io_change(conn->responder->loop, &conn->io, EPOLLIN) < 0) {
        conn_end(conn, CH_PHASE_SEND, CH_CATEGORY_LOCAL_RESOURCE);
        return false;
    }
    return true;
}

/* Sends what is pending. False if the connection is gone. */
static bool flush(struct responder_conn *conn)
{
    while (conn->out_sent < conn->out_len) {
        ssize_t n = send(conn->io.fd, conn->out + conn->out_sent,
                         (size_t)(conn->out_len - conn->out_sent), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return stall(conn);
        if (n < 0) {
            conn_end(conn, CH_PHASE_SEND, ch_category_of_errno(errno));
            return false;
        }
        conn->out_sent = (uint8_t)(conn->out_sent + n);
    }
    conn->out_len = conn->out_sent = 0;
    return unstall(conn);
}

/* A whole frame is there. False if the connection is gone. */
static bool on_frame(struct responder_conn *conn)
{
    struct ch_frame frame;

    if (!ch_frame_decode(conn->in, &frame) || frame.type == CH_FRAME_REPLY) {
        on_garbage(conn);
        return false;
    }
    conn->in_len = 0;
    if (frame.type == CH_FRAME_GOODBYE)
        return true;
    conn->spoken = true;
    conn->last_request = ch_loop_now(conn->responder->loop);
    /* the list is in the order of the last requests: who was silent for longest is first */
    DL_DELETE(conn->responder->conns, conn);
    DL_APPEND(conn->responder->conns, conn);
    responder_reply(&frame, ch_clock_realtime(), conn->out);
    conn->out_len = CH_FRAME_SIZE;
    responder_count(&conn->responder->counters->heartbeats);
    return flush(conn);
}

/* A part of a request is here. */
static void await_the_rest(struct responder_conn *conn)
{
    struct ch_loop *loop = conn->responder->loop;

    conn->begun_since = ch_loop_now(loop);
    if (ch_loop_timer_arm(loop, &conn->timer, due(conn)) < 0)
        conn_end(conn, CH_PHASE_RECEIVE, CH_CATEGORY_LOCAL_RESOURCE);
}

/* Reads up to the end of the frame. True if there may be more to read. */
static bool read_on(struct responder_conn *conn)
{
    size_t wanted = (size_t)(CH_FRAME_SIZE - conn->in_len);
    ssize_t n = recv(conn->io.fd, conn->in + conn->in_len, wanted, MSG_DONTWAIT);
    bool begun;

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            conn_end(conn, phase_of(conn), ch_category_of_errno(errno));
        return false;
    }
    if (n == 0) {
        on_end_of_stream(conn);
        return false;
    }
    begun = conn->in_len == 0;
    conn->in_len = (uint8_t)(conn->in_len + n);
    if (!ch_frame_may_begin(conn->in, conn->in_len)) {
        on_garbage(conn);
        return false;
    }
    if (conn->in_len == CH_FRAME_SIZE)
        return on_frame(conn) && conn->stalled_since == 0;
    if (begun)
        await_the_rest(conn);
    return false;
}

static void on_client_ready(struct ch_io *io, uint32_t events)
{
    struct responder_conn *conn = ch_container_of(io, struct responder_conn, io);

    (void)events;
    if (!flush(conn) || conn->stalled_since != 0)
        return;
    for (int i = 0; i < FRAMES_PER_TURN; i++)
        if (!read_on(conn))
            return;
}

int responder_conn_new(struct ch_responder *responder, int fd, struct responder_client *client)
{
    struct responder_conn *conn = calloc(1, sizeof(*conn));
    int r;

    if (!conn) {
        close(fd);
        responder_client_leave(responder, client);
        return -ENOMEM;
    }
    conn->responder = responder;
    conn->client = client;
    conn->io = (struct ch_io){.fd = -1, .on_ready = on_client_ready};
    conn->timer.on_fire = on_due;
    conn->last_request = ch_loop_now(responder->loop);
    r = expect_by(conn, due(conn));
    if (r == 0)
        r = ch_loop_io_add(responder->loop, &conn->io, fd, EPOLLIN);
    if (r < 0) {
        ch_loop_timer_disarm(responder->loop, &conn->timer);
        close(fd);
        responder_client_leave(responder, client);
        free(conn);
        return r;
    }
    DL_APPEND(responder->conns, conn);
    responder->conn_count++;
    responder_count(&responder->counters->connections);
    return 0;
}

bool responder_conn_make_room(struct ch_responder *responder)
{
    struct responder_conn *conn = responder->conns;

    if (!conn || conn->last_request + responder->patience.room_ns > ch_loop_now(responder->loop))
        return false;
    hang_up(conn, phase_of(conn), CH_CATEGORY_TIMEOUT);
    return true;
}

/* close(2) with unread input sends an RST, and that may overtake the goodbye:
 * what has come is thrown away first. */
static void say_goodbye(struct responder_conn *conn)
{
    const struct ch_frame frame = {
        .type = CH_FRAME_GOODBYE, .replied = ch_clock_realtime(), .ids = *ch_frame_own_ids()};
    uint8_t bytes[2 * CH_FRAME_SIZE];
    size_t len = (size_t)(conn->out_len - conn->out_sent);
    uint8_t drain[4096];

    memcpy(bytes, conn->out + conn->out_sent, len);
    ch_frame_encode(&frame, bytes + len);
    send(conn->io.fd, bytes, len + CH_FRAME_SIZE, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(conn->io.fd, SHUT_WR);
    for (int i = 0; i < FRAMES_PER_TURN; i++)
        if (recv(conn->io.fd, drain, sizeof(drain), MSG_DONTWAIT) <= 0)
            break;
}

void responder_conn_dismiss(struct responder_conn *conn)
{
    if (conn->spoken)
        say_goodbye(conn);
    conn_free(conn);
}
