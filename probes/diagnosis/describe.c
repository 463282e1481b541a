/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outcome as one sentence for a person: what happened, what was seen,
 * what a new connection met, and the conclusion of the rule that decided.
 *
 * Printable ASCII only: what the peer sent is escaped.
 */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "connhealth/icmp.h"
#include "connhealth/outcome.h"
#include "phrases.h"
#include "signs.h"

/* "10.0.0.1:6379", or "the target" before an address is known. */
static void say_peer(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    char text[CH_ADDR_TEXT];

    ch_addr_format(&e->peer, text);
    ch_say(phrase, "%s", text[0] ? text : e->server_side ? "a client" : "the target");
}

/* "ICMP host unreachable (3/1) from the router 10.0.0.1" */
static void say_icmp(struct ch_phrase *phrase, const struct ch_icmp *icmp,
                     const struct ch_evidence *e)
{
    static const char *const senders[] = {
        [CH_OFFENDER_NONE] = "somebody",
        [CH_OFFENDER_SELF] = "this host",
        [CH_OFFENDER_DESTINATION] = "the target itself",
        [CH_OFFENDER_ROUTER] = "the router",
    };
    char text[CH_ADDR_TEXT];

    ch_addr_format_host(&icmp->offender, text);
    ch_say(phrase, "%s ", icmp->version == 6 ? "ICMPv6" : "ICMP");
    ch_say_slug(phrase, ch_icmp_word(icmp)->slug);
    ch_say(phrase, " (%u/%u%s) from %s%s%s", icmp->type, icmp->code,
           ch_icmp_says(icmp) == CH_ICMP_SAYS_EXPIRED ? ": a routing loop" : "",
           senders[ch_icmp_sender(icmp, &e->peer)], text[0] ? " " : "", text);
}

static const char *dns_phrase(const struct ch_evidence *e)
{
    switch ((enum ch_dns)e->dns) {
    case CH_DNS_NOT_FOUND:
        return "the name does not exist (NXDOMAIN)";
    case CH_DNS_NO_ADDRESS:
        return "the name exists and has no address";
    case CH_DNS_SERVFAIL:
        return "the resolver could not answer for the name (SERVFAIL)";
    case CH_DNS_TIMEOUT:
        return "no resolver answered in time";
    case CH_DNS_REFUSED:
        return "the resolver refused, or nothing listens there";
    case CH_DNS_NONE:
    case CH_DNS_OTHER:
        break;
    }
    return "the name did not resolve";
}

static void say_success(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (e->kind == CH_PROBE_CONNECT) {
        ch_say(phrase, "connected to ");
        say_peer(phrase, e);
    } else if (e->kind == CH_PROBE_KEEPALIVE) {
        ch_say(phrase, "the connection to ");
        say_peer(phrase, e);
        ch_say(phrase, " stands");
    } else {
        say_peer(phrase, e);
        ch_say(phrase, " answered");
    }
    if (e->duration_ns > 0)
        ch_say_duration(phrase, " after ", e->duration_ns);
}

/* What was being tried, for a failure before any connection stood. */
static const char *first_packet(const struct ch_evidence *e)
{
    return ch_sign_tcp(e) ? "the SYN" : "the datagram";
}

static void say_after(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (e->duration_ns > 0)
        ch_say_duration(phrase, " after ", e->duration_ns);
}

static void say_answered_by_icmp(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    say_icmp(phrase, &e->icmp, e);
    ch_say(phrase, " answered %s to ", first_packet(e));
    say_peer(phrase, e);
    say_after(phrase, e);
}

static void say_silence(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (ch_sign_would_block(e)) {
        ch_say(phrase, "the send buffer to ");
        say_peer(phrase, e);
        ch_say(phrase, " stayed full");
    } else if (!ch_sign_held(e)) {
        ch_say(phrase, "no answer to %s to ", first_packet(e));
        say_peer(phrase, e);
    } else if (ch_sign_errno(e, ETIMEDOUT)) {
        ch_say(phrase, "TCP gave up the connection to ");
        say_peer(phrase, e);
        ch_say(phrase, " (ETIMEDOUT)");
        return;
    } else {
        ch_say(phrase, "no reply from ");
        say_peer(phrase, e);
    }
    if (e->duration_ns > 0)
        ch_say_duration(phrase, ch_sign_would_block(e) ? " for " : " within ", e->duration_ns);
}

/* What this host could not do. */
static const char *own_task(const struct ch_evidence *e)
{
    if (ch_sign_phase(e) == CH_PHASE_RESOLVE)
        return "look up the name of";
    if (ch_sign_phase(e) == CH_PHASE_ACCEPT)
        return "accept from";
    if (!ch_sign_tcp(e))
        return "send to";
    return ch_sign_held(e) ? "go on with" : "connect to";
}

