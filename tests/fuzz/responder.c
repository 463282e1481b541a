/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one TCP client, in pieces, through a real connection of the
 * responder. The first byte of each piece is its length. Every request that is
 * complete and well-formed before the first garbage is answered, and no more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "responder_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct expected {
    uint8_t stream[4096]; /* what was sent so far */
    size_t len;
    uint64_t replies;
    bool garbage;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* The specification in include/connhealth/frame.h, read once more. */
static void expect(struct expected *expected)
{
    size_t at = 0;

    expected->replies = 0;
    expected->garbage = false;
    while (at < expected->len && !expected->garbage) {
        const uint8_t *frame = expected->stream + at;
        size_t left = expected->len - at < CH_FRAME_SIZE ? expected->len - at : CH_FRAME_SIZE;

        expected->garbage = !ch_frame_may_begin(frame, left) ||
                            (left == CH_FRAME_SIZE && frame[4] == CH_FRAME_REPLY);
        if (left < CH_FRAME_SIZE)
            break;
        if (!expected->garbage && frame[4] == CH_FRAME_REQUEST)
            expected->replies++;
        at += CH_FRAME_SIZE;
    }
}

static void drain(int fd, uint64_t *replies)
{
    static uint8_t bytes[CH_FRAME_SIZE];
    static size_t have;
    struct ch_frame frame;
    ssize_t n;

    if (*replies == 0)
        have = 0;
    while ((n = recv(fd, bytes + have, CH_FRAME_SIZE - have, MSG_DONTWAIT)) > 0) {
        have += (size_t)n;
        if (have < CH_FRAME_SIZE)
            continue;
        have = 0;
        check(ch_frame_decode(bytes, &frame) && frame.type == CH_FRAME_REPLY);
        ++*replies;
    }
}

static void turn(struct ch_loop *loop)
{
    for (int i = 0; i < 3; i++)
        check(ch_loop_turn(loop, 0) == 0);
}

static void run(struct ch_responder *responder, struct ch_loop *loop,
                struct ch_responder_counters *counters, const uint8_t *data, size_t size)
{
    const struct ch_addr peer = {.family = AF_INET};
    struct expected expected = {.len = 0};
    uint64_t replies = 0;
    int pair[2];

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    responder_admit(responder, pair[0], &peer);
    while (size > 1) {
        size_t piece = data[0] < size - 1 ? data[0] : size - 1;
        ssize_t n;

        if (expected.len + piece > sizeof(expected.stream))
            break;
        memcpy(expected.stream + expected.len, data + 1, piece);
        n = send(pair[1], data + 1, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) /* the responder has closed: for garbage only */
            check(expected.garbage);
        expected.len += piece;
        data += 1 + piece;
        size -= 1 + piece;
        expect(&expected);
        turn(loop);
        drain(pair[1], &replies);
        check(replies == expected.replies);
        check(counters->connections == (expected.garbage ? 0 : 1));
        check(counters->malformed == expected.garbage);
    }
    close(pair[1]);
    turn(loop);
    check(counters->connections == 0 && counters->heartbeats == replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ch_responder_limits limits = {
        .connections = 1, .connections_per_address = 1, .idle_ns = 3600 * CH_NS_PER_S};
    struct ch_responder_counters counters = {0};
    struct ch_responder *responder;
    static struct ch_loop *loop;

    if (!loop)
        check(ch_loop_new(&loop) == 0);
    check(ch_responder_new(loop, &limits, &counters, &responder) == 0);
    run(responder, loop, &counters, data, size);
    ch_responder_free(responder);
    return 0;
}
