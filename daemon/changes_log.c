/* SPDX-License-Identifier: Apache-2.0 */
#include "changes_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "messages.h"

static void log_failure(const struct ch_change *change)
{
    const struct ch_attempt *attempt = &change->event.attempt;
    const struct ch_outcome *outcome = &attempt->outcome;
    char detail[CH_DETAIL_TEXT];

    ch_log_message(
        CH_LOG_WARN, ch_message_of_failure(outcome->category), "probe failing", "group",
        change->event.group, "target", change->event.target, "probe",
        ch_probe_kind_word(change->kind)->slug, "category",
        ch_category_row(outcome->category)->slug, "phase", ch_phase_word(outcome->phase)->slug,
        "wire", ch_wire_word(outcome->wire)->slug, "cause", ch_cause_word(outcome->cause)->slug,
        "certain", outcome->certain ? "true" : "false", "errno",
        attempt->evidence.error ? ch_errno_name(attempt->evidence.error) : NULL, "detail",
        ch_outcome_describe(&attempt->evidence, outcome, detail, sizeof(detail)), NULL);
}

static void log_success(const struct ch_change *change)
{
    ch_log_message(CH_LOG_INFO, ch_message_row(CH_MESSAGE_SUCCEEDING)->id, "probe succeeding",
                   "group", change->event.group, "target", change->event.target, "probe",
                   ch_probe_kind_word(change->kind)->slug, NULL);
}

void ch_changes_log(struct ch_changes *changes, const struct ch_changes_follower *follower)
{
    uint64_t dropped;
    struct ch_change *change = ch_changes_take(changes, &dropped);

    while (change) {
        struct ch_change *next = change->next;

        if (change->event.attempt.outcome.success)
            log_success(change);
        else
            log_failure(change);
        follower->changed(follower->context, change);
        free(change);
        change = next;
    }
    if (dropped > 0) {
        char count[24];

        follower->lost(follower->context, dropped);
        snprintf(count, sizeof(count), "%" PRIu64, dropped);
        ch_log_message(CH_LOG_WARN, ch_message_row(CH_MESSAGE_CHANGES_LOST)->id,
                       "more changes of outcome than could be logged", "dropped", count, NULL);
    }
}
