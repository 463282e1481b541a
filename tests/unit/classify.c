/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "situations.h"

static void assert_outcome(const struct situation *situation, const struct ch_outcome *got)
{
    const struct ch_outcome *want = &situation->expected;

    if (!got->success && got->phase == want->phase && got->category == want->category &&
        got->wire == want->wire && got->cause == want->cause && got->certain == want->certain)
        return;
    fail_msg("%s: got %s %s %s %s certain %d, want %s %s %s %s certain %d", situation->name,
             ch_phase_word(got->phase)->slug, ch_category_row(got->category)->slug,
             ch_wire_word(got->wire)->slug, ch_cause_word(got->cause)->slug, got->certain,
             ch_phase_word(want->phase)->slug, ch_category_row(want->category)->slug,
             ch_wire_word(want->wire)->slug, ch_cause_word(want->cause)->slug, want->certain);
}

static void every_situation_is_named_rightly(void **state)
{
    (void)state;
    for (size_t i = 0; i < SITUATION_COUNT; i++) {
        struct ch_outcome outcome = ch_classify(&situations[i].evidence);

        assert_outcome(&situations[i], &outcome);
        assert_int_equal(ch_rule_at(outcome.rule)->cause, outcome.cause);
        assert_int_equal(ch_rule_at(outcome.rule)->certain, outcome.certain);
    }
}

static void every_rule_decides_a_situation(void **state)
{
    (void)state;
    for (unsigned rule = 0; rule < ch_rule_count(); rule++) {
        bool decides = false;

        for (size_t i = 0; i < SITUATION_COUNT && !decides; i++)
            decides = ch_classify(&situations[i].evidence).rule == rule;
        if (!decides)
            fail_msg("rule %u is never reached: when %s", rule, ch_rule_at(rule)->when);
    }
    assert_null(ch_rule_at(ch_rule_count()));
    assert_null(ch_rule_at(UINT16_MAX));
}

/* Counts, in seen[], which values of one field the situations produce. */
static void count_values(size_t offset, unsigned *seen)
{
    for (size_t i = 0; i < SITUATION_COUNT; i++) {
        struct ch_outcome outcome = ch_classify(&situations[i].evidence);

        seen[((const uint8_t *)&outcome)[offset]]++;
    }
}

/* No row of the vocabulary is without a failure that produces it. */
static void every_word_is_produced(void **state)
{
    unsigned categories[256] = {0}, phases[256] = {0}, wires[256] = {0}, causes[256] = {0};

    (void)state;
    count_values(offsetof(struct ch_outcome, category), categories);
    count_values(offsetof(struct ch_outcome, phase), phases);
    count_values(offsetof(struct ch_outcome, wire), wires);
    count_values(offsetof(struct ch_outcome, cause), causes);
    for (unsigned i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++)
        if (categories[i] == 0)
            fail_msg("category %s is never produced", ch_category_row(i)->slug);
    for (unsigned i = CH_PHASE_NONE + 1; i < CH_PHASE_COUNT; i++)
        if (phases[i] == 0)
            fail_msg("phase %s is never produced", ch_phase_word(i)->slug);
    for (unsigned i = 0; i < CH_WIRE_COUNT; i++)
        if (wires[i] == 0)
            fail_msg("wire %s is never produced", ch_wire_word(i)->slug);
    for (unsigned i = CH_CAUSE_NONE + 1; i < CH_CAUSE_COUNT; i++)
        if (causes[i] == 0)
            fail_msg("cause %s is never produced", ch_cause_word(i)->slug);
    assert_int_equal(categories[CH_CATEGORY_NONE] + phases[CH_PHASE_NONE] + causes[CH_CAUSE_NONE],
                     0);
}

/* The rules are documentation: each column is there, plain ASCII, and no row
 * repeats another. */
