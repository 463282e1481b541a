/* SPDX-License-Identifier: Apache-2.0 */
/* The outcome of one attempt, for a person. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "connhealth/clock.h"
#include "connhealth/icmp.h"
#include "connhealth/text.h"
#include "layout.h"
#include "output.h"

enum { NAME_WIDTH = 10, WORD_WIDTH = 22, TIME_TEXT = 32 };

static const char *format_time(int64_t ns, char text[TIME_TEXT])
{
    if (ns < CH_NS_PER_S)
        snprintf(text, TIME_TEXT, "%.3f ms", (double)ns / (double)CH_NS_PER_MS);
    else
        snprintf(text, TIME_TEXT, "%.3f s", (double)ns / (double)CH_NS_PER_S);
    return text;
}

static void print_headline(const struct ctl_attempt *attempt)
{
    bool success = attempt->result.outcome.success;

    layout_print(success ? LAYOUT_GOOD : LAYOUT_BAD, success ? "OK" : "FAILED");
    printf("  %s  %s over %s\n\n", attempt->target,
           ch_probe_kind_word(attempt->spec.ops->kind)->slug,
           ch_transport_slug(attempt->spec.transport));
}

static void print_outcome(const struct ch_outcome *outcome)
{
    const struct ch_category_row *category = ch_category_row(outcome->category);
    const struct ch_word *phase = ch_phase_word(outcome->phase);
    const struct ch_word *wire = ch_wire_word(outcome->wire);
    const struct ch_word *cause = ch_cause_word(outcome->cause);
    char ground[256];

    layout_row3("category", NAME_WIDTH, category->slug, WORD_WIDTH, category->meaning);
    layout_row3("phase", NAME_WIDTH, phase->slug, WORD_WIDTH, phase->meaning);
    layout_row3("wire", NAME_WIDTH, wire->slug, WORD_WIDTH,
                outcome->wire == CH_WIRE_NONE ? "nothing on the wire ended it" : wire->meaning);
    snprintf(ground, sizeof(ground), "%s: %s", outcome->certain ? "proof" : "inference",
             cause->meaning);
    layout_row3("cause", NAME_WIDTH, cause->slug, WORD_WIDTH, ground);
}

static void print_errno(const struct ch_evidence *evidence)
{
    const char *name = ch_errno_name(evidence->error);
    char number[32];

    if (evidence->error == 0)
        return;
    snprintf(number, sizeof(number), "%d", evidence->error);
    layout_row3("errno", NAME_WIDTH, name ? name : number, WORD_WIDTH,
                strerror(evidence->error)); // NOLINT
}

static void print_icmp(const struct ch_evidence *evidence)
{
    const struct ch_icmp *icmp = &evidence->icmp;
    char offender[CH_ADDR_TEXT], text[CH_ADDR_TEXT + 64];

    if (icmp->version == 0)
        return;
    snprintf(text, sizeof(text), "%s type %u code %u, from %s",
             icmp->version == 6 ? "ICMPv6" : "ICMP", icmp->type, icmp->code,
             ch_addr_format_host(&icmp->offender, offender));
    layout_row3("icmp", NAME_WIDTH, ch_icmp_word(icmp)->slug, WORD_WIDTH, text);
}

static void print_addresses(const struct ch_evidence *evidence)
{
    char text[CH_ADDR_TEXT];

    if (evidence->peer.family != AF_UNSPEC)
        layout_row("peer", NAME_WIDTH, ch_addr_format(&evidence->peer, text));
    if (evidence->local.family != AF_UNSPEC)
        layout_row("local", NAME_WIDTH, ch_addr_format(&evidence->local, text));
    if (evidence->dns_stale)
        layout_row("name", NAME_WIDTH, "the address is from before: the resolver failed");
}

static void print_reply(const struct ch_evidence *evidence)
{
    char quoted[CH_QUOTED_TEXT];

    if (evidence->reply_len > 0)
        layout_row("reply", NAME_WIDTH,
                   ch_text_quote(evidence->reply, evidence->reply_len, quoted));
}

static void print_times(const struct ctl_attempt *attempt)
{
    const struct ch_evidence *evidence = &attempt->result.evidence;
    char took[TIME_TEXT], all[TIME_TEXT], text[2 * TIME_TEXT + 32];

    if (evidence->duration_ns > 0 && evidence->duration_ns < attempt->elapsed_ns)
        snprintf(text, sizeof(text), "%s, %s in all", format_time(evidence->duration_ns, took),
                 format_time(attempt->elapsed_ns, all));
    else
        snprintf(text, sizeof(text), "%s in all", format_time(attempt->elapsed_ns, all));
    layout_row("time", NAME_WIDTH, text);
    if (evidence->tcp.rtt_us > 0)
        layout_row("rtt", NAME_WIDTH, format_time(evidence->tcp.rtt_us * CH_NS_PER_US, took));
    if (evidence->tcp.total_retrans > 0) {
        snprintf(text, sizeof(text), "%" PRIu32 " segment%s sent again",
                 evidence->tcp.total_retrans, evidence->tcp.total_retrans == 1 ? "" : "s");
        layout_row("retrans", NAME_WIDTH, text);
    }
    if (evidence->age_ns > 0)
        layout_row("held", NAME_WIDTH, format_time(evidence->age_ns, took));
}

static void print_meaning(const struct ch_attempt *result)
{
    char detail[CH_DETAIL_TEXT];

    ch_outcome_describe(&result->evidence, &result->outcome, detail, sizeof(detail));
    putchar('\n');
    layout_wrap(2, 0, detail);
    if (result->outcome.success)
        return;
    putchar('\n');
    layout_row("Next:", NAME_WIDTH, ch_category_row(result->outcome.category)->advice);
}

void probe_report(const struct ctl_attempt *attempt)
{
    const struct ch_evidence *evidence = &attempt->result.evidence;

    print_headline(attempt);
    if (!attempt->result.outcome.success)
        print_outcome(&attempt->result.outcome);
    print_errno(evidence);
    print_icmp(evidence);
    print_addresses(evidence);
    print_times(attempt);
    print_reply(evidence);
    print_meaning(&attempt->result);
}
