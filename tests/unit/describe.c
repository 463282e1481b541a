/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "situations.h"

static const struct ch_evidence *evidence_of(const char *name)
{
    for (size_t i = 0; i < SITUATION_COUNT; i++)
        if (strcmp(situations[i].name, name) == 0)
            return &situations[i].evidence;
    fail_msg("no situation is called %s", name);
    return NULL;
}

static void assert_sentence(const struct ch_evidence *evidence, const char *expected)
{
    struct ch_outcome outcome = ch_classify(evidence);
    char text[CH_DETAIL_TEXT];

    assert_ptr_equal(ch_outcome_describe(evidence, &outcome, text, sizeof(text)), text);
    assert_string_equal(text, expected);
}

static void sentences_name_the_evidence(void **state)
{
    (void)state;
    assert_sentence(evidence_of("host down, the router's ARP fails"),
                    "ICMP host unreachable (3/1) from the router 10.0.1.1 answered the SYN to "
                    "10.0.2.7:6379 after 3.0 s, 3 retransmissions; proof: that router cannot "
                    "deliver to the target");
    assert_sentence(evidence_of("our ARP fails"),
                    "ICMP host unreachable (3/1) from this host 10.0.1.5 answered the SYN to "
                    "10.0.2.7:6379 after 3.0 s, 3 retransmissions due and 0 left this host; proof: "
                    "the gateway or neighbour on our own link does not answer ARP or ND");
    assert_sentence(evidence_of("v6 prohibited 1/1"),
                    "ICMPv6 admin prohibited (1/1) from the router 2001:db8::1 answered the SYN to "
                    "[2001:db8::7]:6379 after 3.0 s; proof: a firewall on the way rejects it, and "
                    "named itself");
    assert_sentence(evidence_of("hung application, new connections are taken"),
                    "no reply from 10.0.2.7:6379 within 1.0 s while an answer was awaited, the "
                    "request of 72 bytes was acknowledged, connected for 1 h 2 min; a new "
                    "connection was made at once, to the same service on the same boot; proof: the "
                    "peer's kernel has the request, its application did not answer in time");
    assert_sentence(evidence_of("request not acknowledged, new connections work"),
                    "no reply from 10.0.2.7:6379 within 1.0 s while an answer was awaited, 72 "
                    "bytes of ours not acknowledged, 2 retransmissions, nothing received for 1.0 "
                    "s, idle for 15 min 5 s before, connected for 1 h 2 min; a new connection was "
                    "made at once; inference: a middlebox forgot this flow, or an outage has just "
                    "ended; if it repeats at the same idle age it is a middlebox");
    assert_sentence(evidence_of("keepalive death, a router gives up"),
                    "TCP gave up the connection to 10.0.2.7:6379 (ETIMEDOUT) while the connection "
                    "was held without traffic of ours, 3 keepalive probes unanswered, nothing "
                    "received for 1 min 0 s, idle for 15 min 5 s, connected for 1 h 2 min; a new "
                    "connection met ICMP host unreachable (3/1) from the router 10.0.1.1; proof: "
                    "that router cannot deliver to the target");
    assert_sentence(evidence_of("closed, no new connection tried"),
                    "10.0.2.7:6379 closed the connection (FIN) while the connection was held "
                    "without traffic of ours, idle for 15 min 5 s, connected for 1 h 2 min; cause "
                    "unknown: a new connection would tell more, and none was tried");
    assert_sentence(evidence_of("no descriptor"),
                    "this host could not connect to 10.0.2.7:6379: EMFILE (Too many open files); "
                    "proof: this host ran out of it; the target is not to blame");
    assert_sentence(evidence_of("port unreachable 3/3 by the target"),
                    "ICMP port unreachable (3/3) from the target itself 10.0.2.7 answered the SYN "
                    "to 10.0.2.7:6379 after 3.0 s; proof: the host is up, and its own firewall "
                    "rejects it");
    assert_sentence(evidence_of("our firewall rejects with port unreachable"),
                    "ICMP port unreachable (3/3) from this host 10.0.1.5 answered the SYN to "
                    "10.0.2.7:6379 after 3.0 s, 1 retransmission; proof: this host's own firewall "
                    "rejects it");
    assert_sentence(evidence_of("RST before accept"),
                    "the connection of 10.0.3.9:40123 was dead when it was accepted; proof: the "
                    "client gave the connection up before it was accepted");
}

static void success_is_a_sentence_too(void **state)
{
    (void)state;
    assert_sentence(&(struct ch_evidence){CONNECTING, .end = CH_END_OK},
                    "connected to 10.0.2.7:6379 after 3.0 s");
    assert_sentence(&(struct ch_evidence){HELD(RECEIVE), .end = CH_END_OK, .duration_ns = 312000},
                    "10.0.2.7:6379 answered after 312 us");
    assert_sentence(&(struct ch_evidence){IDLE, .end = CH_END_OK},
                    "the connection to 10.0.2.7:6379 stands");
}

