/* SPDX-License-Identifier: Apache-2.0 */
/* What a last record proves, one row for each way to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "sockets/ends.h"
#include "sockets_fixture.h"

enum { unseen, seen_5s_ago };

struct row {
    const char *what;
    enum ch_socket_end end;
    enum ch_role role;
    uint16_t remote_port; /* 0: wiped */
    uint32_t rqueue, wqueue;
    struct tcp_info info;
    int context;
    enum ch_socket_state state; /* then */
    uint32_t segs_in;           /* then */
};

/* A connection that sent 100 bytes and got 50, on a kernel that tells all. */
#define INFO(...)                                                                                  \
    {                                                                                              \
        .tcpi_rtt = 200, .tcpi_segs_in = 9, .tcpi_bytes_sent = 100, .tcpi_bytes_received = 50,     \
        .tcpi_snd_wnd = 65536, __VA_ARGS__                                                         \
    }

static const struct row table[] = {
    /* clean: bytes_acked has the FIN, and the SYN of the side that connected */
    {"active, clean", CH_SOCKET_END_CLOSED, CH_ROLE_ACTIVE, 80, 0, 0, INFO(.tcpi_bytes_acked = 102),
     unseen, 0, 0},
    {"passive, clean", CH_SOCKET_END_CLOSED, CH_ROLE_PASSIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101), unseen, 0, 0},
    {"clean after retransmissions", CH_SOCKET_END_CLOSED, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 92, .tcpi_bytes_retrans = 10, .tcpi_total_retrans = 1), unseen, 0, 0},
    {"clean, the peer's FIN not read", CH_SOCKET_END_CLOSED, CH_ROLE_PASSIVE, 80, 1, 0,
     INFO(.tcpi_bytes_acked = 101), unseen, 0, 0},
    {"one side unknown", CH_SOCKET_END_UNKNOWN, CH_ROLE_UNKNOWN, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101), unseen, 0, 0},
    {"sums that fit nothing", CH_SOCKET_END_UNKNOWN, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 77), unseen, 0, 0},

    /* not clean, nothing unanswered: a reset of somebody's */
    {"reset, idle, not seen before", CH_SOCKET_END_RESET_OR_ABORTED, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101), unseen, 0, 0},
    {"reset in answer to data, not seen before", CH_SOCKET_END_RESET_OR_ABORTED, CH_ROLE_ACTIVE, 80,
     0, 20, INFO(.tcpi_bytes_acked = 81), unseen, 0, 0},
    {"a segment came that was no acknowledgement", CH_SOCKET_END_RESET, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101, .tcpi_last_ack_recv = 6000), seen_5s_ago, CH_SOCKET_ESTABLISHED,
     8},
    {"an acknowledgement came since: not told", CH_SOCKET_END_RESET_OR_ABORTED, CH_ROLE_ACTIVE, 80,
     0, 0, INFO(.tcpi_bytes_acked = 101, .tcpi_last_ack_recv = 4999), seen_5s_ago,
     CH_SOCKET_ESTABLISHED, 7},
    {"nothing came: ours", CH_SOCKET_END_ABORTED, CH_ROLE_ACTIVE, 80, 7, 0,
     INFO(.tcpi_bytes_acked = 101, .tcpi_last_ack_recv = 6000), seen_5s_ago, CH_SOCKET_ESTABLISHED,
     9},

    /* wiped by tcp_disconnect() */
    {"SO_LINGER 0",
     CH_SOCKET_END_ABORTED,
     CH_ROLE_ACTIVE,
     0,
     0,
     65485,
     {.tcpi_snd_wnd = 65483},
     unseen,
     0,
     0},
    {"SO_LINGER 0, seen before",
     CH_SOCKET_END_ABORTED,
     CH_ROLE_ACTIVE,
     0,
     0,
     65485,
     {0},
     seen_5s_ago,
     CH_SOCKET_CLOSE_WAIT,
     4},
    {"blocking connect failed",
     CH_SOCKET_END_CONNECT_FAILED,
     CH_ROLE_ACTIVE,
     0,
     0,
     3,
     {0},
     unseen,
     0,
     0},
    {"blocking connect failed, seen before",
     CH_SOCKET_END_CONNECT_FAILED,
     CH_ROLE_ACTIVE,
     0,
     0,
     3,
     {0},
     seen_5s_ago,
     CH_SOCKET_SYN_SENT,
     0},

    /* connects */
    {"refused",
     CH_SOCKET_END_REFUSED,
     CH_ROLE_ACTIVE,
     80,
     0,
     1,
     {.tcpi_segs_out = 1, .tcpi_segs_in = 1},
     unseen,
     0,
     0},
    {"SYN unanswered",
     CH_SOCKET_END_UNANSWERED,
     CH_ROLE_ACTIVE,
     80,
     0,
     1,
     {.tcpi_segs_out = 4, .tcpi_retransmits = 3, .tcpi_total_retrans = 3},
     unseen,
     0,
     0},
    {"a child by SYN cookie without data, reset",
     CH_SOCKET_END_RESET_OR_ABORTED,
     CH_ROLE_PASSIVE,
     80,
     0,
     0,
     {.tcpi_segs_in = 2, .tcpi_snd_wnd = 1000},
     unseen,
     0,
     0},

    /* silence */
    {"retransmitting to the end, seen silent", CH_SOCKET_END_TIMEOUT, CH_ROLE_ACTIVE, 80, 0, 20,
     INFO(.tcpi_bytes_acked = 81, .tcpi_retransmits = 5, .tcpi_last_ack_recv = 9000), seen_5s_ago,
     CH_SOCKET_ESTABLISHED, 9},
    {"retransmitting, then a reset", CH_SOCKET_END_RESET, CH_ROLE_ACTIVE, 80, 0, 20,
     INFO(.tcpi_bytes_acked = 81, .tcpi_retransmits = 5, .tcpi_last_ack_recv = 9000), seen_5s_ago,
     CH_SOCKET_ESTABLISHED, 8},
    {"retransmitting, not seen before", CH_SOCKET_END_TIMEOUT_OR_RESET, CH_ROLE_ACTIVE, 80, 0, 20,
     INFO(.tcpi_bytes_acked = 81, .tcpi_retransmits = 5), unseen, 0, 0},
    {"an orphan gave up", CH_SOCKET_END_TIMEOUT, CH_ROLE_PASSIVE, 80, 0, 1,
     INFO(.tcpi_bytes_acked = 100, .tcpi_retransmits = 8, .tcpi_last_ack_recv = 9000), seen_5s_ago,
     CH_SOCKET_FIN_WAIT1, 9},
    {"keepalive unanswered, seen silent", CH_SOCKET_END_KEEPALIVE_TIMEOUT, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101, .tcpi_probes = 2, .tcpi_last_ack_recv = 9000), seen_5s_ago,
     CH_SOCKET_ESTABLISHED, 9},
    {"keepalive met a reset", CH_SOCKET_END_RESET, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101, .tcpi_probes = 1, .tcpi_last_ack_recv = 9000), seen_5s_ago,
     CH_SOCKET_ESTABLISHED, 8},
    {"keepalive, not seen before", CH_SOCKET_END_TIMEOUT_OR_RESET, CH_ROLE_ACTIVE, 80, 0, 0,
     INFO(.tcpi_bytes_acked = 101, .tcpi_probes = 2), unseen, 0, 0},

    /* data that could not go */
    {"window closed",
     CH_SOCKET_END_WINDOW_CLOSED,
     CH_ROLE_ACTIVE,
     80,
     0,
     20,
     {.tcpi_rtt = 200, .tcpi_bytes_sent = 100, .tcpi_bytes_acked = 81, .tcpi_notsent_bytes = 20},
     unseen,
     0,
     0},
    {"refused by this host", CH_SOCKET_END_NEVER_SENT, CH_ROLE_ACTIVE, 80, 0, 20,
     INFO(.tcpi_bytes_acked = 81, .tcpi_notsent_bytes = 20, .tcpi_probes = 4), unseen, 0, 0},
};

