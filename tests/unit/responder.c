/* SPDX-License-Identifier: Apache-2.0 */
/* The responder over TCP, on real loopback sockets: what it answers, what it
 * bears, and under which phase and category it counts each end. */
#include "responder_fixture.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/resource.h>

static int connect_and_enter(struct fixture *f)
{
    uint64_t before = count_of(&f->counters.connections);
    int fd = client_socket("127.0.0.1", f->port, SOCK_STREAM);

    turn_until(f, &f->counters.connections, before + 1);
    return fd;
}

/* A reset instead of a FIN (socket(7): SO_LINGER). */
static void close_by_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(fd);
}

static uint8_t server_state(struct fixture *f)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    assert_non_null(f->responder->conns);
    assert_int_equal(getsockopt(f->responder->conns->io.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_state;
}

/* The kernel's own word that the client's reset has arrived. */
static void wait_for_state(struct fixture *f, uint8_t state)
{
    int64_t begun = ch_clock_monotonic();

    while (server_state(f) != state)
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
}

static void expect_end_of_stream(int fd)
{
    uint8_t byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

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

/* Requests until the responder waits to send. Returns how many it has read. */
static void stall_the_responder(struct fixture *f, int fd)
{
    uint8_t bytes[CH_FRAME_SIZE];

    make_request(1, bytes);
    while (f->responder->conns->stalled_since == 0) {
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            assert_int_equal(errno, EAGAIN);
        assert_int_equal(ch_loop_turn(f->loop, 0), 0);
    }
}

static void a_client_that_does_not_read_would_block(void **state)
{
    struct responder_patience patience = responder_default_patience;
    struct fixture *f;
    int fd;

    (void)state;
    patience.stall_ns = 50 * CH_NS_PER_MS;
    f = start(&generous, &patience);
    fd = connect_and_enter(f);
    stall_the_responder(f, fd);
    turn_until_end(f, CH_PHASE_SEND, CH_CATEGORY_WOULD_BLOCK);
    assert_only_end(f, CH_PHASE_SEND, CH_CATEGORY_WOULD_BLOCK);
    assert_int_equal(count_of(&f->counters.connections), 0);
    close(fd);
    stop(f);
}

static void the_idle_limit_bounds_a_stall_too(void **state)
{
    struct ch_responder_limits limits = generous;
    struct fixture *f;
    int fd;

    (void)state;
    limits.idle_ns = 200 * CH_NS_PER_MS;
    f = start(&limits, NULL);
    fd = connect_and_enter(f);
    stall_the_responder(f, fd);
    turn_until_end(f, CH_PHASE_SEND, CH_CATEGORY_WOULD_BLOCK);
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

static void a_fin_is_an_eof_only_in_the_middle_of_a_frame(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = connect_and_enter(f);

    (void)state;
    send_all(fd, "CHB1\1", 5);
    close(fd);
    turn_until_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_EOF);
    assert_only_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_EOF);

    fd = connect_and_enter(f);
    close(fd);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_NONE);
    assert_int_equal(all_ends(f), 2);
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

static void a_reset_is_counted_where_it_struck(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = connect_and_enter(f);

    (void)state;
    close_by_reset(fd);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_RESET);
    assert_only_end(f, CH_PHASE_IDLE, CH_CATEGORY_RESET);

    fd = connect_and_enter(f);
    send_all(fd, "CHB1", 4);
    turn_some(f);
    while (f->responder->conns->in_len != 4)
        turn_some(f);
    close_by_reset(fd);
    turn_until_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_RESET);
    assert_int_equal(all_ends(f), 2);

    fd = connect_and_enter(f);
    stall_the_responder(f, fd);
    close(fd); /* with replies unread: Linux resets (RFC 2525, 2.17) */
    turn_until_end(f, CH_PHASE_SEND, CH_CATEGORY_RESET);
    assert_int_equal(all_ends(f), 3);
    stop(f);
}

