/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of what sock_diag says: whole, short, strange and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/sock_diag.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "sockets/netlink.h"
#include "sockets_fixture.h"

static struct datagram datagram;
static struct ch_diag_row rows[CH_DIAG_ROWS_MAX];
static struct ch_diag_result result;

static void decode(void)
{
    ch_diag_decode(datagram.bytes, datagram.len, 7, rows, CH_DIAG_ROWS_MAX, &result);
}

static int begin(void **state)
{
    (void)state;
    datagram.len = 0;
    return 0;
}

static struct made_row plain(void)
{
    return (struct made_row){
        .state = CH_SOCKET_ESTABLISHED,
        .cookie = UINT64_C(0x1234567890),
        .cgroup = UINT64_C(0x500000042),
        .local = "192.0.2.1",
        .remote = "198.51.100.2",
        .local_port = 80,
        .remote_port = 40000,
        .rqueue = 3,
        .wqueue = 5,
        .info = {.tcpi_retransmits = 2,
                 .tcpi_rtt = 777,
                 .tcpi_bytes_sent = UINT64_C(0x123456789a),
                 .tcpi_snd_wnd = 4711},
        .skmem = {[SK_MEMINFO_SNDBUF] = 9, [SK_MEMINFO_DROPS] = 8},
        .sequence = 7,
    };
}

static void test_a_row_is_read_in_full(void **state)
{
    struct made_row made = plain();
    struct ch_addr addr;
    char text[CH_ADDR_TEXT];

    (void)state;
    add_row(&datagram, &made);
    decode();
    assert_int_equal(result.rows, 1);
    assert_int_equal(result.malformed, 0);
    assert_false(result.done);
    assert_false(result.interrupted);
    assert_true(rows[0].cookie == made.cookie);
    assert_true(rows[0].cgroup == made.cgroup);
    assert_int_equal(rows[0].msg->idiag_rqueue, 3);
    assert_int_equal(rows[0].msg->idiag_wqueue, 5);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_retransmits), 2);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_rtt), 777);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_snd_wnd), 4711);
    assert_true(CH_DIAG_INFO(&rows[0], tcpi_bytes_sent) == UINT64_C(0x123456789a));
    assert_int_equal(ch_diag_skmem(&rows[0], SK_MEMINFO_SNDBUF), 9);
    assert_int_equal(ch_diag_skmem(&rows[0], SK_MEMINFO_DROPS), 8);
    addr = ch_diag_local(rows[0].msg);
    assert_string_equal(ch_addr_format(&addr, text), "192.0.2.1:80");
    addr = ch_diag_remote(rows[0].msg);
    assert_string_equal(ch_addr_format(&addr, text), "198.51.100.2:40000");
}

static void test_a_shorter_tcp_info_reads_as_zeros(void **state)
{
    struct made_row made = plain();

    (void)state;
    made.info_len = offsetof(struct tcp_info, tcpi_bytes_sent) + 4; /* half a field */
    add_row(&datagram, &made);
    decode();
    assert_int_equal(result.rows, 1);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_rtt), 777);
    assert_true(CH_DIAG_INFO(&rows[0], tcpi_bytes_sent) == 0);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_snd_wnd), 0);
    assert_false(CH_DIAG_HAS(&rows[0], tcpi_snd_wnd));
    assert_true(CH_DIAG_HAS(&rows[0], tcpi_rtt));
}

static void test_a_longer_tcp_info_is_cut(void **state)
{
    struct made_row made = plain();
    struct datagram longer = {.len = 0};
    uint8_t info[600];
    struct nlmsghdr *header;

    (void)state;
    memset(info, 0xee, sizeof(info));
    memcpy(info, &made.info, sizeof(made.info));
    made.info_len = 1;
    header = add_row(&longer, &made);
    add_attribute(&longer, INET_DIAG_INFO, info, sizeof(info));
    header->nlmsg_len = (uint32_t)longer.len;
    datagram = longer;
    decode();
    assert_int_equal(result.rows, 1);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_snd_wnd), 4711);
}

static void test_missing_attributes_read_as_none(void **state)
{
    struct made_row made = plain();
    struct nlmsghdr *header;

    (void)state;
    header = add_row(&datagram, &made);
    header->nlmsg_len = sizeof(*header) + sizeof(struct inet_diag_msg);
    datagram.len = header->nlmsg_len;
    decode();
    assert_int_equal(result.rows, 1);
    assert_null(rows[0].info);
    assert_true(rows[0].cgroup == 0);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_rtt), 0);
    assert_int_equal(ch_diag_skmem(&rows[0], SK_MEMINFO_DROPS), 0);
}

