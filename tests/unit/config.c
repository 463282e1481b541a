/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration means once it is read; its errors are in config_files.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "connhealth/clock.h"
#include "connhealth/expect.h"
#include "connhealth/probe_options.h"
#include "report.h"
#include "walker.h"

static struct ch_config *parse(const char *text)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;

    if (ch_config_parse(text, strlen(text), "/etc/c/test.yml", &config, &errors) != 0)
        fail_msg("%s", errors.count ? errors.lines[0] : "no error given");
    return config;
}

/* The only error of a text, without its file's name. */
static void assert_error(const char *text, size_t len, const char *expected)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;

    assert_int_equal(ch_config_parse(text, len, "t", &config, &errors), -EINVAL);
    assert_null(config);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.lines[0] + 2, expected);
    ch_config_errors_clear(&errors);
}

static void nothing_gives_the_defaults(void **state)
{
    struct ch_config *config = parse("");

    (void)state;
    assert_string_equal(config->path, "/etc/c/test.yml");
    assert_int_equal(config->global.interval_ns, 15 * CH_NS_PER_S);
    assert_int_equal(config->global.timeout_ns, 3 * CH_NS_PER_S);
    assert_int_equal(config->group_count, 0);
    assert_int_equal(config->responder.listen_count, 0);
    assert_int_equal(config->responder.max_connections, 1024);
    assert_int_equal(config->responder.max_connections_per_address, 64);
    assert_int_equal(config->responder.idle_timeout_ns, 0);
    assert_true(config->sockets.enabled);
    assert_int_equal(config->sockets.interval_ns, 15 * CH_NS_PER_S);
    assert_true(config->sockets.units);
    assert_int_equal(config->sockets.unit_limit, 200);
    assert_true(config->sockets.listeners);
    assert_int_equal(config->sockets.peer_count, 0);
    assert_false(config->web.expose_socket_details);
    ch_config_free(config);
    assert_null(ch_config_free(NULL));
}

static void a_group_holds_what_was_written(void **state)
{
    struct ch_config *config = parse("groups:\n"
                                     "  - static_configs:\n"
                                     "      - targets: ['a.example:1', '10.0.0.1:2']\n"
                                     "        labels: {zone: b, team: a}\n"
                                     "    heartbeat:\n"
                                     "      send: \"PING\\r\\n\"\n"
                                     "      expect: \"^\\\\+PONG\"\n"
                                     "    connect: {close: reset}\n"
                                     "    confirm: false\n"
                                     "    file_sd_configs:\n"
                                     "      - {files: [a.json, /b/c.yml], refresh_interval: 1m}\n"
                                     "    name: redis\n");
    const struct ch_group *group = &config->groups[0];
    const struct ch_heartbeat_options *heartbeat = group->probes[CH_PROBE_HEARTBEAT]->options;
    const struct ch_connect_options *connect = group->probes[CH_PROBE_CONNECT]->options;

    (void)state;
    assert_string_equal(group->name, "redis");
    assert_int_equal(group->transport, CH_TRANSPORT_TCP);
    assert_false(group->confirm);
    assert_null(group->probes[CH_PROBE_KEEPALIVE]);
    assert_int_equal(heartbeat->send.len, 6);
    assert_memory_equal(heartbeat->send.data, "PING\r\n", 6);
    assert_string_equal(ch_expect_pattern(heartbeat->expect), "^\\+PONG");
    assert_int_equal(connect->close, 2);
    assert_int_equal(group->static_config_count, 1);
    assert_int_equal(group->static_configs[0].count, 2);
    assert_string_equal(group->static_configs[0].targets[1], "10.0.0.1:2");
    assert_string_equal(group->static_configs[0].labels.items[0].name, "team");
    assert_string_equal(group->static_configs[0].labels.items[1].value, "b");
    assert_int_equal(group->file_sd_config_count, 1);
    assert_string_equal(group->file_sd_configs[0].patterns[0], "/etc/c/a.json");
    assert_string_equal(group->file_sd_configs[0].patterns[1], "/b/c.yml");
    assert_int_equal(group->file_sd_configs[0].refresh_ns, 60 * CH_NS_PER_S);
    ch_config_free(config);
}

static void assert_times(const struct ch_config *config, size_t group, enum ch_probe_kind kind,
                         int64_t interval_ms, int64_t timeout_ms)
{
    const struct ch_probe_settings *settings = config->groups[group].probes[kind];

    assert_non_null(settings);
    assert_int_equal(settings->interval_ns, interval_ms * CH_NS_PER_MS);
    assert_int_equal(settings->timeout_ns, timeout_ms * CH_NS_PER_MS);
}