static void a_reply_left_unread_is_a_reset_between_two_requests(void **state)
{
    struct fixture *f = start(&generous, NULL);
    uint8_t byte;
    int fd = connect_and_enter(f);

    (void)state;
    send_request(fd, 1);
    turn_until(f, &f->counters.heartbeats, 1);
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), 1);
    close(fd);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_RESET);
    assert_only_end(f, CH_PHASE_IDLE, CH_CATEGORY_RESET);
    stop(f);
}

/* FIN, then RST, before the reply is sent: EPIPE, with SIGPIPE at its default,
 * which would end this process. */
static void a_client_closed_and_reset_is_a_broken_pipe_and_kills_nobody(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = connect_and_enter(f);

    (void)state;
    send_request(fd, 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    wait_for_state(f, TCP_CLOSE_WAIT);
    close_by_reset(fd);
    wait_for_state(f, TCP_CLOSE);
    turn_until_end(f, CH_PHASE_SEND, CH_CATEGORY_BROKEN_PIPE);
    assert_only_end(f, CH_PHASE_SEND, CH_CATEGORY_BROKEN_PIPE);
    stop(f);
}

static void a_reset_after_a_clean_fin_is_a_clean_end(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = connect_and_enter(f);

    (void)state;
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    wait_for_state(f, TCP_CLOSE_WAIT);
    close_by_reset(fd);
    wait_for_state(f, TCP_CLOSE);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_NONE);
    assert_int_equal(all_ends(f), 1);
    stop(f);
}

/* True while the kernel lists a connection between the two ports. */
static bool listed(uint16_t client, uint16_t server)
{
    FILE *file = fopen("/proc/net/tcp", "re");
    char line[256], from[8], to[8];
    bool found = false;

    assert_non_null(file);
    snprintf(from, sizeof(from), ":%04X ", client);
    snprintf(to, sizeof(to), ":%04X ", server);
    while (fgets(line, sizeof(line), file))
        found |= strstr(line, from) && strstr(line, to);
    fclose(file);
    return found;
}

static void a_reset_before_accept_is_aborted_and_accepting_goes_on(void **state)
{
    struct ch_addr addr = address("127.0.0.1", 0);
    struct fixture *f = start_at(&addr, &generous, NULL);
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int64_t begun = ch_clock_monotonic();
    int aborted, healthy;

    (void)state;
    aborted = client_socket("127.0.0.1", f->port, SOCK_STREAM);
    assert_int_equal(getsockname(aborted, (struct sockaddr *)&sa, &len), 0);
    send_request(aborted, 1); /* data before the reset changes nothing */
    close_by_reset(aborted);
    while (listed(ntohs(sa.sin_port), f->port))
        assert_true(ch_clock_monotonic() - begun < GUARD_NS);
    healthy = connect_and_enter(f);
    assert_only_end(f, CH_PHASE_ACCEPT, CH_CATEGORY_ABORTED);
    assert_int_equal(count_of(&f->counters.accepts), 2);
    assert_int_equal(count_of(&f->counters.heartbeats), 0);
    send_request(healthy, 2);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_reply(healthy, 2);
    close(healthy);
    stop(f);
}

static void connections_are_limited_in_all(void **state)
{
    struct ch_responder_limits limits = generous;
    struct fixture *f;
    int one, two, three;

    (void)state;
    limits.connections = 2;
    f = start(&limits, NULL);
    one = connect_and_enter(f);
    two = connect_and_enter(f);
    three = client_socket("::1", f->port, SOCK_STREAM);
    turn_until(f, &f->counters.refused, 1);
    expect_end_of_stream(three);
    assert_int_equal(count_of(&f->counters.connections), 2);
    assert_int_equal(all_ends(f), 0);
    close(three);
    close(one);
    turn_until(f, &f->counters.connections, 1);
    one = connect_and_enter(f);
    assert_int_equal(count_of(&f->counters.refused), 1);
    close(one);
    close(two);
    stop(f);
}

