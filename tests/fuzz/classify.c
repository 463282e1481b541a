/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as evidence: a valid outcome, the same again for the same evidence,
 * and a sentence that stays in its buffer whatever its size. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

/* A bool holds 0 or 1; any other byte would be undefined before it is read. */
static void make_flag(bool *flag)
{
    uint8_t byte;

    memcpy(&byte, flag, 1);
    byte &= 1;
    memcpy(flag, &byte, 1);
}

static void make_flags(struct ch_evidence *e)
{
    bool *flags[] = {&e->established, &e->synchronous,     &e->goodbye,       &e->server_side,
                     &e->stalled,     &e->send_incomplete, &e->request_sent,  &e->retrans_fail,
                     &e->dns_stale,   &e->answered_late,   &e->confirm_stuck, &e->tcp.has_snd_wnd};

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        make_flag(flags[i]);
}

static void check_sentence(const struct ch_evidence *evidence, const struct ch_outcome *outcome,
                           size_t size)
{
    char *text = malloc(size ? size : 1); /* its end is watched by the sanitizer */

    expect(text != NULL);
    expect(ch_outcome_describe(evidence, outcome, text, size) == text);
    for (size_t i = 0; size > 0 && text[i]; i++)
        expect(i < size && text[i] >= ' ' && text[i] <= '~');
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ch_evidence evidence = {0};
    struct ch_outcome first, second;
    size_t buffer = size > 1 ? (data[0] | (size_t)data[1] << 8) % 701 : 0;

    memcpy(&evidence, data, size < sizeof(evidence) ? size : sizeof(evidence));
    make_flags(&evidence);
    first = ch_classify(&evidence);
    second = ch_classify(&evidence);
    expect(memcmp(&first, &second, sizeof(first)) == 0);
    expect(first.success == (evidence.end == CH_END_OK));
    expect((first.category == CH_CATEGORY_NONE) == first.success);
    expect((first.cause == CH_CAUSE_NONE) == first.success);
    expect(first.category < CH_CATEGORY_COUNT && first.phase < CH_PHASE_COUNT);
    expect(first.wire < CH_WIRE_COUNT && first.cause < CH_CAUSE_COUNT && first.certain <= 1);
    expect(first.success || ch_rule_at(first.rule)->cause == first.cause);
    check_sentence(&evidence, &first, CH_DETAIL_TEXT);
    check_sentence(&evidence, &first, buffer);
    return 0;
}