static void test_unknown_attributes_are_passed_over(void **state)
{
    struct made_row made = plain();
    struct nlmsghdr *header = add_row(&datagram, &made);
    uint8_t junk[100] = {1, 2, 3};

    (void)state;
    add_attribute(&datagram, 999, junk, sizeof(junk));
    add_attribute(&datagram, 22 | NLA_F_NESTED, junk, 3);
    add_attribute(&datagram, 21, junk, 2); /* a cgroup id cut short is none */
    header->nlmsg_len = (uint32_t)datagram.len;
    decode();
    assert_int_equal(result.rows, 1);
    assert_int_equal(CH_DIAG_INFO(&rows[0], tcpi_rtt), 777);
    assert_true(rows[0].cgroup == 0);
}

static void test_an_attribute_that_overruns_ends_the_row(void **state)
{
    struct made_row made = plain();
    struct nlattr *last;

    (void)state;
    made.info_len = 1;
    add_row(&datagram, &made);
    last = (struct nlattr *)(datagram.bytes + datagram.len - sizeof(*last) - sizeof(made.skmem));
    assert_int_equal(last->nla_type, INET_DIAG_SKMEMINFO);
    last->nla_len = 0xffff;
    decode();
    assert_int_equal(result.rows, 1);
    assert_null(rows[0].skmem);
    assert_true(rows[0].cgroup == made.cgroup);
    last->nla_len = 3; /* shorter than its own header */
    decode();
    assert_int_equal(result.rows, 1);
    assert_null(rows[0].skmem);
}

static void test_odd_lengths_stay_within_the_message(void **state)
{
    struct made_row made = plain();
    struct nlmsghdr *header;
    uint8_t *exact;

    (void)state;
    made.info_len = 1;
    header = add_row(&datagram, &made);
    /* Cut at every byte; the copy has not one byte more, so that the address
     * sanitizer sees a step beyond. */
    for (size_t len = 0; len <= datagram.len; len++) {
        exact = malloc(len ? len : 1);
        assert_non_null(exact);
        header->nlmsg_len = (uint32_t)len;
        memcpy(exact, datagram.bytes, len);
        ch_diag_decode(exact, len, 7, rows, CH_DIAG_ROWS_MAX, &result);
        if (len >= sizeof(*header) + sizeof(struct inet_diag_msg))
            assert_int_equal(result.rows, 1);
        else
            assert_int_equal(result.rows, 0);
        assert_int_equal(result.malformed, len > 0 && result.rows == 0);
        free(exact);
    }
}

static void test_a_message_longer_than_the_datagram_is_refused(void **state)
{
    struct made_row made = plain();
    struct nlmsghdr *header = add_row(&datagram, &made);

    (void)state;
    header->nlmsg_len += 4;
    decode();
    assert_int_equal(result.rows, 0);
    assert_int_equal(result.malformed, 1);
    header->nlmsg_len = 0xfffffff0;
    decode();
    assert_int_equal(result.rows, 0);
    header->nlmsg_len = 2;
    decode();
    assert_int_equal(result.rows, 0);
    assert_int_equal(result.malformed, 1);
}

static void test_other_sequences_are_not_ours(void **state)
{
    struct made_row made = plain();

    (void)state;
    made.sequence = 6; /* of a dump given up before */
    add_row(&datagram, &made);
    add_end_of_dump(&datagram, NLMSG_DONE, 6, 0);
    made.sequence = 7;
    add_row(&datagram, &made);
    decode();
    assert_int_equal(result.rows, 1);
    assert_false(result.done);
}

static void test_the_end_and_its_errors(void **state)
{
    struct made_row made = plain();

    (void)state;
    add_row(&datagram, &made);
    add_end_of_dump(&datagram, NLMSG_DONE, 7, 0);
    add_row(&datagram, &made); /* nothing comes after the end */
    decode();
    assert_int_equal(result.rows, 1);
    assert_true(result.done);
    assert_int_equal(result.error, 0);

    datagram.len = 0;
    add_end_of_dump(&datagram, NLMSG_ERROR, 7, -ENOENT);
    decode();
    assert_true(result.done);
    assert_int_equal(result.error, -ENOENT);

    datagram.len = 0;
    add_end_of_dump(&datagram, NLMSG_DONE, 7, -ENOMEM);
    decode();
    assert_int_equal(result.error, -ENOMEM);
}

