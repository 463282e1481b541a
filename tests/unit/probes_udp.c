/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat over UDP: one socket, what becomes of it, and what is told. */
#include "probes_fixture.h"

/* So many of the next sends find no room, as on a link whose queue is full. */
static unsigned sends_without_room;

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    if (sends_without_room > 0) {
        sends_without_room--;
        errno = EAGAIN;
        return -1;
    }
    return __real_send(fd, data, len, flags);
}

struct request {
    struct sockaddr_storage from;
    socklen_t len;
};

static struct request receive(int server)
{
    struct request request = {.len = sizeof(request.from)};
    char data[256];

    for (int i = 0; i < 1000; i++) {
        if (recvfrom(server, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&request.from,
                     &request.len) > 0)
            return request;
        turn();
    }
    fail_msg("no datagram came");
    return request;
}

static void answer(int server, const struct request *request, const char *text)
{
    assert_int_equal(sendto(server, text, strlen(text), 0, (const struct sockaddr *)&request->from,
                            request->len),
                     (ssize_t)strlen(text));
}

static in_port_t port_of(const struct request *request)
{
    return ((const struct sockaddr_in *)&request->from)->sin_port;
}

static struct ch_probe *udp_probe(struct ch_probe_spec *spec,
                                  const struct ch_heartbeat_options *options, int *server)
{
    uint16_t port = 0;

    *server = listen_on(SOCK_DGRAM, &port);
    *spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_UDP, port, options);
    return make(spec);
}

/* The late answer to one request looks like that to the next. */
static void a_late_answer_is_not_the_next_ones(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_probe_spec spec;
    struct request first, second;
    int server;
    struct ch_probe *probe = udp_probe(&spec, &options, &server);

    (void)state;
    start(probe);
    first = receive(server);
    expire(probe);
    until_finished(1);
    assert_int_equal(seen.end, CH_END_DEADLINE);
    assert_int_equal(seen.phase, CH_PHASE_RECEIVE);
    assert_true(seen.request_sent && !seen.send_incomplete);
    start(probe);
    second = receive(server);
    assert_int_not_equal(port_of(&first), port_of(&second));
    answer(server, &first, "+PONG");
    for (int i = 0; i < 3; i++)
        turn();
    assert_int_equal(finished_count, 1);
    answer(server, &second, "+PONG");
    until_finished(2);
    assert_int_equal(seen.end, CH_END_OK);
    ch_probe_free(probe);
    close(server);
    clear(&options);
}

static void room_is_waited_for_until_there_is_some(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_probe_spec spec;
    struct request request;
    int server;
    struct ch_probe *probe = udp_probe(&spec, &options, &server);

    (void)state;
    sends_without_room = 3;
    start(probe);
    request = receive(server);
    assert_int_equal(sends_without_room, 0);
    assert_int_equal(stalls, 1);
    answer(server, &request, "+PONG");
    until_finished(1);
    assert_int_equal(seen.end, CH_END_OK);
    assert_true(seen.stalled);

    /* It left after all: what stays out is the answer. */
    sends_without_room = 1;
    start(probe);
    receive(server);
    expire(probe);
    until_finished(2);
    assert_int_equal(seen.phase, CH_PHASE_RECEIVE);
    assert_true(seen.stalled && seen.request_sent && !seen.send_incomplete);

    sends_without_room = UINT32_MAX;
    start(probe);
    turn();
    expire(probe);
    sends_without_room = 0;
    until_finished(3);
    assert_int_equal(seen.end, CH_END_DEADLINE);
    assert_int_equal(seen.phase, CH_PHASE_SEND);
    assert_true(seen.stalled && seen.send_incomplete && !seen.request_sent);
    ch_probe_free(probe);
    close(server);
    clear(&options);
}

/* Undefined behaviour lies near: there is nothing to look at. */
static void an_empty_datagram_is_a_wrong_answer(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_probe_spec spec;
    struct request request;
    int server;
    struct ch_probe *probe = udp_probe(&spec, &options, &server);

    (void)state;
    start(probe);
    request = receive(server);
    answer(server, &request, "");
    until_finished(1);
    assert_int_equal(seen.end, CH_END_MISMATCH);
    assert_int_equal(seen.reply_len, 0);
    ch_probe_free(probe);
    close(server);
    clear(&options);
}

static void a_refusal_is_one_also_when_the_loop_comes_late(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_probe_spec spec =
        spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_UDP, closed_port(SOCK_DGRAM), &options);
    struct ch_probe *probe = make(&spec);

    (void)state;
    start(probe);
    expire(probe); /* over loopback the ICMP has come within the send */
    until_finished(1);
    assert_int_equal(seen.end, CH_END_ERRNO);
    assert_int_equal(seen.error, ECONNREFUSED);
    assert_int_equal(seen.icmp.code, 3);
    assert_int_equal(icmps, 1);
    ch_probe_free(probe);
    clear(&options);
}

/* Its interface may come back, with another index. */
static void a_scope_without_interface_is_an_error_of_this_host(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_connect_options connect = {0};
    struct ch_probe_spec udp = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_UDP, 9, &options);
    struct ch_probe_spec tcp = spec_of(CH_PROBE_CONNECT, CH_TRANSPORT_TCP, 9, &connect);
    struct ch_probe *probe;

    (void)state;
    assert_null(ch_hostport_parse("[fe80::1%nowhere0]:9", &udp.address));
    tcp.address = udp.address;
    for (unsigned i = 0; i < 2; i++) {
        probe = make(i == 0 ? &udp : &tcp);
        for (unsigned j = 1; j <= 2; j++) {
            start(probe);
            until_finished(2 * i + j);
            assert_int_equal(seen.end, CH_END_ERRNO);
            assert_int_equal(seen.error, ENODEV);
            assert_true(seen.synchronous);
            assert_int_equal(seen.peer.family, AF_UNSPEC);
        }
        ch_probe_free(probe);
    }
    clear(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_late_answer_is_not_the_next_ones),
        TEST(room_is_waited_for_until_there_is_some),
        TEST(an_empty_datagram_is_a_wrong_answer),
        TEST(a_refusal_is_one_also_when_the_loop_comes_late),
        TEST(a_scope_without_interface_is_an_error_of_this_host),
    };

    alarm(120); /* a test that waits for ever is a failure, not a hang */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