static void rules_read_as_documentation(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ch_rule_count(); i++) {
        const struct ch_rule *rule = ch_rule_at(i);
        const char *columns[] = {rule->when, rule->why, rule->says};

        for (size_t c = 0; c < 3; c++) {
            assert_non_null(columns[c]);
            assert_true(strlen(columns[c]) > 8);
            for (const char *at = columns[c]; *at; at++)
                assert_in_range(*at, ' ', '~');
        }
        assert_in_range(rule->cause, CH_CAUSE_NONE + 1, CH_CAUSE_COUNT - 1);
        for (unsigned other = 0; other < i; other++)
            assert_string_not_equal(rule->when, ch_rule_at(other)->when);
    }
    assert_int_equal(ch_rule_at(ch_rule_count() - 1)->cause, CH_CAUSE_UNKNOWN);
    assert_false(ch_rule_at(ch_rule_count() - 1)->certain);
}

static void success_has_no_cause(void **state)
{
    struct ch_evidence evidence = {HELD(RECEIVE), .end = CH_END_OK, .soft_error = EHOSTUNREACH};
    struct ch_outcome outcome = ch_classify(&evidence);

    (void)state;
    assert_int_equal(outcome.success, 1);
    assert_int_equal(outcome.category, CH_CATEGORY_NONE);
    assert_int_equal(outcome.cause, CH_CAUSE_NONE);
    assert_int_equal(outcome.phase, CH_PHASE_NONE);
    assert_null(ch_rule_at(outcome.rule));
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift64 */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void assert_valid(const struct ch_evidence *evidence, const struct ch_outcome *outcome)
{
    assert_int_equal(outcome->success, evidence->end == CH_END_OK);
    assert_in_range(outcome->category, 0, CH_CATEGORY_COUNT - 1);
    assert_in_range(outcome->phase, 0, CH_PHASE_COUNT - 1);
    assert_in_range(outcome->wire, 0, CH_WIRE_COUNT - 1);
    assert_in_range(outcome->cause, 0, CH_CAUSE_COUNT - 1);
    assert_in_range(outcome->certain, 0, 1);
    assert_int_equal(outcome->category == CH_CATEGORY_NONE, outcome->success);
    assert_int_equal(outcome->cause == CH_CAUSE_NONE, outcome->success);
}

/* A bool holds 0 or 1 only; everything else may hold anything. */
static void make_senseless(struct ch_evidence *evidence, uint64_t *seed)
{
    uint8_t *bytes = (uint8_t *)evidence;
    bool *flags[] = {
        &evidence->established,   &evidence->synchronous,   &evidence->goodbye,
        &evidence->server_side,   &evidence->stalled,       &evidence->send_incomplete,
        &evidence->request_sent,  &evidence->retrans_fail,  &evidence->dns_stale,
        &evidence->confirm_stuck, &evidence->answered_late, &evidence->tcp.has_snd_wnd,
    };

    for (size_t i = 0; i < sizeof(*evidence); i++)
        bytes[i] = (uint8_t)next_random(seed);
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        uint8_t flag = next_random(seed) & 1;

        memcpy(flags[i], &flag, 1);
    }
    /* Mostly near the values that mean something. */
    if (next_random(seed) % 4 != 0) {
        evidence->end %= CH_END_NAME + 2;
        evidence->phase %= CH_PHASE_COUNT + 1;
        evidence->error = (int32_t)(next_random(seed) % 140) - 2;
        evidence->icmp.version = (uint8_t)(next_random(seed) % 3 * 3);
        evidence->icmp.type %= 14;
        evidence->icmp.code %= 17;
    }
}

static void senseless_evidence_has_an_outcome(void **state)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    struct ch_evidence evidence, copy;
    struct ch_outcome first, second;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        make_senseless(&evidence, &seed);
        copy = evidence;
        first = ch_classify(&evidence);
        second = ch_classify(&copy);
        assert_valid(&evidence, &first);
        assert_memory_equal(&first, &second, sizeof(first));
        assert_memory_equal(&evidence, &copy, sizeof(evidence));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_situation_is_named_rightly),
        cmocka_unit_test(every_rule_decides_a_situation),
        cmocka_unit_test(every_word_is_produced),
        cmocka_unit_test(rules_read_as_documentation),
        cmocka_unit_test(success_has_no_cause),
        cmocka_unit_test(senseless_evidence_has_an_outcome),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
