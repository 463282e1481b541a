/* SPDX-License-Identifier: Apache-2.0 */
/* The responder over TCP, on real loopback sockets: what it answers, what it
 * bears, how it ends. */
#include "responder_fixture.h"

#include <pthread.h>

static void a_request_in_single_bytes_is_answered_once(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int64_t before = ch_clock_realtime(), after;
    uint8_t bytes[CH_FRAME_SIZE];
    struct ch_frame reply;
    int fd = connect_and_enter(f);

    (void)state;
    make_request(7, bytes);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(count_of(&f->counters.heartbeats), 0);
        send_all(fd, bytes + i, 1);
        turn_some(f);
    }
    turn_until(f, &f->counters.heartbeats, 1);
    after = ch_clock_realtime();
    reply = read_frame(fd);
    assert_int_equal(reply.type, CH_FRAME_REPLY);
    assert_true(reply.sequence == 7 && reply.sent == 8);
    assert_true(before <= reply.received && reply.received <= reply.replied);
    assert_true(reply.replied <= after);
    assert_memory_equal(&reply.ids, ch_frame_own_ids(), sizeof(reply.ids));
    close(fd);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_NONE);
    assert_int_equal(all_ends(f), 1);
    assert_int_equal(count_of(&f->counters.connections), 0);
    assert_int_equal(count_of(&f->counters.accepts), 1);
    stop(f);
}

/* Far more than the socket buffers hold: the responder stops reading, and goes
 * on where it was as the client reads. */
static void replies_wait_for_a_slow_reader_and_come_in_order(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = connect_and_enter(f);
    uint64_t sent = 0, got = 0;
    uint8_t bytes[CH_FRAME_SIZE];

    (void)state;
    while (f->responder->conns->stalled_since == 0) {
        make_request(sent, bytes);
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) == CH_FRAME_SIZE)
            sent++;
        assert_int_equal(ch_loop_turn(f->loop, 0), 0);
        assert_true(sent < 1000000);
    }
    assert_true(count_of(&f->counters.heartbeats) > 10);
    while (got < sent) {
        while (recv(fd, bytes, 1, MSG_PEEK | MSG_DONTWAIT) < 1)
            assert_int_equal(ch_loop_turn(f->loop, 10 * CH_NS_PER_MS), 0);
        /* a reply may be cut in two by the full buffer */
        for (size_t have = 0; have < CH_FRAME_SIZE;) {
            ssize_t n = recv(fd, bytes + have, CH_FRAME_SIZE - have, MSG_DONTWAIT);

            if (n > 0)
                have += (size_t)n;
            else
                assert_int_equal(ch_loop_turn(f->loop, 10 * CH_NS_PER_MS), 0);
        }
        struct ch_frame reply;

        assert_true(ch_frame_decode(bytes, &reply));
        assert_true(reply.sequence == got);
        got++;
    }
    assert_int_equal(f->responder->conns->stalled_since, 0);
    send_request(fd, 77);
    turn_until(f, &f->counters.heartbeats, sent + 1);
    expect_reply(fd, 77);
    assert_int_equal(all_ends(f), 0);
    close(fd);
    stop(f);
}

static void garbage_ends_the_connection_at_its_first_wrong_byte(void **state)
{
    struct {
        const char *name;
        uint8_t bytes[CH_FRAME_SIZE];
        size_t len;
    } cases[] = {
        {"HTTP", "GET / HTTP/1.0\r\n\r\n", 18},
        {"one byte", "x", 1},
        {"version", "CHB2", 4},
        {"type 0", "CHB1\0", 5},
        {"type 4", "CHB1\4", 5},
        {"padding", "CHB1\1\0\1", 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *f = start(&generous, NULL);
        int fd = connect_and_enter(f);

        send_all(fd, cases[i].bytes, cases[i].len);
        turn_until_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_BAD_REPLY);
        assert_only_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_BAD_REPLY);
        assert_int_equal(count_of(&f->counters.malformed), 1);
        assert_int_equal(count_of(&f->counters.heartbeats), 0);
        expect_end_of_stream(fd);
        close(fd);
        stop(f);
    }
}