static void connections_are_limited_by_ipv4_address(void **state)
{
    struct ch_responder_limits limits = generous;
    struct sockaddr_in other = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct fixture *f;
    int one, two, three;

    (void)state;
    limits.connections_per_address = 1;
    f = start(&limits, NULL);
    one = connect_and_enter(f);
    two = client_socket("127.0.0.1", f->port, SOCK_STREAM);
    turn_until(f, &f->counters.refused, 1);
    expect_end_of_stream(two);

    three = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server.sin_port = htons(f->port);
    assert_int_equal(bind(three, (struct sockaddr *)&other, sizeof(other)), 0);
    assert_int_equal(connect(three, (struct sockaddr *)&server, sizeof(server)), 0);
    turn_until(f, &f->counters.connections, 2);
    assert_int_equal(count_of(&f->counters.refused), 1);

    close(one);
    turn_until(f, &f->counters.connections, 1);
    one = connect_and_enter(f);
    close(one);
    close(two);
    close(three);
    stop(f);
}

/* Addresses of which a loopback has only one: the sockets are handed in. */
static void an_ipv6_client_is_its_64_bit_network(void **state)
{
    static const struct {
        const char *address;
        bool admitted;
    } cases[] = {
        {"2001:db8::1", true},      {"2001:db8::ffff:0:0:1", false}, {"2001:db8:0:1::1", true},
        {"2001:db8:0:1::2", false}, {"32.1.13.184", true}, /* the same first bytes */
        {"32.1.13.185", true},
    };
    struct ch_responder_limits limits = generous;
    struct fixture *f;
    uint64_t admitted = 0, refused = 0;

    (void)state;
    limits.connections_per_address = 1;
    f = start(&limits, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ch_addr peer = address(cases[i].address, (uint16_t)(1000 + i));
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        responder_admit(f->responder, pair[0], &peer);
        admitted += cases[i].admitted;
        refused += !cases[i].admitted;
        assert_int_equal(count_of(&f->counters.connections), admitted);
        assert_int_equal(count_of(&f->counters.refused), refused);
        close(pair[1]);
    }
    turn_until(f, &f->counters.connections, 0);
    assert_null(f->responder->clients);
    stop(f);
}

static void idle_clients_are_dropped(void **state)
{
    struct ch_responder_limits limits = generous;
    struct fixture *f;
    int silent, begun;

    (void)state;
    limits.idle_ns = 50 * CH_NS_PER_MS;
    f = start(&limits, NULL);
    silent = connect_and_enter(f);
    begun = connect_and_enter(f);
    send_all(begun, "CHB1\1", 5);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_TIMEOUT);
    turn_until_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_TIMEOUT);
    assert_int_equal(all_ends(f), 2);
    expect_end_of_stream(silent);
    expect_end_of_stream(begun);
    close(silent);
    close(begun);
    stop(f);
}

static void a_client_that_asks_is_not_idle_and_one_that_dribbles_is(void **state)
{
    struct ch_responder_limits limits = generous;
    struct fixture *f;
    int asks, dribbles;

    (void)state;
    limits.idle_ns = 300 * CH_NS_PER_MS;
    f = start(&limits, NULL);
    asks = connect_and_enter(f);
    dribbles = connect_and_enter(f);
    for (int i = 0; all_ends(f) == 0; i++) {
        uint8_t bytes[CH_FRAME_SIZE];

        assert_true(i < CH_FRAME_SIZE - 1); /* 72 bytes take 720 ms at the least */
        make_request(1, bytes);
        send_all(dribbles, bytes + i, 1);
        send_request(asks, (uint64_t)i);
        turn_until(f, &f->counters.heartbeats, (uint64_t)i + 1);
        expect_reply(asks, (uint64_t)i);
        for (int64_t until = ch_clock_monotonic() + 10 * CH_NS_PER_MS;
             ch_clock_monotonic() < until;)
            assert_int_equal(ch_loop_turn(f->loop, CH_NS_PER_MS), 0);
    }
    assert_only_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_TIMEOUT);
    assert_int_equal(count_of(&f->counters.connections), 1);
    close(asks);
    close(dribbles);
    stop(f);
}

/* The client's socket throws all segments away before TCP sees them: to the
 * responder it has vanished. */
static void fall_silent(int fd)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &nothing};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

static const struct responder_patience impatient = {
    .stall_ns = 3600 * CH_NS_PER_S,
    .pause_ns = 100 * CH_NS_PER_MS,
    .keepalive_idle_s = 1,
    .keepalive_interval_s = 1,
    .keepalive_count = 1,
    .user_timeout_ms = 700,
};

