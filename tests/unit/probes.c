/* SPDX-License-Identifier: Apache-2.0 */
/* The three kinds against sockets on loopback, evidence by evidence. */
#include <sys/resource.h>

#include "probes_fixture.h"

static void connect_to_a_listener_and_to_nobody(void **state)
{
    struct ch_connect_options options = {0};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port);
    struct ch_probe_spec good = spec_of(CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe_spec bad =
        spec_of(CH_PROBE_CONNECT, CH_TRANSPORT_TCP, closed_port(SOCK_STREAM), &options);
    struct ch_probe *probe = make(&good);

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        good.close_by_reset = i > 1;
        start(probe);
        until_finished(i);
        assert_int_equal(seen.end, CH_END_OK);
        assert_true(seen.duration_ns > 0 && seen.tcp.rtt_us > 0);
    }
    ch_probe_free(probe);
    probe = make(&bad);
    start(probe);
    until_finished(4);
    assert_int_equal(seen.end, CH_END_ERRNO);
    assert_int_equal(seen.error, ECONNREFUSED);
    assert_int_equal(seen.phase, CH_PHASE_CONNECT);
    assert_false(seen.synchronous);
    assert_false(seen.established);
    assert_int_equal(seen.icmp.version, 0);
    ch_probe_free(probe);
    close(listener);
}

static void heartbeat_keeps_its_connection(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    fd = one_exchange(probe, listener);
    for (unsigned i = 2; i <= 5; i++) {
        start(probe);
        expect_request(fd, "PING\r\n");
        say(fd, "+PO"); /* in two pieces */
        turn();
        say(fd, "NG\r\n");
        until_finished(i);
        assert_int_equal(seen.end, CH_END_OK);
    }
    assert_int_equal(opens, 1);
    assert_int_equal(closes, 0);
    ch_probe_free(probe);
    close(fd);
    close(listener);
    clear(&options);
}

/* The server closes between two exchanges: noticed without a start, confirmed by
 * a fresh connect, which finds the listener there or gone. */
static void an_end_between_exchanges_is_reported_unasked(void **state)
{
    struct ch_heartbeat_options options = ping_pong();

    (void)state;
    for (int gone = 0; gone <= 1; gone++) {
        uint16_t port = 0;
        int listener = listen_on(SOCK_STREAM, &port), fd;
        struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
        struct ch_probe *probe = make(&spec);

        finished_count = closes = 0;
        fd = one_exchange(probe, listener);
        if (gone)
            close(listener);
        close(fd);
        until_finished(2);
        assert_int_equal(seen.end, CH_END_EOF);
        assert_int_equal(seen.phase, CH_PHASE_IDLE);
        assert_true(seen.established);
        assert_int_equal(seen.confirm, gone ? CH_CONFIRM_REFUSED : CH_CONFIRM_CONNECTED);
        assert_int_equal(closes, 1);
        ch_probe_free(probe);
        if (!gone)
            close(listener);
    }
    clear(&options);
}

static void a_reset_is_econnreset(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    fd = one_exchange(probe, listener);
    reset(fd);
    until_finished(2);
    assert_int_equal(seen.end, CH_END_ERRNO);
    assert_int_equal(seen.error, ECONNRESET);
    assert_int_equal(seen.phase, CH_PHASE_IDLE);
    assert_int_equal(seen.outstanding, 0);
    ch_probe_free(probe);
    close(listener);
    clear(&options);
}

/* FIN and, in answer to our request, RST arrive before the loop looks: the read
 * says end of file, the socket says EPIPE; it is no ECONNRESET and no SIGPIPE. */
static void writing_to_a_closed_peer_is_epipe(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    fd = one_exchange(probe, listener);
    close(fd);
    start(probe);
    until_finished(2);
    assert_int_equal(seen.end, CH_END_ERRNO);
    assert_int_equal(seen.error, EPIPE);
    ch_probe_free(probe);
    close(listener);
    clear(&options);
}

static void a_full_send_buffer_stalls_then_fails(void **state)
{
    struct ch_heartbeat_options options = {.send_buffer = 4608};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd, small = 2304;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe;
    char *data = malloc(1 << 20);
    size_t got = 0;

    (void)state;
    options.send.len = 1 << 20;
    options.send.data = calloc(1, options.send.len);
    assert_non_null(data);
    assert_non_null(options.send.data);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    probe = make(&spec);
    start(probe);
    fd = accept_one(listener);
    while (stalls == 0)
        turn();
    expire(probe);
    until_finished(1);
    assert_int_equal(seen.end, CH_END_DEADLINE);
    assert_int_equal(seen.phase, CH_PHASE_SEND);
    assert_true(seen.send_incomplete && seen.stalled);
    assert_int_equal(stalls, 1);

    /* The peer reads again: the rest of the same request goes out, its answer
     * comes late, and a new request is asked in the new attempt. */
    start(probe);
    while (got < 2 * options.send.len) {
        got += read_some(fd, data, 1 << 20);
        if (got == options.send.len)
            say(fd, "late");
    }
    assert_int_equal(finished_count, 1);
    say(fd, "in time");
    until_finished(2);
    assert_int_equal(seen.end, CH_END_OK);
    assert_int_equal(opens, 1);
    ch_probe_free(probe);
    close(fd);
    close(listener);
    free(data);
    free(options.send.data);
}