static void say_errno(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    const char *meaning = e->error > 0 ? strerrordesc_np(e->error) : NULL;
    const char *name = ch_errno_name(e->error);

    if (ch_sign_refused_here(e) || ch_category_of_errno(e->error) == CH_CATEGORY_LOCAL_RESOURCE)
        ch_say(phrase, "this host could not %s ", own_task(e));
    else if (ch_sign_held(e))
        ch_say(phrase, "TCP gave up the connection to ");
    else
        ch_say(phrase, "no %s ", ch_sign_tcp(e) ? "connection to" : "answer from");
    say_peer(phrase, e);
    if (name)
        ch_say(phrase, ": %s (%s)", name, meaning ? meaning : "no description");
    else
        ch_say(phrase, ": errno %d", (int)e->error);
}

static void say_error(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (ch_sign_phase(e) == CH_PHASE_RESOLVE &&
        ch_category_of_errno(e->error) != CH_CATEGORY_LOCAL_RESOURCE) {
        ch_say(phrase, "%s", dns_phrase(e));
    } else if (ch_sign_aborted_before_accept(e)) {
        ch_say(phrase, "the connection of ");
        say_peer(phrase, e);
        ch_say(phrase, " was dead when it was accepted");
    } else if (ch_sign_icmp(e)) {
        say_answered_by_icmp(phrase, e);
    } else if (ch_sign_silence(e)) {
        say_silence(phrase, e);
    } else if (ch_sign_reset(e) || ch_sign_closed(e)) {
        say_peer(phrase, e);
        ch_say(phrase, "%s%s", e->goodbye ? " said goodbye and" : "",
               ch_sign_reset(e) ? " reset the connection (ECONNRESET)"
                                : " closed the connection and reset it when we wrote (EPIPE)");
    } else if (ch_sign_errno(e, ECONNABORTED)) {
        ch_say(phrase, "the connection to ");
        say_peer(phrase, e);
        ch_say(phrase, " was destroyed on this host (ECONNABORTED)");
    } else if (ch_sign_errno(e, ECONNREFUSED) && ch_sign_tcp(e) && !ch_sign_held(e)) {
        say_peer(phrase, e);
        ch_say(phrase, " refused the connection with an RST");
        say_after(phrase, e);
    } else {
        say_errno(phrase, e);
    }
}

static void say_what_happened(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    switch ((enum ch_end)e->end) {
    case CH_END_NAME:
        ch_say(phrase, "%s", dns_phrase(e));
        return;
    case CH_END_MISMATCH:
        say_peer(phrase, e);
        ch_say(phrase, " sent an unexpected reply");
        ch_say_quoted(phrase, e->reply,
                      e->reply_len < CH_REPLY_SHOWN ? e->reply_len : CH_REPLY_SHOWN);
        return;
    case CH_END_EOF:
        if (ch_sign_aborted_before_accept(e))
            break;
        say_peer(phrase, e);
        ch_say(phrase, "%s closed the connection (FIN)", e->goodbye ? " said goodbye and" : "");
        return;
    case CH_END_DEADLINE:
        if (ch_sign_phase(e) == CH_PHASE_RESOLVE)
            ch_say(phrase, "%s", dns_phrase(e));
        else if (ch_sign_icmp(e))
            say_answered_by_icmp(phrase, e);
        else
            say_silence(phrase, e);
        return;
    case CH_END_OK:
    case CH_END_ERRNO:
        break;
    }
    say_error(phrase, e);
}

/* While what; only where a connection stood, because else it is in the words
 * already. */
static void say_phase(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (ch_sign_held(e) && ch_sign_phase(e) != CH_PHASE_NONE)
        ch_say(phrase, " %s", ch_phase_word(ch_sign_phase(e))->meaning);
}

static void say_outstanding(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (ch_sign_held(e) && ch_sign_request_acked(e)) {
        ch_say_count(phrase, ", the request of ", e->request_bytes, "byte");
        ch_say(phrase, " was acknowledged");
    } else if (ch_sign_held(e) && e->outstanding > 0) {
        ch_say_count(phrase, ", ", e->outstanding, "byte");
        ch_say(phrase, " of ours not acknowledged");
    } else if (ch_sign_held(e) && ch_sign_reset(e) && e->tcp.probes == 0) {
        ch_say(phrase, ", nothing of ours outstanding");
    }
}

static void say_probes(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (ch_sign_never_left(e)) {
        ch_say_count(phrase, ", ", e->tcp.probes, "attempt");
        ch_say(phrase, " to transmit failed here");
    } else {
        ch_say_count(phrase, ", ", e->tcp.probes,
                     e->outstanding > 0 ? "window probe" : "keepalive probe");
        ch_say(phrase, " unanswered");
    }
}