static struct datagram datagram;

/* info_len 0: as long as the build's struct tcp_info. */
static struct ch_diag_row decoded(const struct row *row, uint16_t info_len)
{
    static struct ch_diag_row rows[1];
    struct ch_diag_result result;
    struct made_row made = {
        .state = CH_SOCKET_CLOSE,
        .cookie = 1,
        .local = "10.0.0.1",
        .remote = row->remote_port ? "10.0.0.2" : NULL,
        .local_port = 4000,
        .remote_port = row->remote_port,
        .rqueue = row->rqueue,
        .wqueue = row->wqueue,
        .info = row->info,
        .info_len = info_len,
    };

    datagram.len = 0;
    add_row(&datagram, &made);
    ch_diag_decode(datagram.bytes, datagram.len, 0, rows, 1, &result);
    assert_int_equal(result.rows, 1);
    return rows[0];
}

static struct ch_end_context context_of(const struct row *row)
{
    return (struct ch_end_context){
        .known = row->context == seen_5s_ago,
        .state = row->state,
        .segs_in = row->segs_in,
        .seen_ago_ns = 5 * CH_NS_PER_S,
    };
}

static void test_each_way_to_end(void **state)
{
    bool produced[CH_SOCKET_END_COUNT] = {false};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ch_diag_row row = decoded(&table[i], 0);
        struct ch_end_context context = context_of(&table[i]);
        enum ch_socket_end end;

        print_message("%s\n", table[i].what);
        assert_true(ch_end_is_connection(&row, &context));
        end = ch_end_of(&row, table[i].role, &context);
        assert_string_equal(ch_socket_end_word(end)->slug, ch_socket_end_word(table[i].end)->slug);
        produced[end] = true;
    }
    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++)
        assert_true(produced[i]);
}