static void a_vanished_idle_client_times_out_by_keepalive(void **state)
{
    struct fixture *f = start(&generous, &impatient);
    int fd = connect_and_enter(f);

    (void)state;
    fall_silent(fd);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_TIMEOUT);
    assert_only_end(f, CH_PHASE_IDLE, CH_CATEGORY_TIMEOUT);
    close(fd);
    stop(f);
}

static void a_client_vanished_with_a_reply_under_way_times_out_in_send(void **state)
{
    struct fixture *f = start(&generous, &impatient);
    int fd = connect_and_enter(f);

    (void)state;
    fall_silent(fd);
    send_request(fd, 1);
    turn_until_end(f, CH_PHASE_SEND, CH_CATEGORY_TIMEOUT);
    assert_only_end(f, CH_PHASE_SEND, CH_CATEGORY_TIMEOUT);
    close(fd);
    stop(f);
}

static int highest_descriptor(void)
{
    int fd = dup(0);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void without_descriptors_it_pauses_and_recovers(void **state)
{
    struct responder_patience patience = responder_default_patience;
    struct rlimit before, none;
    struct fixture *f;
    int fd;

    (void)state;
    patience.pause_ns = 3600 * CH_NS_PER_S;
    f = start(&generous, &patience);
    fd = client_socket("127.0.0.1", f->port, SOCK_STREAM);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)highest_descriptor();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn_until_end(f, CH_PHASE_ACCEPT, CH_CATEGORY_LOCAL_RESOURCE);
    /* the listener is readable still, and nobody asks it */
    for (int i = 0; i < 100; i++)
        assert_int_equal(ch_loop_turn(f->loop, 0), 0);
    assert_only_end(f, CH_PHASE_ACCEPT, CH_CATEGORY_LOCAL_RESOURCE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(
        ch_loop_timer_arm(f->loop, &f->responder->listeners->resume, ch_clock_monotonic()), 0);
    turn_until(f, &f->counters.connections, 1);
    send_request(fd, 3);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_reply(fd, 3);
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
        cmocka_unit_test(a_client_that_does_not_read_would_block),
        cmocka_unit_test(the_idle_limit_bounds_a_stall_too),
        cmocka_unit_test(garbage_ends_the_connection_at_its_first_wrong_byte),
        cmocka_unit_test(a_reply_from_a_client_is_garbage_and_its_goodbye_is_not),
        cmocka_unit_test(a_fin_is_an_eof_only_in_the_middle_of_a_frame),
        cmocka_unit_test(a_half_closed_client_still_gets_its_reply),
        cmocka_unit_test(a_reset_is_counted_where_it_struck),
        cmocka_unit_test(a_reply_left_unread_is_a_reset_between_two_requests),
        cmocka_unit_test(a_client_closed_and_reset_is_a_broken_pipe_and_kills_nobody),
        cmocka_unit_test(a_reset_after_a_clean_fin_is_a_clean_end),
        cmocka_unit_test(a_reset_before_accept_is_aborted_and_accepting_goes_on),
        cmocka_unit_test(connections_are_limited_in_all),
        cmocka_unit_test(connections_are_limited_by_ipv4_address),
        cmocka_unit_test(an_ipv6_client_is_its_64_bit_network),
        cmocka_unit_test(idle_clients_are_dropped),
        cmocka_unit_test(a_client_that_asks_is_not_idle_and_one_that_dribbles_is),
        cmocka_unit_test(a_vanished_idle_client_times_out_by_keepalive),
        cmocka_unit_test(a_client_vanished_with_a_reply_under_way_times_out_in_send),
        cmocka_unit_test(without_descriptors_it_pauses_and_recovers),
        cmocka_unit_test(at_its_end_it_says_goodbye_to_those_that_have_spoken),
        cmocka_unit_test(a_taken_port_is_an_error_and_leaves_the_rest_alone),
        cmocka_unit_test(a_busy_client_leaves_turns_to_others),
        cmocka_unit_test(counters_may_be_read_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