static void say_counts(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    const struct ch_tcp_facts *tcp = &e->tcp;

    say_outstanding(phrase, e);
    if (tcp->retransmits > tcp->total_retrans) {
        ch_say_count(phrase, ", ", tcp->retransmits, "retransmission");
        ch_say(phrase, " due and %u left this host", tcp->total_retrans);
    } else if (tcp->retransmits > 0) {
        ch_say_count(phrase, ", ", tcp->retransmits, "retransmission");
    }
    if (ch_sign_held(e) && tcp->probes > 0)
        say_probes(phrase, e);
    if (ch_sign_held(e) && tcp->notsent_bytes > 0 && tcp->has_snd_wnd) {
        ch_say_count(phrase, ", ", tcp->notsent_bytes, "byte");
        ch_say(phrase, " queued for a window of %u", tcp->snd_wnd);
    }
}

static void say_times(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    if (ch_sign_held(e) && e->silent_ns > 0 && (ch_sign_silence(e) || ch_sign_told(e)))
        ch_say_duration(phrase, ", nothing received for ", e->silent_ns);
    if (ch_sign_held(e) && e->idle_ns > 0) {
        ch_say_duration(phrase, ", idle for ", e->idle_ns);
        ch_say(phrase, "%s", ch_sign_phase(e) == CH_PHASE_IDLE ? "" : " before");
    }
    if (ch_sign_held(e) && e->age_ns > 0)
        ch_say_duration(phrase, ", connected for ", e->age_ns);
}

static void say_hints(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    const char *soft = ch_errno_name(e->soft_error);

    if (e->soft_errors > 0 && soft)
        ch_say(phrase, ", %s seen before", soft);
    if (e->addresses_tried > 1)
        ch_say(phrase, ", %u addresses tried", e->addresses_tried);
    if (e->dns_stale)
        ch_say(phrase, ", the address is from an expired DNS answer");
    if (e->answered_late)
        ch_say(phrase, ", the reply came late");
}

static void say_confirm(struct ch_phrase *phrase, const struct ch_evidence *e)
{
    const char *name = ch_errno_name(e->confirm_error);

    if (e->confirm != CH_CONFIRM_NONE && e->confirm_icmp.version != 0) {
        ch_say(phrase, "; a new connection met ");
        say_icmp(phrase, &e->confirm_icmp, e);
        return;
    }
    switch ((enum ch_confirm)e->confirm) {
    case CH_CONFIRM_NONE:
        break;
    case CH_CONFIRM_CONNECTED:
        ch_say(phrase, "; a new connection was made at once%s", ch_identity_phrase(e->identity));
        break;
    case CH_CONFIRM_REFUSED:
        ch_say(phrase, "; an RST refused a new connection");
        break;
    case CH_CONFIRM_SILENT:
        ch_say(phrase, "; a new connection got no answer%s",
               e->confirm_stuck ? ", its SYN waits in this host" : "");
        break;
    case CH_CONFIRM_UNREACHABLE:
        ch_say(phrase, "; a new connection met an ICMP error (%s)", name ? name : "unknown");
        break;
    case CH_CONFIRM_FAILED:
        ch_say(phrase, "; a new connection could not be tried on this host (%s)",
               name ? name : "unknown");
        break;
    }
}

static void say_conclusion(struct ch_phrase *phrase, const struct ch_evidence *e,
                           const struct ch_outcome *outcome)
{
    const struct ch_rule *rule = ch_rule_at(outcome->rule);
    const char *says = rule ? rule->says : ch_cause_word(outcome->cause)->meaning;

    if (outcome->cause != CH_CAUSE_UNKNOWN)
        ch_say(phrase, "; %s: %s", outcome->certain ? "proof" : "inference", says);
    else if (e->answered_late)
        ch_say(phrase, "; cause unknown: segments were lost or late, or the peer was");
    else if (ch_sign_held(e) && !e->server_side && e->confirm == CH_CONFIRM_NONE)
        ch_say(phrase, "; cause unknown: a new connection would tell more, and none was tried");
    else
        ch_say(phrase, "; cause unknown: %s", says);
}

const char *ch_outcome_describe(const struct ch_evidence *evidence,
                                const struct ch_outcome *outcome, char *text, size_t size)
{
    struct ch_phrase phrase = {.at = text, .left = size};

    if (size == 0)
        return text;
    text[0] = '\0';
    if (outcome->success) {
        say_success(&phrase, evidence);
        return text;
    }
    say_what_happened(&phrase, evidence);
    say_phase(&phrase, evidence);
    say_counts(&phrase, evidence);
    say_times(&phrase, evidence);
    say_hints(&phrase, evidence);
    say_confirm(&phrase, evidence);
    say_conclusion(&phrase, evidence, outcome);
    return text;
}