static void test_an_interrupted_dump_is_marked(void **state)
{
    struct made_row made = plain();

    (void)state;
    add_row(&datagram, &made);
    decode();
    assert_false(result.interrupted);
    datagram.len = 0;
    made.flags = NLM_F_DUMP_INTR;
    add_row(&datagram, &made);
    decode();
    assert_true(result.interrupted);
    assert_int_equal(result.rows, 1);
    datagram.len = 0;
    add_end_of_dump(&datagram, NLMSG_DONE, 7, 0)->nlmsg_flags = NLM_F_DUMP_INTR;
    decode();
    assert_true(result.interrupted);
}

static void test_more_rows_than_room_are_counted(void **state)
{
    struct made_row made = plain();

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        add_row(&datagram, &made);
    ch_diag_decode(datagram.bytes, datagram.len, 7, rows, 2, &result);
    assert_int_equal(result.rows, 2);
    assert_int_equal(result.malformed, 3);
}

static void expect_family(uint8_t family, const char *local, const char *remote, uint16_t expected,
                          const char *shown)
{
    struct made_row made = plain();
    struct ch_addr addr;
    char text[CH_ADDR_TEXT];

    made.family = family;
    made.local = local;
    made.remote = remote;
    datagram.len = 0;
    add_row(&datagram, &made);
    decode();
    assert_int_equal(result.rows, 1);
    assert_int_equal(ch_diag_family(rows[0].msg), expected);
    addr = ch_diag_local(rows[0].msg);
    assert_string_equal(ch_addr_format(&addr, text), shown);
}

static void test_the_family_is_that_of_the_addresses(void **state)
{
    (void)state;
    expect_family(AF_INET, "10.0.0.1", "10.0.0.2", AF_INET, "10.0.0.1:80");
    expect_family(AF_INET6, "2001:db8::1", "2001:db8::2", AF_INET6, "[2001:db8::1]:80");
    expect_family(AF_INET6, "::ffff:10.0.0.1", "::ffff:10.0.0.2", AF_INET, "10.0.0.1:80");
    expect_family(AF_INET6, NULL, NULL, AF_INET6, "[::]:80"); /* a dual-stack listener */
    expect_family(AF_INET6, "::ffff:10.0.0.1", NULL, AF_INET, "10.0.0.1:80");
}

static void test_states(void **state)
{
    enum ch_socket_state found;

    (void)state;
    for (uint8_t i = 1; i <= CH_SOCKET_TCP_STATES; i++) {
        assert_true(ch_diag_state(IPPROTO_TCP, i, &found));
        assert_int_equal(found, i - 1);
    }
    assert_true(ch_diag_state(IPPROTO_TCP, 12, &found)); /* TCP_NEW_SYN_RECV */
    assert_int_equal(found, CH_SOCKET_SYN_RECV);
    assert_true(ch_diag_state(IPPROTO_TCP, 13, &found)); /* TCP_BOUND_INACTIVE */
    assert_int_equal(found, CH_SOCKET_CLOSE);
    assert_false(ch_diag_state(IPPROTO_TCP, 0, &found));
    assert_false(ch_diag_state(IPPROTO_TCP, 14, &found));
    assert_false(ch_diag_state(IPPROTO_TCP, 255, &found));
    assert_true(ch_diag_state(IPPROTO_UDP, 1, &found));
    assert_int_equal(found, CH_SOCKET_UDP_CONNECTED);
    assert_true(ch_diag_state(IPPROTO_UDP, 7, &found));
    assert_int_equal(found, CH_SOCKET_UDP_UNCONNECTED);
}

/* ---- the kernel this runs on ------------------------------------------- */

/* Records a dump of the running kernel, which has a listener of ours, and
 * decodes the recording, whole and cut at every place. */
static void test_a_recorded_dump(void **state)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(address);
    struct ch_dump dump;
    uint64_t cookie = 0;
    socklen_t cookie_len = sizeof(cookie);
    unsigned found = 0;
    int listener = socket(AF_INET6, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 23), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(getsockopt(listener, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_len), 0);
    assert_int_equal(ch_dump_open(&dump), 0);
    assert_int_equal(ch_dump_begin(&dump, AF_INET6, IPPROTO_TCP, CH_DIAG_STATES), 0);
    do {
        struct ch_diag_result cut;

        assert_int_equal(ch_dump_next(&dump, &result), 0);
        assert_int_equal(result.malformed, 0);
        for (size_t i = 0; i < result.rows; i++) {
            struct ch_diag_row *row = &dump.rows[i];

            if (row->cookie != cookie)
                continue;
            found++;
            assert_int_equal(row->msg->idiag_state, kernel_state(CH_SOCKET_LISTEN));
            assert_int_equal(row->msg->id.idiag_sport, address.sin6_port);
            assert_int_equal(row->msg->idiag_wqueue, 23);
            assert_true(CH_DIAG_HAS(row, tcpi_bytes_retrans));
            assert_true(row->skmem_len >= 9 * sizeof(uint32_t));
            assert_true(row->cgroup != 0);
        }
        for (size_t cut_at = 0; cut_at < 2000; cut_at++) {
            uint8_t *exact = malloc(cut_at + 1);

            memcpy(exact, dump.buffer, cut_at);
            ch_diag_decode(exact, cut_at, dump.sequence, rows, CH_DIAG_ROWS_MAX, &cut);
            assert_true(cut.rows <= cut_at / 88);
            free(exact);
        }
    } while (!result.done);
    assert_int_equal(result.error, 0);
    assert_int_equal(found, 1);
    ch_dump_close(&dump);
    close(listener);
}