/* Probe before group before global; what comes from further out is cut. */
static void times_are_inherited_and_cut(void **state)
{
    struct ch_config *config = parse("groups:\n"
                                     "  - {name: a, connect: , heartbeat: {interval: 1s}}\n"
                                     "  - {name: b, interval: 2s, connect: {}}\n"
                                     "  - {name: c, timeout: 8s, connect: {interval: 6s},\n"
                                     "     heartbeat: {timeout: 9s}}\n"
                                     "  - {name: d, interval: 1h, timeout: 1m, connect: {}}\n"
                                     "global: {interval: 10s, timeout: 4s}\n");

    (void)state;
    assert_times(config, 0, CH_PROBE_CONNECT, 10000, 4000);
    assert_times(config, 0, CH_PROBE_HEARTBEAT, 1000, 1000);
    assert_times(config, 1, CH_PROBE_CONNECT, 2000, 2000);
    assert_times(config, 2, CH_PROBE_CONNECT, 6000, 6000);
    assert_times(config, 2, CH_PROBE_HEARTBEAT, 10000, 9000);
    assert_times(config, 3, CH_PROBE_CONNECT, 3600000, 60000);
    ch_config_free(config);
    config = parse("global: {interval: 1s}\n");
    assert_int_equal(config->global.timeout_ns, CH_NS_PER_S);
    ch_config_free(config);
}

/* keepalive's interval is the kernel's; how often to look is the group's. */
static void a_kinds_own_interval_hides_the_probes(void **state)
{
    struct ch_config *config = parse("groups:\n"
                                     "  - name: a\n"
                                     "    interval: 4s\n"
                                     "    keepalive: {interval: 60s, timeout: 2s}\n");
    const struct ch_keepalive_options *options =
        config->groups[0].probes[CH_PROBE_KEEPALIVE]->options;
    char *text = ch_config_format(config);

    (void)state;
    assert_times(config, 0, CH_PROBE_KEEPALIVE, 4000, 2000);
    assert_int_equal(options->interval_ns, 60 * CH_NS_PER_S);
    assert_non_null(strstr(text, "    interval: 4s\n    keepalive:\n      timeout: 2s\n"));
    assert_non_null(strstr(text, "      interval: 1m\n"));
    free(text);
    ch_config_free(config);
}

static void verify_after_replaces_and_ascends(void **state)
{
    struct ch_config *config =
        parse("groups: [{name: a, keepalive: {verify_after: [5m, 1h]}}, {name: b, keepalive: }]\n");
    const struct ch_keepalive_options *options =
        config->groups[0].probes[CH_PROBE_KEEPALIVE]->options;

    (void)state;
    assert_int_equal(options->verify_after.count, 2);
    assert_int_equal(options->verify_after.ns[1], 3600 * CH_NS_PER_S);
    ch_config_free(config);
}

static void addresses_and_peers_are_values(void **state)
{
    struct ch_config *config =
        parse("responder: {listen: [':10338', '127.0.0.1:1']}\n"
              "sockets: {units: {enabled: false, limit: 7}, peers: [{name: db, networks: "
              "[10.0.0.0/8, '2001:db8::1'], ports: [5432]}]}\n");
    const struct ch_peer_group *peer = &config->sockets.peers[0];
    char text[CH_ADDR_TEXT];

    (void)state;
    assert_int_equal(config->responder.listen_count, 2);
    assert_string_equal(ch_addr_format(&config->responder.listen[0], text), "[::]:10338");
    assert_string_equal(ch_addr_format(&config->responder.listen[1], text), "127.0.0.1:1");
    assert_false(config->sockets.units);
    assert_int_equal(config->sockets.unit_limit, 7);
    assert_int_equal(config->sockets.peer_count, 1);
    assert_string_equal(peer->name, "db");
    assert_int_equal(peer->network_count, 2);
    assert_int_equal(peer->networks[0].prefix, 8);
    assert_int_equal(peer->networks[1].prefix, 128);
    assert_int_equal(peer->networks[1].address.family, AF_INET6);
    assert_int_equal(peer->port_count, 1);
    assert_int_equal(peer->ports[0], 5432);
    ch_config_free(config);
}

static void relative_paths_start_at_the_working_directory(void **state)
{
    static const char text[] =
        "groups: [{name: a, connect: {}, file_sd_configs: [{files: [x.json]}]}]";
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;

    (void)state;
    assert_int_equal(chdir("/usr"), 0);
    assert_int_equal(ch_config_parse(text, strlen(text), "lib/c.yml", &config, &errors), 0);
    assert_string_equal(config->path, "/usr/lib/c.yml");
    assert_string_equal(config->groups[0].file_sd_configs[0].patterns[0], "/usr/lib/x.json");
    ch_config_free(config);
    assert_int_equal(ch_config_parse(text, strlen(text), "/c.yml", &config, &errors), 0);
    assert_string_equal(config->groups[0].file_sd_configs[0].patterns[0], "/x.json");
    ch_config_free(config);
}

