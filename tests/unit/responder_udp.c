/* SPDX-License-Identifier: Apache-2.0 */
/* The responder over UDP: one reply to one well-formed request, from the
 * address that was asked, and nothing for anything else. */
#include "responder_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>

static void send_frame(int fd, enum ch_frame_type type, uint64_t sequence)
{
    struct ch_frame frame = {.type = type, .sequence = sequence, .sent = (int64_t)sequence + 1};
    uint8_t bytes[CH_FRAME_SIZE];

    ch_frame_encode(&frame, bytes);
    send_all(fd, bytes, sizeof(bytes));
}

/* The next datagram is the reply to that request, and no byte longer. */
static void expect_datagram(int fd, uint64_t sequence)
{
    uint8_t bytes[CH_FRAME_SIZE + 1];
    struct ch_frame frame;

    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), CH_FRAME_SIZE);
    assert_true(ch_frame_decode(bytes, &frame));
    assert_int_equal(frame.type, CH_FRAME_REPLY);
    assert_true(frame.sequence == sequence);
    assert_true(frame.sent == (int64_t)sequence + 1);
    assert_true(frame.received > 0 && frame.replied >= frame.received);
    assert_memory_equal(&frame.ids, ch_frame_own_ids(), sizeof(frame.ids));
}

/* The clients are connected sockets: they hear only the address they asked. */
static void a_reply_comes_from_the_address_that_was_asked(void **state)
{
    static const struct {
        const char *bound, *asked;
    } cases[] = {
        {"::", "127.0.0.1"},      {"::", "127.0.0.2"},      {"::", "::1"},
        {"0.0.0.0", "127.0.0.1"}, {"0.0.0.0", "127.9.9.9"}, {"127.0.0.3", "127.0.0.3"},
        {"::1", "::1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ch_addr addr = address(cases[i].bound, 0);
        struct fixture *f = start_at(&addr, &generous, NULL);
        int fd = client_socket(cases[i].asked, f->port, SOCK_DGRAM);

        send_frame(fd, CH_FRAME_REQUEST, 40 + i);
        turn_until(f, &f->counters.heartbeats, 1);
        expect_datagram(fd, 40 + i);
        assert_int_equal(count_of(&f->counters.malformed), 0);
        close(fd);
        stop(f);
    }
}

static void garbage_is_not_answered(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = client_socket("127.0.0.1", f->port, SOCK_DGRAM);
    uint8_t bytes[2000] = {0};
    uint64_t garbage = 0;

    (void)state;
    make_request(1, bytes);
    for (size_t len = 0; len <= sizeof(bytes); len += len < 80 ? 1 : 480) {
        if (len == CH_FRAME_SIZE)
            continue;
        send_all(fd, bytes, len);
        garbage++;
        turn_until(f, &f->counters.malformed, garbage);
    }
    for (size_t at = 0; at < 8; at++) {
        make_request(1, bytes);
        bytes[at] = (uint8_t)(bytes[at] + 7);
        send_all(fd, bytes, CH_FRAME_SIZE);
        garbage++;
    }
    send_frame(fd, CH_FRAME_REPLY, 2);
    send_frame(fd, CH_FRAME_GOODBYE, 3);
    turn_until(f, &f->counters.malformed, garbage + 2);
    assert_int_equal(count_of(&f->counters.heartbeats), 0);
    send_frame(fd, CH_FRAME_REQUEST, 4);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_datagram(fd, 4); /* the first datagram that ever came back */
    assert_int_equal(all_ends(f), 0);
    close(fd);
    stop(f);
}

static void a_broadcast_is_not_answered(void **state)
{
    struct ch_addr any = address("0.0.0.0", 0);
    struct fixture *dual = start(&generous, NULL), *ipv4 = start_at(&any, &generous, NULL);
    struct fixture *both[] = {dual, ipv4};
    int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint8_t bytes[CH_FRAME_SIZE];

    (void)state;
    make_request(1, bytes);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET,
                                 .sin_port = htons(both[i]->port),
                                 .sin_addr.s_addr = htonl(0x7fffffff)};

        assert_int_equal(sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&sa, sizeof(sa)),
                         CH_FRAME_SIZE);
    }
    turn_until(ipv4, &ipv4->counters.malformed, 1);
    turn_until(dual, &dual->counters.malformed, 1);
    assert_int_equal(all_ends(ipv4) + all_ends(dual), 0);
    assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
    assert_int_equal(count_of(&dual->counters.heartbeats), 0);
    assert_int_equal(count_of(&ipv4->counters.heartbeats), 0);
    close(fd);
    stop(ipv4);
    stop(dual);
}

/* A network of this thread alone, with an interface that takes multicast. */
static void enter_own_network(void)
{
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    assert_int_equal(system("ip link set lo up && "
                            "ip link add v0 type veth peer name v1 && "
                            "ip link set v1 up && ip link set v0 up && "
                            "ip -6 addr add fe80::1/64 dev v0 nodad"),
                     0);
}

