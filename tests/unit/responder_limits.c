/* SPDX-License-Identifier: Apache-2.0 */
/* What the responder allows one client, all clients, and itself. */
#include "responder_fixture.h"

#include <netinet/in.h>
#include <sys/resource.h>

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
    limits.idle_ns = CH_NS_PER_S; /* by then it is stalled, on any machine */
    f = start(&limits, NULL);
    fd = connect_and_enter(f);
    stall_the_responder(f, fd);
    turn_until_end(f, CH_PHASE_SEND, CH_CATEGORY_WOULD_BLOCK);
    close(fd);
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

static void whoever_was_silent_for_longest_makes_room(void **state)
{
    struct ch_responder_limits limits = generous;
    struct responder_patience impatient = responder_default_patience;
    struct fixture *f;
    int asks, silent, third;

    (void)state;
    limits.connections = 2;
    limits.idle_ns = 0;
    impatient.room_ns = 0;
    f = start(&limits, &impatient);
    asks = connect_and_enter(f);
    silent = connect_and_enter(f);
    send_request(asks, 1);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_reply(asks, 1);
    third = client_socket("::1", f->port, SOCK_STREAM);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_TIMEOUT);
    expect_end_of_stream(silent);
    assert_int_equal(all_ends(f), 1);
    assert_int_equal(count_of(&f->counters.refused), 0);
    assert_int_equal(count_of(&f->counters.connections), 2);
    send_request(asks, 2);
    turn_until(f, &f->counters.heartbeats, 2);
    expect_reply(asks, 2);
    close(third);
    close(silent);
    close(asks);
    stop(f);
}

/* Its request has come and was not read: a bare RST would look like a middlebox's. */
static void who_makes_room_sees_a_fin(void **state)
{
    struct ch_responder_limits limits = generous;
    struct responder_patience impatient = responder_default_patience;
    struct fixture *f;
    int first, second;

    (void)state;
    limits.connections = 1;
    impatient.room_ns = 0;
    f = start(&limits, &impatient);
    first = connect_and_enter(f);
    /* the listener is ready first, and is served first */
    second = client_socket("::1", f->port, SOCK_STREAM);
    send_request(first, 1);
    turn_until_end(f, CH_PHASE_IDLE, CH_CATEGORY_TIMEOUT);
    assert_int_equal(count_of(&f->counters.heartbeats), 0);
    expect_end_of_stream(first);
    close(second);
    close(first);
    stop(f);
}

static void without_an_idle_limit_half_a_request_still_has_one(void **state)
{
    struct ch_responder_limits limits = generous;
    struct responder_patience impatient = responder_default_patience;
    struct fixture *f;
    int silent, begun;

    (void)state;
    limits.idle_ns = 0;
    impatient.stall_ns = 50 * CH_NS_PER_MS;
    f = start(&limits, &impatient);
    silent = connect_and_enter(f);
    begun = connect_and_enter(f);
    send_all(begun, "CHB1\1", 5);
    turn_until_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_TIMEOUT);
    assert_int_equal(all_ends(f), 1);
    expect_end_of_stream(begun);
    send_request(silent, 1);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_reply(silent, 1);
    close(silent);
    close(begun);
    stop(f);
}

static void idle_clients_are_dropped(void **state)
{
    struct ch_responder_limits limits = generous;
    struct fixture *f;
    int silent, begun;

    (void)state;
    limits.idle_ns = CH_NS_PER_S; /* the first is there still when the second comes */
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
    limits.idle_ns = 3 * CH_NS_PER_S;
    f = start(&limits, NULL);
    asks = connect_and_enter(f);
    dribbles = connect_and_enter(f);
    for (int i = 0; all_ends(f) == 0; i++) {
        uint8_t bytes[CH_FRAME_SIZE];

        assert_true(i < CH_FRAME_SIZE - 1); /* 72 bytes take 4.3 s at the least */
        make_request(1, bytes);
        send_all(dribbles, bytes + i, 1);
        send_request(asks, (uint64_t)i);
        turn_until(f, &f->counters.heartbeats, (uint64_t)i + 1);
        expect_reply(asks, (uint64_t)i);
        for (int64_t until = ch_clock_monotonic() + 60 * CH_NS_PER_MS;
             ch_clock_monotonic() < until;)
            assert_int_equal(ch_loop_turn(f->loop, CH_NS_PER_MS), 0);
    }
    assert_only_end(f, CH_PHASE_RECEIVE, CH_CATEGORY_TIMEOUT);
    assert_int_equal(count_of(&f->counters.connections), 1);
    close(asks);
    close(dribbles);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_does_not_read_would_block),
        cmocka_unit_test(the_idle_limit_bounds_a_stall_too),
        cmocka_unit_test(whoever_was_silent_for_longest_makes_room),
        cmocka_unit_test(who_makes_room_sees_a_fin),
        cmocka_unit_test(without_an_idle_limit_half_a_request_still_has_one),
        cmocka_unit_test(connections_are_limited_in_all),
        cmocka_unit_test(connections_are_limited_by_ipv4_address),
        cmocka_unit_test(an_ipv6_client_is_its_64_bit_network),
        cmocka_unit_test(idle_clients_are_dropped),
        cmocka_unit_test(a_client_that_asks_is_not_idle_and_one_that_dribbles_is),
        cmocka_unit_test(without_descriptors_it_pauses_and_recovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