static void a_hung_peer_has_acknowledged(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    fd = one_exchange(probe, listener);
    start(probe);
    expect_request(fd, "PING\r\n");
    for (int64_t end = ch_clock_monotonic() + DELAYED_ACK_NS; ch_clock_monotonic() < end;)
        turn();
    expire(probe);
    until_finished(2);
    assert_int_equal(seen.end, CH_END_DEADLINE);
    assert_int_equal(seen.phase, CH_PHASE_RECEIVE);
    assert_true(seen.request_acked_at > 0 && seen.tcp.bytes_acked >= seen.request_acked_at);
    assert_int_equal(seen.confirm, CH_CONFIRM_NONE);

    /* The late answer belongs to the attempt that failed; the next one asks anew. */
    start(probe);
    say(fd, "+PONG\r\n");
    expect_request(fd, "PING\r\n");
    assert_int_equal(finished_count, 2);
    say(fd, "+PONG\r\n");
    until_finished(3);
    assert_int_equal(seen.end, CH_END_OK);
    ch_probe_free(probe);
    close(fd);
    close(listener);
    clear(&options);
}

/* The process was held up: what came in time is read before its absence is
 * reported, and a connection made in time is one. */
static void what_came_in_time_is_no_timeout(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_connect_options close_options = {0};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe_spec connect_spec =
        spec_of(CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &close_options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    fd = one_exchange(probe, listener);
    start(probe);
    expect_request(fd, "PING\r\n");
    say(fd, "+PONG\r\n");
    expire(probe); /* before the loop has looked */
    until_finished(2);
    assert_int_equal(seen.end, CH_END_OK);
    ch_probe_free(probe);
    close(fd);

    probe = make(&connect_spec);
    start(probe);
    expire(probe);
    until_finished(3);
    assert_int_equal(seen.end, CH_END_OK);
    ch_probe_free(probe);

    /* A heartbeat goes on to its exchange, and is asked again. */
    probe = make(&spec);
    start(probe);
    expire(probe);
    close(accept_one(listener)); /* the connect probe's */
    fd = accept_one(listener);
    expect_request(fd, "PING\r\n");
    say(fd, "+PONG\r\n");
    until_finished(4);
    assert_int_equal(seen.end, CH_END_OK);
    ch_probe_free(probe);
    close(fd);
    close(listener);
    clear(&options);
}

/* It died in the very turn in which its time was over: one failure, not two. */
static void a_death_at_the_deadline_is_told_once(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe;

    (void)state;
    spec.confirm = false;
    probe = make(&spec);
    fd = one_exchange(probe, listener);
    start(probe);
    expect_request(fd, "PING\r\n");
    expire(probe);
    until_finished(2);
    start(probe); /* the answer is still waited for */
    reset(fd);
    expire(probe);
    until_finished(3);
    assert_int_equal(seen.end, CH_END_ERRNO);
    assert_int_equal(seen.error, ECONNRESET);
    assert_int_equal(closes, 1);
    for (int i = 0; i < 3; i++)
        turn();
    assert_int_equal(finished_count, 3);
    ch_probe_free(probe);
    close(listener);
    clear(&options);
}

/* The rest of the request must not become the beginning of the next one. */
static void an_answer_that_overtakes_its_request_spends_the_connection(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    size_t len = 4 << 20;
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe;
    char data[256];

    (void)state;
    free(options.send.data);
    options.send = (struct ch_bytes){.data = calloc(1, len), .len = len};
    options.send_buffer = 4096;
    spec.confirm = false;
    probe = make(&spec);
    start(probe);
    fd = accept_one(listener);
    read_some(fd, data, sizeof(data));
    say(fd, "+PONG");
    until_finished(1);
    assert_int_equal(seen.end, CH_END_OK);
    assert_int_equal(closes, 1);
    close(fd);

    /* The same, later than its own attempt. */
    start(probe);
    fd = accept_one(listener);
    read_some(fd, data, sizeof(data));
    expire(probe);
    until_finished(2);
    start(probe);
    say(fd, "+PONG");
    while (closes < 2)
        turn();
    close(fd);
    fd = accept_one(listener);
    read_some(fd, data, sizeof(data));
    say(fd, "+PONG");
    until_finished(3);
    assert_int_equal(seen.end, CH_END_OK);
    close(fd);
    ch_probe_free(probe);
    close(listener);
    clear(&options);
}

static void an_unexpected_reply_ends_the_connection(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    start(probe);
    fd = accept_one(listener);
    say(fd, "-ERR no\r\n");
    until_finished(1);
    assert_int_equal(seen.end, CH_END_MISMATCH);
    assert_int_equal(seen.reply_len, 9);
    assert_memory_equal(seen.reply, "-ERR no\r\n", 9);
    assert_int_equal(closes, 1);
    ch_probe_free(probe);
    close(fd);
    close(listener);
    clear(&options);
}

/* Without a send the peer speaks first, and each exchange has its connection. */
static void a_greeting_takes_a_connection_each(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port);
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe;

    int fd;

    (void)state;
    free(options.send.data);
    options.send = (struct ch_bytes){0};
    spec.confirm = false; /* whose connections the server would have to tell apart */
    probe = make(&spec);
    for (unsigned i = 1; i <= 2; i++) {
        start(probe);
        fd = accept_one(listener);
        say(fd, "+PONG hello\r\n");
        until_finished(i);
        assert_int_equal(seen.end, CH_END_OK);
        close(fd);
    }
    assert_int_equal(opens, 2);

    /* One that stays out is not waited for in the next attempt: a greeting that
     * comes late would be followed by none. */
    start(probe);
    close(accept_one(listener));
    until_finished(3);
    assert_int_equal(seen.end, CH_END_EOF);
    start(probe);
    fd = accept_one(listener);
    while (opens < 4)
        turn();
    expire(probe);
    until_finished(4);
    assert_int_equal(seen.end, CH_END_DEADLINE);
    close(fd);
    start(probe);
    fd = accept_one(listener);
    say(fd, "+PONG hello\r\n");
    until_finished(5);
    assert_int_equal(seen.end, CH_END_OK);
    close(fd);
    ch_probe_free(probe);
    close(listener);
    clear(&options);
}

