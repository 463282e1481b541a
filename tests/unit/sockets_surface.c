/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot made by hand as metrics and as JSON, byte for byte. To accept what
 * is printed now: CH_WRITE_GOLDEN=1 unit-sockets_surface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "json_sockets.h"
#include "oom.h"
#include "sockets_metrics.h"

#define GOLDEN CH_TEST_DATA "/sockets/"

static struct ch_addr address(const char *text, uint16_t port)
{
    struct ch_addr addr;

    assert_true(ch_addr_parse(text, port, &addr));
    return addr;
}

static struct ch_unit_sockets units[3];
static struct ch_listener listeners[2];
static struct ch_peer_sockets peers[1];
static struct ch_sockets_snapshot snapshot;

static int make_snapshot(void **state)
{
    (void)state;
    units[0] = (struct ch_unit_sockets){.name = ""};
    units[1] = (struct ch_unit_sockets){.name = "other"};
    units[2] = (struct ch_unit_sockets){
        .name = "a\\x2db.service",
        .sockets = {[CH_SOCKET_ESTABLISHED] = 12,
                    [CH_SOCKET_CLOSE_WAIT] = 3,
                    [CH_SOCKET_UDP_CONNECTED] = 1},
        .retransmitted_segments = 77,
        .send_queue_bytes = 1000,
        .receive_queue_bytes = 2000,
        .close_wait_oldest_ns = 90500 * CH_NS_PER_MS,
        .rtt = {.bucket = {1, 0, 3, [CH_RTT_BUCKETS - 1] = 1}, .sum_us = 2001500},
        .ends = {[CH_SOCKET_END_CLOSED] = 9, [CH_SOCKET_END_TIMEOUT] = 1},
        .trouble = {[CH_SOCKET_TROUBLE_CLOSE_WAIT] = {.sockets = 3,
                                                      .amount = 1,
                                                      .age_ns = 90500 * CH_NS_PER_MS,
                                                      .local = address("10.0.0.1", 80),
                                                      .remote = address("2001:db8::1", 4000)},
                    [CH_SOCKET_TROUBLE_RETRANSMITTING] = {.sockets = 1,
                                                          .amount = 4,
                                                          .limit = 15,
                                                          .age_ns = CH_NS_PER_S,
                                                          .local = address("10.0.0.1", 80),
                                                          .remote = address("10.0.0.2", 5)},
                    [CH_SOCKET_TROUBLE_DEAD] = {.sockets = 1, .age_ns = 2 * CH_NS_PER_S}},
    };
    listeners[0] = (struct ch_listener){.address = address("0.0.0.0", 80),
                                        .unit = 2,
                                        .sockets = 2,
                                        .backlog = 140,
                                        .limit = 256,
                                        .drops = 5,
                                        .fullest = 129,
                                        .fullest_limit = 128,
                                        .connections = {[CH_SOCKET_ESTABLISHED] = 12}};
    listeners[1] = (struct ch_listener){.address = address("::", 443), .sockets = 1, .limit = 5};
    peers[0] = (struct ch_peer_sockets){.name = "data \"base\"",
                                        .sockets = {[CH_SOCKET_SYN_SENT] = 2},
                                        .retransmitted_segments = 6};
    snapshot = (struct ch_sockets_snapshot){
        .time_ns = INT64_C(1700000000123000000),
        .duration_ns = 42 * CH_NS_PER_MS,
        .interval_ns = 15 * CH_NS_PER_S,
        .complete = true,
        .has_units = true,
        .units = units,
        .unit_count = 3,
        .has_listeners = true,
        .listeners = listeners,
        .listener_count = 2,
        .peers = peers,
        .peer_count = 1,
        .sweep_bucket = {[3] = 7, [5] = 1},
        .sweep_sum_ns = 350 * CH_NS_PER_MS,
        .sweeps_interrupted = 1,
        .events = UINT64_MAX, /* above 2^53 */
        .events_lost = 3,
        .remembered = 15,
        .remembered_bytes = 35328,
        .event_buffer_bytes = 212992,
        .limits = CH_SOCKETS_LIMIT(EVENT_BUFFER) | CH_SOCKETS_LIMIT(CGROUP_READ),
    };
    snapshot.sockets[CH_SOCKET_IPV4][CH_SOCKET_TCP][CH_SOCKET_ESTABLISHED] = 12;
    snapshot.sockets[CH_SOCKET_IPV6][CH_SOCKET_UDP][CH_SOCKET_UDP_UNCONNECTED] = 4;
    snapshot.kernel[CH_KERNEL_OUT_RSTS] = 8;
    snapshot.kernel_present[CH_KERNEL_OUT_RSTS] = true;
    return 0;
}