static void test_an_old_kernel_proves_less(void **state)
{
    struct ch_end_context context = {0};
    struct ch_diag_row row = decoded(&table[0], offsetof(struct tcp_info, tcpi_bytes_sent));

    (void)state;
    assert_int_equal(ch_end_of(&row, CH_ROLE_ACTIVE, &context), CH_SOCKET_END_UNKNOWN);
    row = decoded(&table[0], 1); /* no tcp_info at all */
    assert_int_equal(ch_end_of(&row, CH_ROLE_ACTIVE, &context), CH_SOCKET_END_UNKNOWN);
}

static void test_what_never_was_a_connection(void **state)
{
    const struct row quiet = {.remote_port = 0, .wqueue = 0};
    const struct row busy = {.remote_port = 80, .wqueue = 0};
    struct ch_diag_row row = decoded(&quiet, 0);
    struct ch_end_context context = {0};

    (void)state;
    assert_false(ch_end_is_connection(&row, &context)); /* socket(), close() */
    context = (struct ch_end_context){.known = true, .state = CH_SOCKET_LISTEN};
    assert_false(ch_end_is_connection(&row, &context));
    context.state = CH_SOCKET_CLOSE; /* bound alone */
    assert_false(ch_end_is_connection(&row, &context));
    context.state = CH_SOCKET_ESTABLISHED;
    assert_true(ch_end_is_connection(&row, &context));
    row = decoded(&busy, 0);
    context.known = false;
    assert_true(ch_end_is_connection(&row, &context));
}

static enum ch_role role_of(enum ch_socket_state socket_state, struct tcp_info info, uint16_t len)
{
    static struct ch_diag_row rows[1];
    struct ch_diag_result result;
    struct made_row made = {.state = socket_state, .cookie = 1, .info = info, .info_len = len};

    datagram.len = 0;
    add_row(&datagram, &made);
    ch_diag_decode(datagram.bytes, datagram.len, 0, rows, 1, &result);
    return ch_end_role(&rows[0]);
}

static void test_the_role_of_a_quiet_connection(void **state)
{
    struct tcp_info info = {.tcpi_bytes_sent = 30, .tcpi_bytes_acked = 31};

    (void)state;
    assert_int_equal(role_of(CH_SOCKET_ESTABLISHED, info, 0), CH_ROLE_ACTIVE);
    assert_int_equal(role_of(CH_SOCKET_CLOSE_WAIT, info, 0), CH_ROLE_ACTIVE);
    assert_int_equal(role_of(CH_SOCKET_FIN_WAIT2, info, 0), CH_ROLE_UNKNOWN);
    assert_int_equal(
        role_of(CH_SOCKET_ESTABLISHED, info, offsetof(struct tcp_info, tcpi_bytes_retrans)),
        CH_ROLE_UNKNOWN);
    info.tcpi_unacked = 1;
    assert_int_equal(role_of(CH_SOCKET_ESTABLISHED, info, 0), CH_ROLE_UNKNOWN);
    info.tcpi_unacked = 0;
    info.tcpi_notsent_bytes = 1;
    assert_int_equal(role_of(CH_SOCKET_ESTABLISHED, info, 0), CH_ROLE_UNKNOWN);
    info.tcpi_notsent_bytes = 0;
    info.tcpi_bytes_acked = 30;
    assert_int_equal(role_of(CH_SOCKET_ESTABLISHED, info, 0), CH_ROLE_PASSIVE);
    info.tcpi_bytes_sent = 40;
    info.tcpi_bytes_retrans = 10;
    assert_int_equal(role_of(CH_SOCKET_ESTABLISHED, info, 0), CH_ROLE_PASSIVE);
    info.tcpi_bytes_acked = 25;
    assert_int_equal(role_of(CH_SOCKET_ESTABLISHED, info, 0), CH_ROLE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_way_to_end),
        cmocka_unit_test(test_an_old_kernel_proves_less),
        cmocka_unit_test(test_what_never_was_a_connection),
        cmocka_unit_test(test_the_role_of_a_quiet_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
