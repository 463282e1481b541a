/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of targets that are named: several addresses, none, and other ones. */
#include <sys/resource.h>

#include "dns_fixture.h"
#include "probes_fixture.h"
#include "resolver_private.h"

static struct dns_server names;
static char resolv_conf[] = "/tmp/connhealth-resolv-XXXXXX";

static int set_up_names(void **state)
{
    static struct resolver_source source;
    static const char text[] = "nameserver 127.0.0.1\n";
    int fd;

    if (set_up(state) < 0)
        return -1;
    memcpy(resolv_conf + strlen(resolv_conf) - 6, "XXXXXX", 6);
    fd = mkstemp(resolv_conf);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    source = (struct resolver_source){
        .port = dns_start(&names, prober.loop, "127.0.0.1", 0),
        .resolv_conf = resolv_conf,
        .first_try_ms = 5000,
        .recheck_ns = CH_NS_PER_S,
    };
    ch_resolver_free(prober.resolver);
    return resolver_new_from(prober.loop, &source, &prober.resolver);
}

static int tear_down_names(void **state)
{
    dns_stop(&names);
    unlink(resolv_conf);
    return tear_down(state);
}

static struct ch_probe_spec named(const char *name, enum ch_probe_kind kind,
                                  enum ch_transport transport, uint16_t port, const void *options)
{
    struct ch_probe_spec spec = spec_of(kind, transport, port, options);
    char text[64];

    snprintf(text, sizeof(text), "%s:%u", name, port);
    assert_null(ch_hostport_parse(text, &spec.address));
    return spec;
}

/* As getaddrinfo(3)'s users try them, whatever kind dials. */
static void the_next_address_is_tried_after_a_refusal(void **state)
{
    static const struct dns_zone zones[] = {
        {.name = "two.test", .address = {"127.0.0.2", "127.0.0.1"}, .ttl = 60},
        {.name = "gone.test", .address = {"127.0.0.2", "127.0.0.3"}, .ttl = 60},
        {0}};
    struct ch_connect_options connect = {0};
    struct ch_heartbeat_options ping = ping_pong();
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), fd;
    struct ch_probe_spec spec =
        named("two.test", CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &connect);
    struct ch_probe_spec gone =
        named("gone.test", CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &connect);
    struct ch_probe_spec held =
        named("two.test", CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, port, &ping);
    struct ch_probe *probe = make(&spec);

    (void)state;
    names.zones = zones;
    for (unsigned i = 1; i <= 2; i++) {
        start(probe);
        until_finished(i);
        assert_int_equal(seen.end, CH_END_OK);
        assert_int_equal(seen.peer.ip[3], 1);
        assert_int_equal(seen.addresses_tried, 2);
        close(accept_one(listener));
    }
    ch_probe_free(probe);
    probe = make(&gone);
    start(probe);
    until_finished(3);
    assert_int_equal(seen.error, ECONNREFUSED);
    assert_int_equal(seen.addresses_tried, 2);
    ch_probe_free(probe);
    probe = make(&held);
    fd = one_exchange(probe, listener);
    assert_int_equal(opens, 1);
    ch_probe_free(probe);
    close(fd);
    close(listener);
    clear(&ping);
}

/* A listener whose queue is full drops SYNs (listen(2)): silence. */
static void a_silent_address_has_only_its_share(void **state)
{
    static const struct dns_zone zones[] = {
        {.name = "half.test", .address = {"127.0.0.2", "127.0.0.1"}, .ttl = 60}, {0}};
    struct sockaddr_in silent = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    struct ch_connect_options options = {0};
    uint16_t port = 0;
    int listener = listen_on(SOCK_STREAM, &port), full, waiting[4];
    struct ch_probe_spec spec =
        named("half.test", CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &options);
    struct ch_probe *probe = make(&spec);
    int64_t begun = ch_clock_monotonic();

    (void)state;
    names.zones = zones;
    silent.sin_port = htons(port);
    full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full, (struct sockaddr *)&silent, sizeof(silent)), 0);
    assert_int_equal(listen(full, 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(waiting[i], (struct sockaddr *)&silent, sizeof(silent));
    }
    /* more than the time after which the baseline of TCPRetransFail is taken */
    probe->spec->ops->start(probe, begun + 2200 * CH_NS_PER_MS);
    until_finished(1);
    assert_int_equal(seen.end, CH_END_OK);
    assert_int_equal(seen.addresses_tried, 2);
    assert_true(ch_clock_monotonic() - begun >= 1100 * CH_NS_PER_MS);
    ch_probe_free(probe);
    for (unsigned i = 0; i < 4; i++)
        close(waiting[i]);
    close(full);
    close(listener);
}

static void turn_for(int64_t ns)
{
    int64_t end = ch_clock_monotonic() + ns;

    while (ch_clock_monotonic() < end)
        turn();
}