/* A link that came up just now may lose datagrams: false says, send it again. */
static bool came(struct fixture *f, const _Atomic uint64_t *counter)
{
    static int tries;

    assert_true(tries++ < 100);
    for (int i = 0; i < 10 && count_of(counter) == 0; i++)
        assert_int_equal(ch_loop_turn(f->loop, 10 * CH_NS_PER_MS), 0);
    return count_of(counter) > 0;
}

/* All nodes of an interface, which every IPv6 host belongs to (RFC 4291, 2.8). */
static void a_multicast_is_not_answered_and_link_local_is(void **state)
{
    int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct sockaddr_in6 all_nodes = {.sin6_family = AF_INET6};
    uint8_t bytes[CH_FRAME_SIZE];
    struct fixture *f;
    int fd, asker;

    (void)state;
    if (geteuid() != 0) {
        print_message("a network of one's own needs root\n");
        close(before);
        skip();
    }
    enter_own_network();
    f = start(&generous, NULL);
    fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(AF_INET6, "ff01::1", &all_nodes.sin6_addr), 1);
    all_nodes.sin6_port = htons(f->port);
    all_nodes.sin6_scope_id = if_nametoindex("v0");
    make_request(1, bytes);
    do
        assert_int_equal(
            sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&all_nodes, sizeof(all_nodes)),
            CH_FRAME_SIZE);
    while (!came(f, &f->counters.malformed));
    assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
    assert_int_equal(count_of(&f->counters.heartbeats), 0);

    asker = client_socket("fe80::1%v0", f->port, SOCK_DGRAM);
    do
        send_frame(asker, CH_FRAME_REQUEST, 6);
    while (!came(f, &f->counters.heartbeats));
    expect_datagram(asker, 6);
    close(asker);
    close(fd);
    stop(f);
    assert_int_equal(setns(before, CLONE_NEWNET), 0);
    close(before);
}

static void a_flood_is_served_by_a_bounded_batch_a_turn(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd = client_socket("127.0.0.1", f->port, SOCK_DGRAM);
    uint64_t before = 0, now;

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        send_frame(fd, CH_FRAME_REQUEST, i);
    for (int turns = 0; before < 100; turns++) {
        assert_true(turns < 1000);
        assert_int_equal(ch_loop_turn(f->loop, 10 * CH_NS_PER_MS), 0);
        now = count_of(&f->counters.heartbeats);
        assert_true(now - before <= 32);
        before = now;
    }
    for (uint64_t i = 0; i < 100; i++)
        expect_datagram(fd, i);
    close(fd);
    stop(f);
}

/* The kernel's answer to the reply is an ICMP port unreachable each time. */
static void clients_that_are_gone_do_no_harm(void **state)
{
    struct fixture *f = start(&generous, NULL);
    int fd;

    (void)state;
    for (uint64_t i = 1; i <= 20; i++) {
        fd = client_socket(i % 2 ? "127.0.0.1" : "::1", f->port, SOCK_DGRAM);
        send_frame(fd, CH_FRAME_REQUEST, i);
        close(fd);
        turn_until(f, &f->counters.heartbeats, i);
    }
    fd = client_socket("127.0.0.1", f->port, SOCK_DGRAM);
    send_frame(fd, CH_FRAME_REQUEST, 100);
    turn_until(f, &f->counters.heartbeats, 21);
    expect_datagram(fd, 100);
    close(fd);
    stop(f);
}

/* A reply that cannot be sent is counted and the next ones are not held up:
 * port 0 is nobody's, and sending to it is EINVAL. */
static void a_reply_that_cannot_leave_is_counted(void **state)
{
    struct fixture *f = start(&generous, NULL);
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons(f->port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct {
        uint16_t source, destination, length, checksum; /* 0: none (RFC 768) */
        uint8_t frame[CH_FRAME_SIZE];
    } datagram = {0, htons(f->port), htons(8 + CH_FRAME_SIZE), 0, {0}};
    int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP), fd;

    (void)state;
    if (raw < 0) {
        assert_int_equal(errno, EPERM);
        print_message("raw sockets need root: the datagram from port 0 was not sent\n");
        stop(f);
        skip();
    }
    fd = client_socket("127.0.0.1", f->port, SOCK_DGRAM);
    make_request(1, datagram.frame);
    assert_int_equal(
        sendto(raw, &datagram, sizeof(datagram), 0, (struct sockaddr *)&server, sizeof(server)),
        sizeof(datagram));
    send_frame(fd, CH_FRAME_REQUEST, 2);
    turn_until(f, &f->counters.heartbeats, 1);
    expect_datagram(fd, 2);
    assert_only_end(f, CH_PHASE_SEND, CH_CATEGORY_OTHER);
    close(raw);
    close(fd);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_comes_from_the_address_that_was_asked),
        cmocka_unit_test(garbage_is_not_answered),
        cmocka_unit_test(a_broadcast_is_not_answered),
        cmocka_unit_test(a_multicast_is_not_answered_and_link_local_is),
        cmocka_unit_test(a_flood_is_served_by_a_bounded_batch_a_turn),
        cmocka_unit_test(clients_that_are_gone_do_no_harm),
        cmocka_unit_test(a_reply_that_cannot_leave_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
