/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connhealth/address.h"

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"
#define NAME_253                                                                                   \
    LABEL_63 "." LABEL_63 "." LABEL_63                                                             \
             ".234567890123456789012345678901234567890123456789012345678901a"

static void hostports_that_are_good(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool literal;
    } good[] = {
        {"10.0.0.1:80", "10.0.0.1", 80, true},
        {"cache.example.net:6379", "cache.example.net", 6379, false},
        {"cache.example.net.:6379", "cache.example.net.", 6379, false},
        {"localhost:1", "localhost", 1, false},
        {"a_b-c.d0:65535", "a_b-c.d0", 65535, false},
        {"10.0.0.1.example:80", "10.0.0.1.example", 80, false},
        {"[2001:db8::7]:80", "2001:db8::7", 80, true},
        {"[::]:10338", "::", 10338, true},
        {"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, true},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", 80, true},
        {"[fe80::1%3]:80", "fe80::1%3", 80, true},
        {NAME_253 ":80", NAME_253, 80, false},
        {NAME_253 ".:80", NAME_253 ".", 80, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct ch_hostport got = {0};
        const char *reason = ch_hostport_parse(good[i].text, &got);

        if (reason)
            fail_msg("%s: %s", good[i].text, reason);
        assert_string_equal(got.host, good[i].host);
        assert_int_equal(got.port, good[i].port);
        assert_int_equal(got.literal, good[i].literal);
    }
}

static void hostports_that_are_bad_say_why(void **state)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "is empty"},
        {"10.0.0.1", "has no port"},
        {"name", "has no port"},
        {"[2001:db8::7]", "has no port"},
        {"[2001:db8::7]80", "has no port"},
        {"10.0.0.1:", "1 to 65535"},
        {"10.0.0.1:0", "1 to 65535"},
        {"10.0.0.1:65536", "1 to 65535"},
        {"10.0.0.1:655360", "1 to 65535"},
        {"10.0.0.1:+80", "1 to 65535"},
        {"10.0.0.1: 80", "1 to 65535"},
        {"10.0.0.1:http", "1 to 65535"},
        {"[::1]:x", "1 to 65535"},
        {"2001:db8::7:80", "without brackets"},
        {"::1", "without brackets"},
        {"[::1:80", "no closing"},
        {"[10.0.0.1]:80", "no IPv6 address"},
        {"[]:80", "no IPv6 address"},
        {"[fe80::1%]:80", "no IPv6 address"},
        {"[fe80::1%an-interface-name]:80", "no IPv6 address"},
        {":80", "neither an address nor a name"},
        {"a..b:80", "neither an address nor a name"},
        {".:80", "neither an address nor a name"},
        {"a..:80", "neither an address nor a name"},
        {"-a:80", "neither an address nor a name"},
        {"a-.b:80", "neither an address nor a name"},
        {"a b:80", "neither an address nor a name"},
        {"b\xc3\xbc.example:80", "neither an address nor a name"},
        {LABEL_63 "4:80", "neither an address nor a name"},
        {NAME_253 "b:80", "longer than 253"},
        {NAME_253 "b.example:80", "longer than 253"},
        {"10.0.0.256:80", "no IPv4 address"},
        {"10.1:80", "no IPv4 address"},
        {"10.0.0.1.:80", "no IPv4 address"},
        {"1234:80", "no IPv4 address"},
        {"http://name:80", "is a URL"},
        {"http://name", "is a URL"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ch_hostport got = {.port = 7};
        const char *reason = ch_hostport_parse(bad[i].text, &got);

        if (!reason || !strstr(reason, bad[i].part))
            fail_msg("%s: %s", bad[i].text, reason ? reason : "accepted");
        assert_int_equal(got.port, 7);
    }
}

static void addresses_go_there_and_back(void **state)
{
    static const char *const same[] = {"10.0.0.1:80", "[2001:db8::7]:65535", "[::]:1", "0.0.0.0:1",
                                       "[fe80::1%lo]:443"};

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct sockaddr_storage storage;
        struct ch_hostport split;
        struct ch_addr addr, back;
        char text[CH_ADDR_TEXT];
        socklen_t len;

        assert_null(ch_hostport_parse(same[i], &split));
        assert_true(ch_addr_parse(split.host, split.port, &addr));
        len = ch_addr_to_sockaddr(&addr, &storage);
        back = ch_addr_from_sockaddr((struct sockaddr *)&storage, len);
        assert_string_equal(ch_addr_format(&back, text), same[i]);
        assert_string_equal(ch_addr_format_host(&back, text), split.host);
        assert_true(ch_addr_same_host(&addr, &back));
    }
}