static void expect_golden(const char *path, struct ch_text *text)
{
    char expected[65536];
    size_t len;
    FILE *file;

    if (getenv("CH_WRITE_GOLDEN")) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text->data, 1, text->len, file), text->len);
        fclose(file);
    }
    file = fopen(path, "r");
    assert_non_null(file);
    len = fread(expected, 1, sizeof(expected), file);
    fclose(file);
    if (len != text->len || memcmp(expected, text->data, len) != 0)
        fail_msg("%s differs; it is now:\n%.*s", path, (int)text->len, text->data);
    ch_text_free(text);
}

static void test_metrics(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    assert_int_equal(ch_sockets_metrics(&snapshot, &text, CH_METRICS_TEXT), 0);
    expect_golden(GOLDEN "metrics.txt", &text);
    assert_int_equal(ch_sockets_metrics(&snapshot, &text, CH_METRICS_OPENMETRICS), 0);
    expect_golden(GOLDEN "metrics.openmetrics", &text);
}

static void test_json(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    assert_int_equal(ch_json_sockets(&snapshot, true, &text), 0);
    expect_golden(GOLDEN "sockets.json", &text);
    assert_int_equal(ch_json_sockets_status(&snapshot, &text), 0);
    expect_golden(GOLDEN "status.json", &text);
}

static bool contains(const struct ch_text *text, const char *what)
{
    return memmem(text->data, text->len, what, strlen(what)) != NULL;
}

static void test_addresses_are_for_those_who_may_see_them(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    assert_int_equal(ch_json_sockets(&snapshot, true, &text), 0);
    assert_true(contains(&text, "10.0.0.2"));
    assert_true(contains(&text, "2001:db8::1"));
    ch_text_free(&text);
    assert_int_equal(ch_json_sockets(&snapshot, false, &text), 0);
    assert_false(contains(&text, "10.0.0."));
    assert_false(contains(&text, "2001:db8"));
    assert_true(contains(&text, "\"close_wait\""));
    ch_text_free(&text);
}

static void test_what_is_switched_off_is_not_there(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    snapshot.has_units = snapshot.has_listeners = false;
    snapshot.listener_count = snapshot.peer_count = 0;
    snapshot.unit_count = 2;
    assert_int_equal(ch_sockets_metrics(&snapshot, &text, CH_METRICS_TEXT), 0);
    assert_false(contains(&text, "connhealth_unit_"));
    assert_false(contains(&text, "connhealth_listener_"));
    assert_false(contains(&text, "connhealth_peer_"));
    assert_true(contains(&text, "connhealth_socket_ends_total{unit=\"\",end=\"closed\"} 0\n"));
    assert_false(contains(&text, "{unit=\"other\""));
    ch_text_free(&text);
    units[1].ends[CH_SOCKET_END_CLOSED] = 1;
    assert_int_equal(ch_sockets_metrics(&snapshot, &text, CH_METRICS_TEXT), 0);
    assert_true(contains(&text, "connhealth_socket_ends_total{unit=\"other\",end=\"closed\"} 1\n"));
    ch_text_free(&text);
}

static void test_a_state_that_was_not_asked_for(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    assert_int_equal(ch_sockets_metrics(&snapshot, &text, CH_METRICS_TEXT), 0);
    assert_true(contains(&text, "state=\"close\""));
    ch_text_free(&text);
    snapshot.limits |= CH_SOCKETS_LIMIT(BOUND);
    assert_int_equal(ch_sockets_metrics(&snapshot, &text, CH_METRICS_TEXT), 0);
    assert_false(contains(&text, "state=\"close\""));
    ch_text_free(&text);
}

static void test_before_the_first_sweep(void **state)
{
    struct ch_text text = {.data = NULL};

    (void)state;
    assert_int_equal(ch_sockets_metrics(NULL, &text, CH_METRICS_TEXT), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(ch_json_sockets(NULL, true, &text), 0);
    assert_true(contains(&text, "\"time\":null"));
    ch_text_free(&text);
    assert_int_equal(ch_sockets_metrics_render(NULL, &text, CH_METRICS_TEXT), 0);
    assert_int_equal(ch_json_sockets_render(NULL, false, &text), 0);
    assert_int_equal(ch_json_sockets_status_render(NULL, &text), 0);
    ch_text_free(&text);
}

static void test_without_memory_it_says_so(void **state)
{
    int r = -ENOMEM;

    (void)state;
    for (oom_after = 0; r == -ENOMEM; oom_after++) {
        long left = oom_after;
        struct ch_text text = {.data = NULL};

        r = ch_sockets_metrics(&snapshot, &text, CH_METRICS_TEXT);
        oom_after = left;
        ch_text_free(&text);
    }
    assert_int_equal(r, 0);
    assert_true(oom_after > 1);
    oom_after = -1;
}

#define TEST(test) cmocka_unit_test_setup(test, make_snapshot)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_metrics),
        TEST(test_json),
        TEST(test_addresses_are_for_those_who_may_see_them),
        TEST(test_what_is_switched_off_is_not_there),
        TEST(test_a_state_that_was_not_asked_for),
        TEST(test_before_the_first_sweep),
        TEST(test_without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
