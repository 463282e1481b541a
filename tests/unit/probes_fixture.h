/* SPDX-License-Identifier: Apache-2.0 */
/* A prober whose upcalls are kept, and the server, which is played by the test
 * itself, on the same thread, between two turns. */
#ifndef CH_TEST_PROBES_FIXTURE_H
#define CH_TEST_PROBES_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "connhealth/expect.h"
#include "connhealth/frame.h"
#include "connhealth/probe.h"
#include "connhealth/probe_options.h"

#define LONG_NS (30 * CH_NS_PER_S) /* nothing here takes that long, unless it fails */

/* A request that is read and not answered is acknowledged after TCP_DELACK_MAX,
 * 200 ms, at the latest (include/net/tcp.h). */
#define DELAYED_ACK_NS (400 * CH_NS_PER_MS)

static struct ch_prober prober;
static struct ch_evidence seen;
static unsigned finished_count, stalls, opens, closes, icmps;

static inline void on_finished(struct ch_probe *probe, const struct ch_evidence *evidence)
{
    (void)probe;
    seen = *evidence;
    finished_count++;
}

static inline void on_connection(struct ch_probe *probe, bool established)
{
    (void)probe;
    *(established ? &opens : &closes) += 1;
}

static inline void on_stalled(struct ch_probe *probe)
{
    (void)probe;
    stalls++;
}

static inline void on_icmp(struct ch_probe *probe, const struct ch_icmp *icmp)
{
    (void)probe;
    (void)icmp;
    icmps++;
}

static inline void on_trouble(struct ch_probe *probe, const struct ch_trouble_report *report)
{
    (void)probe;
    (void)report;
}

static inline void on_idle_life(struct ch_probe *probe, const struct ch_idle_life *life)
{
    (void)probe;
    (void)life;
}

static const struct ch_prober_ops ops = {
    .finished = on_finished,
    .connection = on_connection,
    .stalled = on_stalled,
    .icmp = on_icmp,
    .trouble = on_trouble,
    .idle_life = on_idle_life,
};

static inline int set_up(void **state)
{
    (void)state;
    finished_count = stalls = opens = closes = icmps = 0;
    prober = (struct ch_prober){.ops = &ops};
    if (ch_loop_new(&prober.loop) < 0 || ch_resolver_new(prober.loop, &prober.resolver) < 0)
        return -1;
    return ch_confirm_budget_new(100, 100, &prober.confirm_budget);
}

static inline int tear_down(void **state)
{
    (void)state;
    ch_resolver_free(prober.resolver);
    ch_confirm_budget_free(prober.confirm_budget);
    ch_loop_free(prober.loop);
    return 0;
}

static inline void turn(void)
{
    assert_int_equal(ch_loop_turn(prober.loop, 10 * CH_NS_PER_MS), 0);
}

static inline void until_finished(unsigned count)
{
    int64_t end = ch_clock_monotonic() + LONG_NS;

    while (finished_count < count) {
        turn();
        assert_true(ch_clock_monotonic() < end);
    }
    assert_int_equal(finished_count, count);
}

/* ---- the server's side ---- */

static inline int listen_on(int type, uint16_t *port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*port)};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | (type == SOCK_STREAM ? SOCK_NONBLOCK : 0), 0);
    int on = 1;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *port = ntohs(sin.sin_port);
    return fd;
}

/* A port that nobody listens on: it was free a moment ago. */
static inline uint16_t closed_port(int type)
{
    uint16_t port = 0;

    close(listen_on(type, &port));
    return port;
}

static inline int accept_one(int listener)
{
    int fd;

    for (int i = 0; i < 1000; i++) {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            return fd;
        turn();
    }
    fail_msg("no connection came");
    return -1;
}

static inline size_t read_some(int fd, char *data, size_t size)
{
    ssize_t n;

    for (int i = 0; i < 1000; i++) {
        n = recv(fd, data, size, MSG_DONTWAIT);
        if (n > 0)
            return (size_t)n;
        assert_int_not_equal(n, 0);
        turn();
    }
    fail_msg("nothing came");
    return 0;
}

static inline void expect_request(int fd, const char *text)
{
    char data[256];
    size_t n = read_some(fd, data, sizeof(data));

    assert_int_equal(n, strlen(text));
    assert_memory_equal(data, text, n);
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static inline void reset(int fd)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

/* ---- the probe's side ---- */

static inline struct ch_probe_spec spec_of(enum ch_probe_kind kind, enum ch_transport transport,
                                           uint16_t port, const void *options)
{
    struct ch_probe_spec spec = {
        .ops = ch_probe_ops_of(kind), .transport = transport, .options = options, .confirm = true};
    char text[32];

    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    assert_null(ch_hostport_parse(text, &spec.address));
    return spec;
}

static inline struct ch_probe *make(const struct ch_probe_spec *spec)
{
    struct ch_probe *probe = NULL;

    assert_int_equal(ch_probe_new(spec, &prober, NULL, &probe), 0);
    return probe;
}

static inline void start(struct ch_probe *probe)
{
    probe->spec->ops->start(probe, ch_clock_monotonic() + LONG_NS);
}

static inline void expire(struct ch_probe *probe)
{
    probe->spec->ops->expire(probe);
}

static inline struct ch_heartbeat_options ping_pong(void)
{
    struct ch_heartbeat_options options = {
        .send = {.data = (uint8_t *)strdup("PING\r\n"), .len = 6}};
    char reason[CH_REASON_TEXT];

    assert_non_null(options.send.data);
    assert_int_equal(
        ch_expect_new("^\\+PONG", 7, &options.expect, reason, sizeof(reason), &(size_t){0}), 0);
    return options;
}

static inline void clear(struct ch_heartbeat_options *options)
{
    free(options->send.data);
    ch_expect_free(options->expect);
}

/* One exchange that goes well; returns the server's end of the connection. */
static inline int one_exchange(struct ch_probe *probe, int listener)
{
    unsigned before = finished_count;
    int fd;

    start(probe);
    fd = accept_one(listener);
    expect_request(fd, "PING\r\n");
    say(fd, "+PONG\r\n");
    until_finished(before + 1);
    assert_int_equal(seen.end, CH_END_OK);
    return fd;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