static void a_scope_is_an_interface_of_this_host(void **state)
{
    struct ch_addr addr = {.family = AF_UNSPEC};
    char text[CH_ADDR_TEXT];

    (void)state;
    assert_false(ch_addr_parse("fe80::1%nosuchif0", 1, &addr));
    assert_false(ch_addr_parse("fe80::1%", 1, &addr));
    assert_false(ch_addr_parse("fe80::1%0", 1, &addr));
    assert_int_equal(addr.family, AF_UNSPEC);
    assert_true(ch_addr_parse("fe80::1%lo", 1, &addr));
    assert_int_equal(addr.scope, if_nametoindex("lo"));
    /* an interface that has gone is shown by its number, and the text fits */
    addr.scope = UINT32_MAX;
    memset(addr.ip, 0xff, sizeof(addr.ip));
    addr.port = 65535;
    assert_string_equal(ch_addr_format(&addr, text),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static void names_are_no_addresses(void **state)
{
    static const char *const names[] = {
        "", "localhost", "10.0.0", "10.0.0.256", "::1%lo%lo", "[::1]", "1:2:3:4:5:6:7:8:9", " ::1"};
    struct ch_addr addr;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(ch_addr_parse(names[i], 1, &addr));
}

static void mapped_addresses_become_ipv4(void **state)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct ch_addr addr;
    char text[CH_ADDR_TEXT];

    (void)state;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:10.0.0.1", &mapped.sin6_addr), 1);
    addr = ch_addr_from_sockaddr((struct sockaddr *)&mapped, sizeof(mapped));
    assert_string_equal(ch_addr_format(&addr, text), "10.0.0.1:80");
}

static void other_families_and_short_lengths_are_none(void **state)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    struct ch_addr addr = ch_addr_from_sockaddr((struct sockaddr *)&storage, sizeof(storage));
    char text[CH_ADDR_TEXT] = "x";

    (void)state;
    assert_int_equal(addr.family, AF_UNSPEC);
    assert_string_equal(ch_addr_format(&addr, text), "");
    assert_string_equal(ch_addr_format_host(&addr, text), "");
    assert_false(ch_addr_same_host(&addr, &addr));
    storage.ss_family = AF_INET6;
    addr = ch_addr_from_sockaddr((struct sockaddr *)&storage, sizeof(struct sockaddr_in6) - 1);
    assert_int_equal(addr.family, AF_UNSPEC);
    addr = ch_addr_from_sockaddr((struct sockaddr *)&storage, 0);
    assert_int_equal(addr.family, AF_UNSPEC);
    ch_addr_to_sockaddr(&addr, &storage);
    assert_int_equal(storage.ss_family, AF_UNSPEC);
}

static void hosts_differ_by_family_scope_and_bytes(void **state)
{
    struct ch_addr v4, v4_other_port, v4_other, v6, v6_scoped;

    (void)state;
    assert_true(ch_addr_parse("10.0.0.1", 1, &v4));
    assert_true(ch_addr_parse("10.0.0.1", 2, &v4_other_port));
    assert_true(ch_addr_parse("10.0.0.2", 1, &v4_other));
    assert_true(ch_addr_parse("fe80::1", 1, &v6));
    assert_true(ch_addr_parse("fe80::1%lo", 1, &v6_scoped));
    assert_true(ch_addr_same_host(&v4, &v4_other_port));
    assert_false(ch_addr_same_host(&v4, &v4_other));
    assert_false(ch_addr_same_host(&v4, &v6));
    assert_false(ch_addr_same_host(&v6, &v6_scoped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostports_that_are_good),
        cmocka_unit_test(hostports_that_are_bad_say_why),
        cmocka_unit_test(addresses_go_there_and_back),
        cmocka_unit_test(a_scope_is_an_interface_of_this_host),
        cmocka_unit_test(names_are_no_addresses),
        cmocka_unit_test(mapped_addresses_become_ipv4),
        cmocka_unit_test(other_families_and_short_lengths_are_none),
        cmocka_unit_test(hosts_differ_by_family_scope_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
