/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict on one attempt, and the pure function that reaches it.
 *
 * No clock, no socket, no global: the whole diagnosis can be tested without a
 * network, on any thread.
 */
#ifndef CONNHEALTH_OUTCOME_H
#define CONNHEALTH_OUTCOME_H

#include "connhealth/evidence.h"

struct ch_outcome {
    uint8_t success;  /* 1: the attempt did what it should */
    uint8_t category; /* enum ch_category, NONE on success */
    uint8_t phase;    /* enum ch_phase */
    uint8_t wire;     /* enum ch_wire */
    uint8_t cause;    /* enum ch_cause, NONE on success */
    uint8_t certain;  /* 1: proof, 0: inference */
    uint16_t rule;    /* index of the rule that found the cause: ch_rule() */
};

/* Total: every evidence, even a senseless one, has an outcome. */
struct ch_outcome ch_classify(const struct ch_evidence *evidence);

/* One plain English sentence (no newline) for a person: what happened, what it
 * rests on, who said so; what would decide, where it is an inference. Text from
 * the peer is escaped to printable ASCII. Writes at most size bytes with the
 * NUL and returns text. */
#define CH_DETAIL_TEXT 640
const char *ch_outcome_describe(const struct ch_evidence *evidence,
                                const struct ch_outcome *outcome, char *text, size_t size);

/* The rules, top to bottom: the first whose test holds names the cause. */
struct ch_rule {
    enum ch_cause cause;
    bool certain;
    const char *when; /* the test, in words */
    const char *why;  /* what it rests on, with the source */
    const char *says; /* the conclusion for a person; of an inference also what would decide */
};
unsigned ch_rule_count(void);
const struct ch_rule *ch_rule_at(unsigned index); /* NULL beyond the end */

#endif