static void test_an_unknown_protocol_is_an_error_of_the_dump(void **state)
{
    struct ch_dump dump;

    (void)state;
    assert_int_equal(ch_dump_open(&dump), 0);
    assert_int_equal(ch_dump_begin(&dump, AF_INET, 251, CH_DIAG_STATES), 0);
    assert_int_equal(ch_dump_next(&dump, &result), 0);
    assert_true(result.done);
    assert_int_equal(result.error, -ENOENT);
    ch_dump_close(&dump);
}

/* ---- ends -------------------------------------------------------------- */

static const int64_t patience_ns = 60 * CH_NS_PER_S;

static void end_sockets(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
}

static void until_dropped(const struct ch_ends *ends, uint32_t count)
{
    int64_t deadline = ch_clock_monotonic() + patience_ns;
    uint32_t memory[SK_MEMINFO_VARS] = {0};

    while (memory[SK_MEMINFO_DROPS] < count) {
        socklen_t len = sizeof(memory);

        assert_int_equal(getsockopt(ends->fd, SOL_SOCKET, SO_MEMINFO, memory, &len), 0);
        assert_true(ch_clock_monotonic() < deadline);
        usleep(1000);
    }
}

/* The kernel tells of the first record that finds no room, and of none that it drops from then on
 * until the buffer was empty. */
static void test_records_that_are_dropped_while_the_others_are_read_are_counted(void **state)
{
    int64_t deadline = ch_clock_monotonic() + patience_ns;
    int least = 1;
    size_t told = 0;
    struct ch_ends ends;
    struct ch_ends_result read;

    (void)state;
    /* Where only our own sockets end; whoever may not do that has others' among them. */
    (void)unshare(CLONE_NEWNET);
    assert_int_equal(ch_ends_open(&ends), 0);
    assert_int_equal(setsockopt(ends.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
    end_sockets(100);
    until_dropped(&ends, 90);
    do {
        assert_int_equal(ch_ends_read(&ends, &read), 0);
        told += read.rows;
    } while (!read.overrun);
    told += ch_ends_lost(&ends);

    end_sockets(100);
    until_dropped(&ends, 190);
    while (told < 200) {
        assert_true(ch_clock_monotonic() < deadline);
        assert_int_equal(ch_ends_read(&ends, &read), 0);
        told += read.rows;
        if (read.overrun)
            told += ch_ends_lost(&ends);
        if (!read.more)
            usleep(1000);
    }
    ch_ends_close(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_row_is_read_in_full, begin),
        cmocka_unit_test_setup(test_a_shorter_tcp_info_reads_as_zeros, begin),
        cmocka_unit_test_setup(test_a_longer_tcp_info_is_cut, begin),
        cmocka_unit_test_setup(test_missing_attributes_read_as_none, begin),
        cmocka_unit_test_setup(test_unknown_attributes_are_passed_over, begin),
        cmocka_unit_test_setup(test_an_attribute_that_overruns_ends_the_row, begin),
        cmocka_unit_test_setup(test_odd_lengths_stay_within_the_message, begin),
        cmocka_unit_test_setup(test_a_message_longer_than_the_datagram_is_refused, begin),
        cmocka_unit_test_setup(test_other_sequences_are_not_ours, begin),
        cmocka_unit_test_setup(test_the_end_and_its_errors, begin),
        cmocka_unit_test_setup(test_an_interrupted_dump_is_marked, begin),
        cmocka_unit_test_setup(test_more_rows_than_room_are_counted, begin),
        cmocka_unit_test_setup(test_the_family_is_that_of_the_addresses, begin),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_a_recorded_dump),
        cmocka_unit_test(test_an_unknown_protocol_is_an_error_of_the_dump),
        cmocka_unit_test(test_records_that_are_dropped_while_the_others_are_read_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