static void what_the_peer_sent_is_escaped(void **state)
{
    struct ch_evidence evidence = {DATAGRAM(RECEIVE), .end = CH_END_MISMATCH, .reply_len = 12};

    (void)state;
    memcpy(evidence.reply, "a\"\\\r\n\t\0\x1b\x7f\xff~ ", 12);
    assert_sentence(&evidence, "10.0.2.7:6379 sent an unexpected reply "
                               "\"a\\\"\\\\\\r\\n\\t\\x00\\x1b\\x7f\\xff~ \"; proof: something "
                               "answers there, and not as it should");
}

/* One plain line: printable ASCII, whole, with a verdict at its end. */
static void assert_readable(const char *name, const char *text, const struct ch_outcome *outcome)
{
    const char *verdict = outcome->cause == CH_CAUSE_UNKNOWN ? "; cause unknown: "
                          : outcome->certain                 ? "; proof: "
                                                             : "; inference: ";

    for (const char *at = text; *at; at++)
        if (*at < ' ' || *at > '~')
            fail_msg("%s: a byte 0x%02x in: %s", name, (unsigned char)*at, text);
    if (strlen(text) >= CH_DETAIL_TEXT - 1)
        fail_msg("%s: cut: %s", name, text);
    if (!strstr(text, verdict))
        fail_msg("%s: no%s in: %s", name, verdict, text);
    if (strstr(text, "  ") || strstr(text, " ,") || strstr(text, ": ;"))
        fail_msg("%s: a hole in: %s", name, text);
}

/* With everything that a sentence can mention at its longest. */
static void make_long(struct ch_evidence *e)
{
    const struct ch_addr longest = {.family = AF_INET6,
                                    .port = 65535,
                                    .ip = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

    if (e->peer.family != AF_UNSPEC)
        e->peer = longest;
    if (e->icmp.version != 0)
        e->icmp.offender.ip[15]++;
    e->duration_ns = INT64_C(86399) * SEC;
    e->silent_ns = INT64_C(86399) * SEC;
    e->idle_ns = INT64_C(86399) * SEC;
    e->age_ns = INT64_C(863999) * SEC;
    e->soft_error = EADDRNOTAVAIL;
    e->soft_errors = 1;
    e->addresses_tried = 64;
    e->dns_stale = true;
    memset(e->reply, 0xff, sizeof(e->reply));
    e->reply_len = sizeof(e->reply);
}

static void every_sentence_is_readable(void **state)
{
    char text[CH_DETAIL_TEXT];

    (void)state;
    for (size_t i = 0; i < SITUATION_COUNT; i++) {
        struct ch_evidence evidence = situations[i].evidence;
        struct ch_outcome outcome = ch_classify(&evidence);

        ch_outcome_describe(&evidence, &outcome, text, sizeof(text));
        assert_readable(situations[i].name, text, &outcome);
        make_long(&evidence);
        ch_outcome_describe(&evidence, &outcome, text, sizeof(text));
        assert_readable(situations[i].name, text, &outcome);
    }
}

/* A shorter buffer gives the beginning of the same text, and not a byte more is
 * touched. */
static void no_buffer_is_overrun(void **state)
{
    char whole[2048], text[2048], untouched[2048];

    (void)state;
    memset(untouched, 0x5a, sizeof(untouched));
    for (size_t i = 0; i < SITUATION_COUNT; i++) {
        struct ch_evidence evidence = situations[i].evidence;
        struct ch_outcome outcome = ch_classify(&evidence);
        size_t len;

        make_long(&evidence);
        ch_outcome_describe(&evidence, &outcome, whole, sizeof(whole));
        len = strlen(whole);
        for (size_t size = 0; size <= 700; size++) {
            size_t kept = len < size ? len : size - 1;

            memcpy(text, untouched, sizeof(text));
            assert_ptr_equal(ch_outcome_describe(&evidence, &outcome, text, size), text);
            assert_memory_equal(text + size, untouched + size, sizeof(text) - size);
            if (size == 0)
                continue;
            assert_int_equal(strlen(text), kept);
            assert_memory_equal(text, whole, kept);
        }
    }
}

/* An outcome from elsewhere (another version's record) still gives a text. */
static void a_foreign_outcome_is_described(void **state)
{
    struct ch_outcome outcome = {.cause = CH_CAUSE_STATE_LOST, .rule = UINT16_MAX};
    char text[CH_DETAIL_TEXT];

    (void)state;
    ch_outcome_describe(evidence_of("closed port"), &outcome, text, sizeof(text));
    assert_non_null(strstr(text, ch_cause_word(CH_CAUSE_STATE_LOST)->meaning));
    outcome.cause = 250;
    ch_outcome_describe(evidence_of("closed port"), &outcome, text, sizeof(text));
    assert_non_null(strstr(text, "10.0.2.7:6379 refused the connection"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_name_the_evidence),
        cmocka_unit_test(success_is_a_sentence_too),
        cmocka_unit_test(what_the_peer_sent_is_escaped),
        cmocka_unit_test(every_sentence_is_readable),
        cmocka_unit_test(no_buffer_is_overrun),
        cmocka_unit_test(a_foreign_outcome_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