static void requests_may_hold_passwords_and_are_not_shown(void **state)
{
    struct ch_config *config =
        parse("groups:\n"
              "  - {name: a, heartbeat: {send: \"AUTH hunter2\\r\\n\", expect: 'OK'}}\n"
              "  - {name: b, heartbeat: {send_hex: '68756e74657232'}}\n");
    char *text = ch_config_format(config);

    (void)state;
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "68 75"));
    assert_non_null(strstr(text, "      send: \"<secret>\"\n      expect: \"OK\"\n"));
    assert_non_null(strstr(text, "      send_hex: \"<secret>\"\n"));
    free(text);
    ch_config_free(config);
    assert_error("groups: [{name: a, heartbeat: {send: <secret>}}]", 48,
                 "1:32: groups[0].heartbeat.send: <secret> only stands for a secret that was not "
                 "shown; write the secret");
}

/* Errors quote what they found, but never a secret. */
static void errors_hold_no_secret(void **state)
{
    (void)state;
    assert_error("groups: [{name: a, heartbeat: {send_hex: 'hunter2'}}]", 53,
                 "1:32: groups[0].heartbeat.send_hex: has a character that is no hexadecimal digit "
                 "at offset 0 (example: 50 49 4e 47)");
}

static void errors_beyond_the_limit_are_counted(void **state)
{
    struct ch_config_errors errors = {0};
    struct ch_config *config = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    fprintf(out, "groups:\n");
    for (int i = 0; i < 3000; i++)
        fprintf(out, "  - {name: g%d}\n", i);
    fclose(out);
    assert_int_equal(ch_config_parse(text, len, "t", &config, &errors), -EINVAL);
    assert_int_equal(errors.count, CH_REPORT_MAX);
    assert_string_equal(errors.lines[CH_REPORT_MAX - 1], "t: 2001 more errors are not shown");
    ch_config_errors_clear(&errors);
    free(text);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    assert_error("a: \0", 4, "1:4: not readable as UTF-8 text: control characters are not allowed");
    assert_error("\xff\xfeg\0", 4, "1:1: not readable as UTF-8 text: invalid leading UTF-8 octet");
    assert_error("\"a\\0b\": 1", 9, "1:1: a key holds a NUL character");
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    struct ch_config *config = parse("\xef\xbb\xbfglobal: {interval: 9s}\n");

    (void)state;
    assert_int_equal(config->global.interval_ns, 9 * CH_NS_PER_S);
    ch_config_free(config);
}

static void a_configuration_is_counted(void **state)
{
    struct ch_config *config = parse("");

    (void)state;
    assert_ptr_equal(ch_config_ref(config), config);
    ch_config_free(config);
    assert_int_equal(config->global.interval_ns, 15 * CH_NS_PER_S);
    ch_config_free(config);
}

static void words_are_as_far_apart_as_slips_make_them(void **state)
{
    (void)state;
    assert_int_equal(ch_word_distance("interval", "interval", 9), 0);
    assert_int_equal(ch_word_distance("intervall", "interval", 9), 1);
    assert_int_equal(ch_word_distance("intreval", "interval", 9), 1);
    assert_int_equal(ch_word_distance("inerval", "interval", 9), 1);
    assert_int_equal(ch_word_distance("", "abc", 9), 3);
    assert_int_equal(ch_word_distance("kitten", "sitting", 9), 3);
    assert_int_equal(ch_word_distance("abcdefghij", "klmnopqrst", 9), 9);
    assert_int_equal(ch_word_distance("a-word-of-more-than-thirty-two-bytes", "a", 9), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_the_defaults),
        cmocka_unit_test(a_group_holds_what_was_written),
        cmocka_unit_test(times_are_inherited_and_cut),
        cmocka_unit_test(a_kinds_own_interval_hides_the_probes),
        cmocka_unit_test(verify_after_replaces_and_ascends),
        cmocka_unit_test(addresses_and_peers_are_values),
        cmocka_unit_test(relative_paths_start_at_the_working_directory),
        cmocka_unit_test(requests_may_hold_passwords_and_are_not_shown),
        cmocka_unit_test(errors_hold_no_secret),
        cmocka_unit_test(errors_beyond_the_limit_are_counted),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(a_configuration_is_counted),
        cmocka_unit_test(words_are_as_far_apart_as_slips_make_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