static void answer_frame(int fd, enum ch_frame_type type, const struct ch_identity_ids *ids)
{
    uint8_t bytes[CH_FRAME_SIZE];
    struct ch_frame frame;

    assert_int_equal(read_some(fd, (char *)bytes, sizeof(bytes)), CH_FRAME_SIZE);
    assert_true(ch_frame_decode(bytes, &frame));
    assert_int_equal(frame.type, CH_FRAME_REQUEST);
    frame.type = type;
    frame.ids = *ids;
    ch_frame_encode(&frame, bytes);
    assert_int_equal(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), CH_FRAME_SIZE);
}

/* The confirming connect brings the ids of whoever answers now. */
static void native_ids_tell_a_restart(void **state)
{
    struct ch_heartbeat_options options = {0};
    struct ch_identity_ids before = {{1}, {2}}, after = {{3}, {2}};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    start(probe);
    fd = accept_one(listener);
    answer_frame(fd, CH_FRAME_REPLY, &before);
    until_finished(1);
    assert_int_equal(seen.end, CH_END_OK);
    reset(fd);
    fd = accept_one(listener);
    answer_frame(fd, CH_FRAME_REPLY, &after);
    until_finished(2);
    assert_int_equal(seen.error, ECONNRESET);
    assert_int_equal(seen.confirm, CH_CONFIRM_CONNECTED);
    assert_int_equal(seen.identity, CH_IDENTITY_NEW_INSTANCE);
    close(fd);
    ch_probe_free(probe);
    close(listener);
}