static void a_reply_from_a_client_is_garbage_and_its_goodbye_is_not(void **state)
{
    struct ch_frame frame = {.type = CH_FRAME_GOODBYE};
    struct fixture *f = start(&generous, NULL);
    uint8_t bytes[CH_FRAME_SIZE];
    int fd = connect_and_enter(f);

    (void)state;
    ch_frame_encode(&frame, bytes);
    send_all(fd, bytes, sizeof(bytes));
    send_request(fd, 5);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_reply(fd, 5);
    frame.type = CH_FRAME_REPLY;
    ch_frame_encode(&frame, bytes);
    send_all(fd, bytes, sizeof(bytes));
    turn_until_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_BAD_REPLY);
    expect_end_of_stream(fd);
    close(fd);
    stop(f);
}

static void a_half_closed_client_still_gets_its_reply(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = connect_and_enter(f);

    (void)state;
    send_request(fd, 9);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_NONE);
    expect_reply(fd, 9);
    expect_end_of_stream(fd);
    close(fd);
    stop(f);
}

static void at_its_end_it_says_goodbye_to_those_that_have_spoken(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int spoken = connect_and_enter(f), silent = connect_and_enter(f), busy = connect_and_enter(f);
    struct ch_frame goodbye;

    (void)state;
    send_request(spoken, 1);
    send_request(busy, 2);
    turn_until(f, &f->counters.heartbeats, 2);
    send_request(busy, 3); /* unread when the end comes: no RST may eat the goodbye */
    stop(f);

    expect_reply(spoken, 1);
    goodbye = read_frame(spoken);
    assert_int_equal(goodbye.type, CH_FRAME_GOODBYE);
    assert_true(goodbye.sequence == 0 && goodbye.sent == 0 && goodbye.received == 0);
    assert_memory_equal(&goodbye.ids, ch_frame_own_ids(), sizeof(goodbye.ids));
    expect_end_of_stream(spoken);
    expect_reply(busy, 2);
    assert_int_equal(read_frame(busy).type, CH_FRAME_GOODBYE);
    expect_end_of_stream(busy);
    expect_end_of_stream(silent);
    close(spoken);
    close(silent);
    close(busy);
}

static void a_taken_port_is_an_error_and_leaves_the_rest_alone(void **state)
{
    struct fixture *f = start(&generous, NULL);
    struct ch_addr taken = address("127.0.0.1", f->port);
    int fd;

    (void)state;
    assert_int_equal(ch_responder_listen(f->responder, &taken), -EADDRINUSE);
    fd = connect_and_enter(f);
    send_request(fd, 1);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_reply(fd, 1);
    close(fd);
    stop(f);
}

/* One client that keeps the responder busy does not keep another waiting. */
static void a_busy_client_leaves_turns_to_others(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int busy = connect_and_enter(f), other = connect_and_enter(f);
    uint64_t before;

    (void)state;
    for (int i = 0; i < 100; i++)
        send_request(busy, 1);
    send_request(other, 2);
    before = count_of(&f->counters.heartbeats);
    while (count_of(&f->counters.heartbeats) == before)
        assert_int_equal(ch_loop_turn(f->loop, CH_NS_PER_MS), 0);
    assert_true(count_of(&f->counters.heartbeats) < before + 50);
    turn_until(f, &f->counters.heartbeats, 101);
    expect_reply(other, 2);
    close(busy);
    close(other);
    stop(f);
}

static void *run_loop(void *arg)
{
    struct fixture *f = arg;

    assert_int_equal(ch_loop_run(f->loop), 0);
    return NULL;
}

static void counters_may_be_read_while_it_runs(void **state)
{
    struct fixture *f = start(&generous, NULL);
    pthread_t thread;
    int fd;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, f), 0);
    fd = client_socket("127.0.0.1", f->port, SOCK_STREAM);
    for (uint64_t i = 0; i < 100; i++) {
        send_request(fd, i);
        expect_reply(fd, i);
        assert_true(count_of(&f->counters.heartbeats) <= i + 1);
    }
    ch_loop_stop(f->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count_of(&f->counters.heartbeats), 100);
    close(fd);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_in_single_bytes_is_answered_once),
        cmocka_unit_test(replies_wait_for_a_slow_reader_and_come_in_order),
        cmocka_unit_test(garbage_ends_the_connection_at_its_first_wrong_byte),
        cmocka_unit_test(a_reply_from_a_client_is_garbage_and_its_goodbye_is_not),
        cmocka_unit_test(a_half_closed_client_still_gets_its_reply),
        cmocka_unit_test(at_its_end_it_says_goodbye_to_those_that_have_spoken),
        cmocka_unit_test(a_taken_port_is_an_error_and_leaves_the_rest_alone),
        cmocka_unit_test(a_busy_client_leaves_turns_to_others),
        cmocka_unit_test(counters_may_be_read_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
