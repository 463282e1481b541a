/* SPDX-License-Identifier: Apache-2.0 */
/* Breaks that are confirmed by a fresh connect, and what happens meanwhile. */
#include "probes_fixture.h"

/* The attempt that begins while a break is being confirmed is answered by it, once. */
static void a_start_during_the_confirmation_gets_one_answer(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    struct ch_keepalive_options idle = {
        .idle_ns = CH_NS_PER_S, .interval_ns = CH_NS_PER_S, .count = 2};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec specs[] = {
        spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options),
        spec_of(CH_PROBE_KEEPALIVE, CH_TRANSPORT_TCP, port, &idle),
    };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct ch_probe *probe = make(&specs[i]);

        finished_count = opens = closes = 0;
        if (i == 0) {
            fd = one_exchange(probe, listener);
        } else {
            start(probe);
            fd = accept_one(listener);
            until_finished(1);
        }
        close(fd);
        while (closes == 0)
            turn();
        start(probe);
        expire(probe); /* as if its time were over already: once, and again */
        expire(probe);
        assert_int_equal(finished_count, 1);
        close(accept_one(listener)); /* the confirming connect */
        until_finished(2);
        assert_int_equal(seen.end, CH_END_EOF);
        assert_int_equal(seen.confirm, CH_CONFIRM_CONNECTED);
        for (int j = 0; j < 3; j++)
            turn();
        assert_int_equal(finished_count, 2);
        start(probe); /* the next one has a connection of its own */
        fd = accept_one(listener);
        if (i == 0) {
            expect_request(fd, "PING\r\n");
            say(fd, "+PONG\r\n");
        }
        until_finished(3);
        assert_int_equal(seen.end, CH_END_OK);
        assert_int_equal(opens, 2);
        ch_probe_free(probe);
        close(fd);
    }
    close(listener);
    clear(&options);
}

/* Beyond the budget a break is reported at once, unconfirmed. */
static void confirming_connects_are_rationed(void **state)
{
    struct ch_heartbeat_options options = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port);
    struct ch_probe_spec spec = spec_of(CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probes[4];
    unsigned confirmed = 0;
    int64_t begun, took;
    int fds[4];

    (void)state;
    ch_confirm_budget_free(prober.confirm_budget);
    assert_int_equal(ch_confirm_budget_new(1, 2, &prober.confirm_budget), 0);
    for (unsigned i = 0; i < 4; i++) {
        probes[i] = make(&spec);
        fds[i] = one_exchange(probes[i], listener);
    }
    finished_count = 0;
    begun = ch_clock_monotonic();
    for (unsigned i = 0; i < 4; i++) {
        close(fds[i]);
        until_finished(i + 1);
        assert_int_equal(seen.end, CH_END_EOF);
        confirmed += seen.confirm == CH_CONFIRM_CONNECTED;
    }
    took = ch_clock_monotonic() - begun;
    /* the burst, one at once, and one for each second that has passed; half of one is waited for */
    assert_in_range(confirmed, 2, 3 + (took + CH_NS_PER_S / 2) / CH_NS_PER_S);
    for (unsigned i = 0; i < 4; i++)
        ch_probe_free(probes[i]);
    close(listener);
    clear(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_start_during_the_confirmation_gets_one_answer),
        TEST(confirming_connects_are_rationed),
    };

    alarm(120); /* a test that waits for ever is a failure, not a hang */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
