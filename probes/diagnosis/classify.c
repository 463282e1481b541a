/* SPDX-License-Identifier: Apache-2.0 */
/* From evidence to outcome. What failed (category), where (phase) and what on
 * the wire ended it are decided here; why (cause) by the table in rules.c. */
#include "connhealth/outcome.h"
#include "errnos.h"
#include "rules.h"
#include "signs.h"

static enum ch_category category_of_error(const struct ch_evidence *e)
{
    enum ch_category category = ch_category_of_errno(e->error);

    if (ch_sign_aborted_before_accept(e))
        return CH_CATEGORY_ABORTED;
    if (ch_sign_phase(e) == CH_PHASE_RESOLVE && category != CH_CATEGORY_LOCAL_RESOURCE)
        return CH_CATEGORY_NAME_RESOLUTION;
    return category;
}

static enum ch_category category_of_deadline(const struct ch_evidence *e)
{
    if (ch_sign_phase(e) == CH_PHASE_RESOLVE)
        return CH_CATEGORY_NAME_RESOLUTION;
    return ch_sign_would_block(e) ? CH_CATEGORY_WOULD_BLOCK : CH_CATEGORY_TIMEOUT;
}

static enum ch_category category_of(const struct ch_evidence *e)
{
    switch ((enum ch_end)e->end) {
    case CH_END_OK:
        return CH_CATEGORY_NONE;
    case CH_END_ERRNO:
        return category_of_error(e);
    case CH_END_EOF:
        return ch_sign_aborted_before_accept(e) ? CH_CATEGORY_ABORTED : CH_CATEGORY_EOF;
    case CH_END_DEADLINE:
        return category_of_deadline(e);
    case CH_END_MISMATCH:
        return CH_CATEGORY_BAD_REPLY;
    case CH_END_NAME:
        return CH_CATEGORY_NAME_RESOLUTION;
    }
    return CH_CATEGORY_OTHER;
}

/* None, where nothing of ours reached the wire: an ICMP error of this very host
 * came from its own neighbour table or firewall, and what waits for ARP or is
 * refused by the local stack was never transmitted. */
static enum ch_wire wire_of(const struct ch_evidence *e)
{
    if (e->end == CH_END_EOF && !ch_sign_aborted_before_accept(e))
        return CH_WIRE_FIN;
    if (ch_sign_aborted_before_accept(e))
        return ch_sign_errno(e, ETIMEDOUT) ? CH_WIRE_SILENCE : CH_WIRE_RST;
    if (ch_sign_phase(e) == CH_PHASE_RESOLVE || ch_sign_refused_here(e))
        return CH_WIRE_NONE;
    if (ch_sign_icmp(e))
        return ch_icmp_sender(&e->icmp, &e->peer) == CH_OFFENDER_SELF ? CH_WIRE_NONE : CH_WIRE_ICMP;
    if (ch_sign_never_left(e) || ch_sign_stuck_here(e))
        return CH_WIRE_NONE;
    if (ch_sign_told(e))
        return ch_sign_told_here(e) ? CH_WIRE_NONE : CH_WIRE_ICMP;
    if (ch_sign_silence(e))
        return CH_WIRE_SILENCE;
    return e->end == CH_END_ERRNO ? ch_errno_wire(e->error) : CH_WIRE_NONE;
}

struct ch_outcome ch_classify(const struct ch_evidence *evidence)
{
    unsigned rule;
    const struct ch_rule *found;

    if (evidence->end == CH_END_OK)
        return (struct ch_outcome){
            .success = 1, .certain = 1, .wire = CH_WIRE_NONE, .rule = UINT16_MAX};
    rule = ch_rule_match(evidence);
    found = ch_rule_at(rule);
    return (struct ch_outcome){
        .category = (uint8_t)category_of(evidence),
        .phase = (uint8_t)ch_sign_phase(evidence),
        .wire = (uint8_t)wire_of(evidence),
        .cause = (uint8_t)found->cause,
        .certain = found->certain,
        .rule = (uint16_t)rule,
    };
}