/* What an earlier attempt saw is not told again. */
static void a_name_that_is_gone_has_no_peer(void **state)
{
    static const struct dns_zone here[] = {
        {.name = "moves.test", .address = {"127.0.0.1"}, .ttl = 1}, {0}};
    static const struct dns_zone there[] = {
        {.name = "moves.test", .address = {"127.0.0.2"}, .ttl = 1}, {0}};
    static const struct dns_zone nowhere[] = {
        {.name = "moves.test", .a = NXDOMAIN, .aaaa = NXDOMAIN}, {0}};
    struct ch_connect_options connect = {0};
    struct ch_heartbeat_options ping = ping_pong();
    uint16_t port = closed_port(SOCK_STREAM);
    struct ch_probe_spec tcp =
        named("moves.test", CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &connect);
    struct ch_probe_spec udp =
        named("moves.test", CH_PROBE_HEARTBEAT, CH_TRANSPORT_UDP, port, &ping);
    struct ch_probe *probes[2] = {make(&tcp), make(&udp)};
    const struct dns_zone *zones[] = {here, there, nowhere};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        names.zones = zones[i];
        turn_for(CH_RESOLVER_TTL_MIN + 100 * CH_NS_PER_MS); /* what was known has aged */
        for (unsigned j = 0; j < 2; j++) {
            start(probes[j]);
            until_finished(2 * i + j + 1);
            if (i < 2) {
                assert_int_equal(seen.error, ECONNREFUSED);
                assert_int_equal(seen.peer.ip[3], i + 1);
                continue;
            }
            assert_int_equal(seen.end, CH_END_NAME);
            assert_int_equal(seen.dns, CH_DNS_NOT_FOUND);
            assert_int_equal(seen.peer.family, AF_UNSPEC);
            assert_int_equal(seen.local.family, AF_UNSPEC);
            assert_int_equal(seen.addresses_tried, 0);
            assert_int_equal(seen.icmp.version, 0);
        }
    }
    ch_probe_free(probes[0]);
    ch_probe_free(probes[1]);
    clear(&ping);
}

static void a_lookup_under_way_is_given_up(void **state)
{
    static const struct dns_zone zones[] = {{.name = "slow.test", .a = SILENCE, .aaaa = SILENCE},
                                            {0}};
    struct ch_connect_options connect = {0};
    struct ch_heartbeat_options ping = ping_pong();
    struct ch_keepalive_options keepalive = {
        .idle_ns = CH_NS_PER_S, .interval_ns = CH_NS_PER_S, .count = 2};
    struct ch_probe_spec specs[] = {
        named("slow.test", CH_PROBE_CONNECT, CH_TRANSPORT_TCP, 9, &connect),
        named("slow.test", CH_PROBE_HEARTBEAT, CH_TRANSPORT_TCP, 9, &ping),
        named("slow.test", CH_PROBE_HEARTBEAT, CH_TRANSPORT_UDP, 9, &ping),
        named("slow.test", CH_PROBE_KEEPALIVE, CH_TRANSPORT_TCP, 9, &keepalive),
    };

    (void)state;
    names.zones = zones;
    for (unsigned i = 0; i < 4; i++) {
        struct ch_probe *probe = make(&specs[i]);

        start(probe);
        turn();
        assert_int_equal(finished_count, i);
        expire(probe);
        until_finished(i + 1);
        assert_int_equal(seen.end, CH_END_NAME);
        assert_int_equal(seen.dns, CH_DNS_TIMEOUT);
        assert_int_equal(seen.phase, CH_PHASE_RESOLVE);
        start(probe); /* once more, and freed while it waits */
        ch_probe_free(probe);
        turn();
        assert_int_equal(finished_count, i + 1);
    }
    clear(&ping);
}

static void without_descriptors_no_name_is_at_fault(void **state)
{
    static const struct dns_zone zones[] = {
        {.name = "fine.test", .address = {"127.0.0.1"}, .ttl = 60}, {0}};
    struct ch_connect_options connect = {0};
    uint16_t port = closed_port(SOCK_STREAM);
    struct ch_probe_spec spec =
        named("fine.test", CH_PROBE_CONNECT, CH_TRANSPORT_TCP, port, &connect);
    struct ch_probe *probe = make(&spec);
    struct rlimit before, none;

    (void)state;
    names.zones = zones;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    start(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    until_finished(1);
    assert_int_equal(seen.end, CH_END_ERRNO);
    assert_int_equal(seen.error, EMFILE);
    assert_int_equal(seen.phase, CH_PHASE_RESOLVE);
    assert_true(seen.synchronous);
    start(probe);
    until_finished(2);
    assert_int_equal(seen.error, ECONNREFUSED);
    ch_probe_free(probe);
}

#define NAMED_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, set_up_names, tear_down_names)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMED_TEST(the_next_address_is_tried_after_a_refusal),
        NAMED_TEST(a_silent_address_has_only_its_share),
        NAMED_TEST(a_name_that_is_gone_has_no_peer),
        NAMED_TEST(a_lookup_under_way_is_given_up),
        NAMED_TEST(without_descriptors_no_name_is_at_fault),
    };

    alarm(120); /* a test that waits for ever is a failure, not a hang */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