/* A responder that stops right after an answer: one read brings both frames. */
static void a_goodbye_beside_the_answer_is_heard(void **state)
{
    struct ch_heartbeat_options options = {0};
    struct ch_identity_ids ids = {{1}, {2}};
    uint8_t bytes[2 * CH_FRAME_SIZE];
    struct ch_frame frame;
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    start(probe);
    fd = accept_one(listener);
    assert_int_equal(read_some(fd, (char *)bytes, CH_FRAME_SIZE), CH_FRAME_SIZE);
    assert_true(ch_frame_decode(bytes, &frame));
    frame.type = CH_FRAME_REPLY;
    frame.ids = ids;
    ch_frame_encode(&frame, bytes);
    ch_frame_encode(&(struct ch_frame){.type = CH_FRAME_GOODBYE, .ids = ids},
                    bytes + CH_FRAME_SIZE);
    assert_int_equal(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
    until_finished(1);
    assert_int_equal(seen.end, CH_END_OK);
    close(listener);
    close(fd);
    until_finished(2);
    assert_int_equal(seen.end, CH_END_EOF);
    assert_true(seen.goodbye);
    ch_probe_free(probe);
}

/* An ICMP port unreachable leaves the socket usable: the same one is used when
 * somebody listens there at last. */
static void udp_goes_on_after_a_refusal(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = closed_port(SOCK_DGRAM);
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_UDP, port, &options);
    struct ch_probe *probe = make(&spec);
    struct sockaddr_storage first, second, from;
    socklen_t len = sizeof(from);
    char data[64];
    int server;

    (void)state;
    for (unsigned i = 1; i <= 2; i++) {
        start(probe);
        until_finished(i);
        assert_int_equal(seen.end, CH_END_ERRNO);
        assert_int_equal(seen.error, ECONNREFUSED);
        assert_int_equal(seen.icmp.version, 4);
        assert_int_equal(seen.icmp.type, 3);
        assert_int_equal(seen.icmp.code, 3);
        assert_int_equal(seen.icmp.sender, CH_OFFENDER_DESTINATION);
        ch_addr_to_sockaddr(&seen.local, i == 1 ? &first : &second);
    }
    assert_int_equal(((struct sockaddr_in *)&first)->sin_port,
                     ((struct sockaddr_in *)&second)->sin_port);
    assert_int_equal(icmps, 2);
    server = listen_on(SOCK_DGRAM, &port);
    start(probe);
    assert_int_equal(recvfrom(server, data, sizeof(data), 0, (struct sockaddr *)&from, &len), 6);
    assert_int_equal(((struct sockaddr_in *)&from)->sin_port,
                     ((struct sockaddr_in *)&first)->sin_port);
    assert_int_equal(sendto(server, "+PONG", 5, 0, (struct sockaddr *)&from, len), 5);
    until_finished(3);
    assert_int_equal(seen.end, CH_END_OK);
    start(probe);
    expire(probe);
    until_finished(4);
    assert_int_equal(seen.end, CH_END_DEADLINE);
    ch_probe_free(probe);
    close(server);
    clear(&options);
}

static void keepalive_looks_and_notices_the_end(void **state)
{
    struct ch_keepalive_options options = {
        .idle_ns = CH_NS_PER_S, .interval_ns = CH_NS_PER_S, .count = 2};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_KEEPALIVE, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    start(probe);
    fd = accept_one(listener);
    until_finished(1);
    assert_int_equal(seen.end, CH_END_OK);
    say(fd, "a banner nobody asked for");
    turn();
    start(probe);
    until_finished(2);
    assert_int_equal(seen.end, CH_END_OK);
    assert_int_equal(opens, 1);
    close(fd);
    until_finished(3);
    assert_int_equal(seen.end, CH_END_EOF);
    assert_int_equal(seen.phase, CH_PHASE_IDLE);
    ch_probe_free(probe);
    close(listener);
}

static void no_descriptor_is_our_own_failure(void **state)
{
    struct ch_connect_options options = {0};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port);
    struct ch_probe_spec spec = spec_of(CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);
    struct rlimit before, none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)listener; /* every lower number is taken */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    start(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    until_finished(1);
    assert_int_equal(seen.error, EMFILE);
    assert_true(seen.synchronous);
    start(probe);
    until_finished(2);
    assert_int_equal(seen.end, CH_END_OK);
    ch_probe_free(probe);
    close(listener);
}

/* Freed in the middle of whatever it was doing: nothing is left, nobody is told. */
static void free_is_safe_in_any_state(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    ch_probe_free(probe); /* never started */
    probe = make(&spec);
    start(probe);
    ch_probe_free(probe); /* connecting */
    close(accept_one(listener));
    probe = make(&spec);
    fd = one_exchange(probe, listener);
    close(fd);
    while (closes == 0)
        turn();
    ch_probe_free(probe); /* its end is being confirmed */
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(finished_count, 1);
    assert_null(ch_probe_free(NULL));
    close(listener);
    clear(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connect_to_a_listener_and_to_nobody),
        TEST(heartbeat_keeps_its_connection),
        TEST(an_end_between_exchanges_is_reported_unasked),
        TEST(a_reset_is_econnreset),
        TEST(writing_to_a_closed_peer_is_epipe),
        TEST(a_full_send_buffer_stalls_then_fails),
        TEST(a_hung_peer_has_acknowledged),
        TEST(what_came_in_time_is_no_timeout),
        TEST(a_death_at_the_deadline_is_told_once),
        TEST(an_answer_that_overtakes_its_request_spends_the_connection),
        TEST(an_unexpected_reply_ends_the_connection),
        TEST(a_greeting_takes_a_connection_each),
        TEST(native_ids_tell_a_restart),
        TEST(a_goodbye_beside_the_answer_is_heard),
        TEST(udp_goes_on_after_a_refusal),
        TEST(keepalive_looks_and_notices_the_end),
        TEST(no_descriptor_is_our_own_failure),
        TEST(free_is_safe_in_any_state),
    };

    alarm(120); /* a test that waits for ever is a failure, not a hang */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
