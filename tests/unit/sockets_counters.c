/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's counters, from text as kernels write it and from this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sockets/counters.h"

static struct ch_kernel_counters parse(const char *text)
{
    struct ch_kernel_counters counters = {0};

    ch_counters_parse(text, &counters);
    return counters;
}

static void test_two_lines_are_a_table(void **state)
{
    struct ch_kernel_counters c =
        parse("Ip: Forwarding EstabResets\nIp: 1 5\n"
              "Tcp: RtoMin MaxConn EstabResets OutRsts Nonsense\nTcp: 200 -1 7 8 9\n"
              "TcpExt: TCPKeepAlive OutRsts TCPAbortOnTimeout\nTcpExt: 18446744073709551615 3 4\n");

    (void)state;
    assert_true(c.present[CH_KERNEL_ESTAB_RESETS]); /* not Ip's */
    assert_int_equal(c.value[CH_KERNEL_ESTAB_RESETS], 7);
    assert_int_equal(c.value[CH_KERNEL_OUT_RSTS], 8); /* not TcpExt's */
    assert_int_equal(c.value[CH_KERNEL_ABORT_ON_TIMEOUT], 4);
    assert_true(c.value[CH_KERNEL_KEEPALIVE] == UINT64_MAX);
    assert_false(c.present[CH_KERNEL_LISTEN_DROPS]);
}

static void test_spoilt_text_gives_what_is_whole(void **state)
{
    static const char text[] =
        "Tcp: EstabResets OutRsts\nTcp: 7 8\nTcpExt: TCPKeepAlive\nTcpExt: 9";
    char cut[sizeof(text)];
    struct ch_kernel_counters c;

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        memcpy(cut, text, len);
        cut[len] = '\0';
        c = parse(cut);
        assert_true(!c.present[CH_KERNEL_KEEPALIVE] || len == sizeof(text) - 1);
    }
    c = parse("Tcp: EstabResets\nUdp: 5\n");
    assert_false(c.present[CH_KERNEL_ESTAB_RESETS]);
    c = parse("Tcp: EstabResets OutRsts\nTcp: 5\n"); /* fewer numbers than names */
    assert_true(c.present[CH_KERNEL_ESTAB_RESETS]);
    assert_false(c.present[CH_KERNEL_OUT_RSTS]);
    c = parse("\n\n:\n:\nTcp\nTcp\n Tcp: EstabResets\nTcp: 5\n");
    assert_false(c.present[CH_KERNEL_OUT_RSTS]);
}

static void test_this_kernel_has_them(void **state)
{
    struct ch_kernel_counters c;

    (void)state;
    assert_int_equal(ch_counters_read(&c), 0);
    for (unsigned i = 0; i < CH_KERNEL_EVENT_COUNT; i++)
        if (!c.present[i])
            fail_msg("%s is not in /proc/self/net", ch_kernel_event_word(i)->name);
}

static void test_words_are_one_of_a_kind(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CH_KERNEL_EVENT_COUNT; i++) {
        assert_non_null(ch_kernel_event_word(i)->meaning);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(ch_kernel_event_word(i)->slug, ch_kernel_event_word(k)->slug);
    }
    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(ch_socket_end_word(i)->slug, ch_socket_end_word(k)->slug);
    assert_string_equal(ch_socket_end_word(CH_SOCKET_END_COUNT)->slug, "");
    assert_string_equal(ch_socket_state_word(CH_SOCKET_CLOSING)->slug, "closing");
    assert_string_equal(ch_socket_trouble_word(CH_SOCKET_TROUBLE_SYN_SENT)->unit, "rounds");
    assert_non_null(ch_sockets_limit_word(CH_SOCKETS_LIMIT_BIT_UDP)->remedy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_lines_are_a_table),
        cmocka_unit_test(test_spoilt_text_gives_what_is_whole),
        cmocka_unit_test(test_this_kernel_has_them),
        cmocka_unit_test(test_words_are_one_of_a_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
