/* SPDX-License-Identifier: Apache-2.0 */
/* What a live connection's TCP_INFO says of trouble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "trouble.h"

#define MS CH_NS_PER_MS
#define S  CH_NS_PER_S

static const struct ch_trouble_setting linux_defaults = {
    .age_ns = 7200 * S, .retries2 = 15, .rto_max_ns = 120 * S};

/* As after so long without a segment from the peer. */
static struct ch_tcp_facts silent_for(uint32_t ms)
{
    return (struct ch_tcp_facts){.state = 1,
                                 .last_ack_recv_ms = ms,
                                 .last_data_recv_ms = ms,
                                 .has_snd_wnd = true,
                                 .snd_wnd = 65160};
}

static void a_healthy_connection_has_none(void **state)
{
    struct ch_tcp_facts tcp = silent_for(10);

    (void)state;
    assert_int_equal(ch_trouble_of(&tcp, &linux_defaults).trouble, CH_TROUBLE_NONE);
}

/* tcp_model_timeout(): 924.6 s for 15 retries at Linux' own limits. */
static void the_time_left_counts_from_the_request(void **state)
{
    struct ch_trouble_setting setting = linux_defaults;
    struct ch_tcp_facts tcp = silent_for(3600 * 1000);
    struct ch_trouble_report report;

    (void)state;
    tcp.retransmits = 2;
    setting.waiting_ns = 800 * MS; /* after an hour of silence */
    report = ch_trouble_of(&tcp, &setting);
    assert_int_equal(report.trouble, CH_TROUBLE_RETRANSMITTING);
    assert_int_equal(report.stage, 2);
    assert_int_equal(report.silent_ns, 3600 * S);
    assert_int_equal(report.until_give_up, 924600 * MS + 200 * MS - 800 * MS);
    setting.waiting_ns = 2000 * S;
    assert_int_equal(ch_trouble_of(&tcp, &setting).until_give_up, 0);
}

static void the_limits_of_the_host_count(void **state)
{
    struct ch_trouble_setting setting = {
        .age_ns = 10 * S, .retries2 = 4, .rto_max_ns = 1 * S, .waiting_ns = 600 * MS};
    struct ch_tcp_facts tcp = silent_for(600);

    (void)state;
    tcp.retransmits = 1;
    /* 0.2 + 0.4 + 0.8 + 1 + 1 s */
    assert_int_equal(ch_trouble_of(&tcp, &setting).until_give_up, 3400 * MS + 200 * MS - 600 * MS);
    setting.rto_max_ns = 120 * S; /* 0.2 + 0.4 + 0.8 + 1.6 + 3.2 s */
    assert_int_equal(ch_trouble_of(&tcp, &setting).until_give_up, 6200 * MS + 200 * MS - 600 * MS);
    setting.user_timeout_ns = 1 * S;
    assert_int_equal(ch_trouble_of(&tcp, &setting).until_give_up, 1000 * MS + 200 * MS - 600 * MS);
}

static void a_closed_window_never_gives_up(void **state)
{
    struct ch_tcp_facts tcp = silent_for(100);
    struct ch_trouble_report report;

    (void)state;
    tcp.snd_wnd = 0;
    tcp.notsent_bytes = 1000;
    tcp.backoff = 3;
    report = ch_trouble_of(&tcp, &linux_defaults);
    assert_int_equal(report.trouble, CH_TROUBLE_ZERO_WINDOW);
    assert_int_equal(report.stage, 3);
    assert_int_equal(report.until_give_up, -1);
}

static void keepalive_probes_are_counted_down(void **state)
{
    struct ch_trouble_setting setting = linux_defaults;
    struct ch_tcp_facts tcp = silent_for(50 * 1000);
    struct ch_trouble_report report;

    (void)state;
    tcp.probes = 1;
    assert_int_equal(ch_trouble_of(&tcp, &setting).trouble, CH_TROUBLE_NONE); /* not keepalive's */
    setting.keepalive_count = 3;
    setting.keepalive_interval_ns = 10 * S;
    report = ch_trouble_of(&tcp, &setting);
    assert_int_equal(report.trouble, CH_TROUBLE_KEEPALIVE_UNANSWERED);
    assert_int_equal(report.stage, 1);
    assert_int_equal(report.until_give_up, 20 * S);
    tcp.probes = 3;
    assert_int_equal(ch_trouble_of(&tcp, &setting).until_give_up, 0);
}

static void an_acknowledged_request_without_a_reply_is_overdue(void **state)
{
    struct ch_trouble_setting setting = linux_defaults;
    struct ch_tcp_facts tcp = silent_for(500);

    (void)state;
    setting.request_acked_at = 73;
    tcp.bytes_acked = 72;
    assert_int_equal(ch_trouble_of(&tcp, &setting).trouble, CH_TROUBLE_NONE);
    tcp.bytes_acked = 73;
    assert_int_equal(ch_trouble_of(&tcp, &setting).trouble, CH_TROUBLE_REPLY_OVERDUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_connection_has_none),
        cmocka_unit_test(the_time_left_counts_from_the_request),
        cmocka_unit_test(the_limits_of_the_host_count),
        cmocka_unit_test(a_closed_window_never_gives_up),
        cmocka_unit_test(keepalive_probes_are_counted_down),
        cmocka_unit_test(an_acknowledged_request_without_a_reply_is_overdue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
