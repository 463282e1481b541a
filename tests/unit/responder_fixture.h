/* SPDX-License-Identifier: Apache-2.0 */
/* A responder on a loopback port, its loop turned by the test, and clients with
 * plain blocking sockets beside it. */
#ifndef CH_TEST_RESPONDER_FIXTURE_H
#define CH_TEST_RESPONDER_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "responder_private.h"

#define unused_ok __attribute__((unused))

/* A hang must become a failure, on any machine. */
#define GUARD_NS (30 * CH_NS_PER_S)

struct fixture {
    struct ch_loop *loop;
    struct ch_responder *responder;
    struct ch_responder_counters counters;
    uint16_t port;
};

static const struct ch_responder_limits generous = {
    .connections = 100, .connections_per_address = 100, .idle_ns = 3600 * CH_NS_PER_S};

unused_ok static uint64_t count_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

unused_ok static uint64_t ends(struct fixture *f, enum ch_phase phase, enum ch_category category)
{
    return count_of(&f->counters.ends[phase][category]);
}

unused_ok static uint64_t all_ends(struct fixture *f)
{
    uint64_t sum = 0;

    for (int p = 0; p < CH_PHASE_COUNT; p++)
        for (int c = 0; c < CH_CATEGORY_COUNT; c++)
            sum += count_of(&f->counters.ends[p][c]);
    return sum;
}

/* Exactly this one end, and no other. */
#define assert_only_end(f, phase, category)                                                        \
    do {                                                                                           \
        assert_int_equal(ends((f), (phase), (category)), 1);                                       \
        assert_int_equal(all_ends(f), 1);                                                          \
    } while (0)

/* Turns the loop until the counter has reached the value. */
unused_ok static void turn_until(struct fixture *f, const _Atomic uint64_t *counter, uint64_t value)
{
    int64_t start = ch_clock_monotonic();

    while (count_of(counter) != value) {
        assert_true(ch_clock_monotonic() - start < GUARD_NS);
        assert_int_equal(ch_loop_turn(f->loop, 10 * CH_NS_PER_MS), 0);
    }
}

unused_ok static void turn_until_end(struct fixture *f, enum ch_phase phase,
                                     enum ch_category category)
{
    turn_until(f, &f->counters.ends[phase][category], 1);
}

/* Serves all that is ready now. */
unused_ok static void turn_some(struct fixture *f)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(ch_loop_turn(f->loop, 0), 0);
}

unused_ok static struct fixture *start_at(const struct ch_addr *addr,
                                          const struct ch_responder_limits *limits,
                                          const struct responder_patience *patience)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(ch_loop_new(&f->loop), 0);
    assert_int_equal(ch_responder_new(f->loop, limits, &f->counters, &f->responder), 0);
    if (patience)
        f->responder->patience = *patience;
    assert_int_equal(ch_responder_listen(f->responder, addr), 0);
    f->port = f->responder->last_port;
    assert_int_not_equal(f->port, 0);
    return f;
}

unused_ok static struct ch_addr address(const char *text, uint16_t port)
{
    struct ch_addr addr;

    assert_true(ch_addr_parse(text, port, &addr));
    return addr;
}

unused_ok static struct fixture *start(const struct ch_responder_limits *limits,
                                       const struct responder_patience *patience)
{
    struct ch_addr addr = address("::", 0);

    return start_at(&addr, limits, patience);
}

unused_ok static void stop(struct fixture *f)
{
    f->responder = ch_responder_free(f->responder);
    assert_int_equal(count_of(&f->counters.connections), 0);
    f->loop = ch_loop_free(f->loop);
    free(f);
}

/* A blocking client socket that gives up long after any healthy answer. */
unused_ok static int client_socket(const char *host, uint16_t port, int type)
{
    struct ch_addr addr = address(host, port);
    struct timeval guard = {.tv_sec = GUARD_NS / CH_NS_PER_S};
    struct sockaddr_storage sa;
    socklen_t len = ch_addr_to_sockaddr(&addr, &sa);
    int fd = socket(addr.family, type | SOCK_CLOEXEC, 0), small = 4096;

    assert_true(fd >= 0);
    /* so that little is enough to stall the other side */
    if (type == SOCK_STREAM)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof(guard)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

unused_ok static void make_request(uint64_t sequence, uint8_t bytes[CH_FRAME_SIZE])
{
    struct ch_frame frame = {
        .type = CH_FRAME_REQUEST, .sequence = sequence, .sent = (int64_t)sequence + 1};

    ch_frame_encode(&frame, bytes);
}

unused_ok static void send_all(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

unused_ok static void send_request(int fd, uint64_t sequence)
{
    uint8_t bytes[CH_FRAME_SIZE];

    make_request(sequence, bytes);
    send_all(fd, bytes, sizeof(bytes));
}

unused_ok static struct ch_frame read_frame(int fd)
{
    uint8_t bytes[CH_FRAME_SIZE];
    struct ch_frame frame = {0};

    assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), CH_FRAME_SIZE);
    assert_true(ch_frame_decode(bytes, &frame));
    return frame;
}

unused_ok static void expect_reply(int fd, uint64_t sequence)
{
    struct ch_frame frame = read_frame(fd);

    assert_int_equal(frame.type, CH_FRAME_REPLY);
    assert_true(frame.sequence == sequence);
    assert_true(frame.sent == (int64_t)sequence + 1);
    assert_memory_equal(&frame.ids, ch_frame_own_ids(), sizeof(frame.ids));
}

unused_ok static int connect_and_enter(struct fixture *f)
{
    uint64_t before = count_of(&f->counters.connections);
    int fd = client_socket("127.0.0.1", f->port, SOCK_STREAM);

    turn_until(f, &f->counters.connections, before + 1);
    return fd;
}

/* A reset instead of a FIN (socket(7): SO_LINGER). */
unused_ok static void close_by_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(fd);
}

unused_ok static void expect_end_of_stream(int fd)
{
    uint8_t byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* Requests until the responder waits to send. Returns how many it has read. */
unused_ok static void stall_the_responder(struct fixture *f, int fd)
{
    uint8_t bytes[CH_FRAME_SIZE];

    make_request(1, bytes);
    while (f->responder->conns->stalled_since == 0) {
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            assert_int_equal(errno, EAGAIN);
        assert_int_equal(ch_loop_turn(f->loop, 0), 0);
    }
}

#endif
