/* SPDX-License-Identifier: Apache-2.0 */
/* Under which phase and category the responder counts the end of a connection. */
#include "responder_fixture.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fin_is_an_eof_only_in_the_middle_of_a_frame),
        cmocka_unit_test(a_reset_is_counted_where_it_struck),
        cmocka_unit_test(a_reply_left_unread_is_a_reset_between_two_requests),
        cmocka_unit_test(a_client_closed_and_reset_is_a_broken_pipe_and_kills_nobody),
        cmocka_unit_test(a_reset_after_a_clean_fin_is_a_clean_end),
        cmocka_unit_test(a_reset_before_accept_is_aborted_and_accepting_goes_on),
        cmocka_unit_test(a_vanished_idle_client_times_out_by_keepalive),
        cmocka_unit_test(a_client_vanished_with_a_reply_under_way_times_out_in_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
