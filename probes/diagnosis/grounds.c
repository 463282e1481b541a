/* SPDX-License-Identifier: Apache-2.0 */
#include "grounds.h"

#include "signs.h"

/* --- this host, the name, the reply ------------------------------------- */

bool ch_ground_local_limit(const struct ch_evidence *e)
{
    return e->end == CH_END_ERRNO && ch_category_of_errno(e->error) == CH_CATEGORY_LOCAL_RESOURCE;
}

bool ch_ground_name_not_found(const struct ch_evidence *e)
{
    return ch_sign_phase(e) == CH_PHASE_RESOLVE &&
           (e->dns == CH_DNS_NOT_FOUND || e->dns == CH_DNS_NO_ADDRESS);
}

bool ch_ground_resolver_failed(const struct ch_evidence *e)
{
    return ch_sign_phase(e) == CH_PHASE_RESOLVE;
}

bool ch_ground_mismatch(const struct ch_evidence *e)
{
    return e->end == CH_END_MISMATCH;
}

bool ch_ground_killed_locally(const struct ch_evidence *e)
{
    return ch_sign_errno(e, ECONNABORTED);
}

bool ch_ground_datagram_forbidden(const struct ch_evidence *e)
{
    return !ch_sign_tcp(e) && ch_sign_errno(e, EPERM);
}

bool ch_ground_call_forbidden(const struct ch_evidence *e)
{
    return ch_sign_errno(e, EPERM);
}

/* --- an ICMP error answered the SYN or the datagram ---------------------- */

static enum ch_offender sender(const struct ch_evidence *e)
{
    return ch_icmp_sender(&e->icmp, &e->peer);
}

bool ch_ground_own_link_icmp(const struct ch_evidence *e)
{
    return ch_sign_icmp(e) && sender(e) == CH_OFFENDER_SELF &&
           ch_icmp_says(&e->icmp) == CH_ICMP_SAYS_HOST;
}

bool ch_ground_own_link_icmp_and_stuck(const struct ch_evidence *e)
{
    return ch_ground_own_link_icmp(e) && ch_sign_stuck_here(e);
}

/* TCPRetransFail counts for the whole host: it is only about this connection if
 * a retransmission of this connection was due, and did not go out. One that did
 * is in tcpi_retrans, also after the connection has died of it; one that the
 * local stack refused is not (tcp_retransmit_skb() in net/ipv4/tcp_output.c). */
static bool own_retransmissions_refused(const struct ch_evidence *e)
{
    return ch_sign_tcp(e) && e->retrans_fail && !ch_sign_stuck_here(e) && e->tcp.retrans == 0 &&
           (e->tcp.state == 0 || e->tcp.retransmits > 0);
}

bool ch_ground_own_firewall_says_host(const struct ch_evidence *e)
{
    return ch_ground_own_link_icmp(e) && own_retransmissions_refused(e);
}

bool ch_ground_udp_port_unreachable(const struct ch_evidence *e)
{
    return !ch_sign_tcp(e) && ch_sign_icmp(e) && sender(e) == CH_OFFENDER_DESTINATION &&
           ch_icmp_says(&e->icmp) == CH_ICMP_SAYS_PORT;
}

/* A refusal by policy, from whomever. A host does not report itself unreachable:
 * where the target's own address says so, it is a firewall that was told to. */
static bool icmp_rejects(const struct ch_icmp *icmp, const struct ch_evidence *e)
{
    enum ch_offender from = ch_icmp_sender(icmp, &e->peer);

    switch (ch_icmp_says(icmp)) {
    case CH_ICMP_SAYS_PROHIBITED:
    case CH_ICMP_SAYS_PROTOCOL:
        return true;
    case CH_ICMP_SAYS_PORT:
        return ch_sign_tcp(e) || from == CH_OFFENDER_ROUTER || from == CH_OFFENDER_SELF;
    case CH_ICMP_SAYS_HOST:
        return from == CH_OFFENDER_DESTINATION;
    case CH_ICMP_SAYS_NO_WAY:
        return from == CH_OFFENDER_DESTINATION || from == CH_OFFENDER_SELF;
    default:
        return false;
    }
}

static bool icmp_gives_up(const struct ch_icmp *icmp, const struct ch_evidence *e)
{
    enum ch_icmp_says says = ch_icmp_says(icmp);

    if (says == CH_ICMP_SAYS_EXPIRED)
        return ch_icmp_sender(icmp, &e->peer) != CH_OFFENDER_NONE;
    return ch_icmp_sender(icmp, &e->peer) == CH_OFFENDER_ROUTER &&
           (says == CH_ICMP_SAYS_HOST || says == CH_ICMP_SAYS_NO_WAY);
}

bool ch_ground_rejected_here(const struct ch_evidence *e)
{
    return ch_ground_rejected(e) && sender(e) == CH_OFFENDER_SELF;
}

bool ch_ground_rejected_there(const struct ch_evidence *e)
{
    return ch_ground_rejected(e) && sender(e) == CH_OFFENDER_DESTINATION;
}

bool ch_ground_rejected(const struct ch_evidence *e)
{
    return ch_sign_icmp(e) && icmp_rejects(&e->icmp, e);
}

bool ch_ground_router_gave_up(const struct ch_evidence *e)
{
    return ch_sign_icmp(e) && icmp_gives_up(&e->icmp, e);
}

/* --- no connection yet, no ICMP error ------------------------------------ */

/* fe80::… without an interface: connect(2) says EINVAL for that, too. */
static bool lacks_scope(const struct ch_addr *peer)
{
    return peer->family == AF_INET6 && peer->scope == 0 && peer->ip[0] == 0xfe &&
           (peer->ip[1] & 0xc0) == 0x80;
}

static bool route_errno(int error, const struct ch_addr *peer)
{
    return error == ENETUNREACH || error == EHOSTUNREACH || error == ENETDOWN ||
           (error == EINVAL && !lacks_scope(peer));
}

bool ch_ground_no_route(const struct ch_evidence *e)
{
    return ch_sign_refused_here(e) && route_errno(e->error, &e->peer);
}

bool ch_ground_route_prohibits(const struct ch_evidence *e)
{
    return ch_sign_refused_here(e) && e->error == EACCES;
}

bool ch_ground_refused_by_rst(const struct ch_evidence *e)
{
    return ch_sign_tcp(e) && !ch_sign_held(e) && ch_sign_errno(e, ECONNREFUSED) && !ch_sign_icmp(e);
}

bool ch_ground_refused_datagram(const struct ch_evidence *e)
{
    return !ch_sign_tcp(e) && ch_sign_errno(e, ECONNREFUSED);
}

bool ch_ground_datagrams_kept(const struct ch_evidence *e)
{
    return !ch_sign_tcp(e) && ch_sign_would_block(e);
}

bool ch_ground_silent_datagram(const struct ch_evidence *e)
{
    return !ch_sign_tcp(e) && ch_sign_silence(e);
}

bool ch_ground_silent_start(const struct ch_evidence *e)
{
    return !ch_sign_held(e) && ch_sign_silence(e);
}

bool ch_ground_syn_stuck(const struct ch_evidence *e)
{
    return ch_ground_silent_start(e) && ch_sign_stuck_here(e);
}

bool ch_ground_syn_refused_here(const struct ch_evidence *e)
{
    return ch_ground_silent_start(e) && own_retransmissions_refused(e);
}

bool ch_ground_reset_at_once(const struct ch_evidence *e)
{
    return ch_sign_reset(e) && ch_sign_phase(e) == CH_PHASE_CONNECT;
}

/* --- an established connection, seen from this host ----------------------- */

static bool held_silence(const struct ch_evidence *e)
{
    return ch_sign_held(e) && ch_sign_silence(e);
}

/* The kernel or the probe gave up, in silence or told by an ICMP error. */
static bool gave_up(const struct ch_evidence *e)
{
    return ch_sign_held(e) && (ch_sign_silence(e) || ch_sign_told(e));
}

/* An answered window probe sets the count of unanswered ones back to 0, so at
 * most the last can be out. Whether that one is answered is not known yet: a new
 * connection that meets silence speaks against it. */
bool ch_ground_zero_window(const struct ch_evidence *e)
{
    const struct ch_tcp_facts *tcp = &e->tcp;
    bool doubtful = e->confirm == CH_CONFIRM_SILENT || e->confirm == CH_CONFIRM_UNREACHABLE;

    return held_silence(e) && tcp->has_snd_wnd && tcp->snd_wnd == 0 && tcp->notsent_bytes > 0 &&
           tcp->unacked == 0 && tcp->retransmits == 0 &&
           (tcp->probes == 0 || (tcp->probes == 1 && !doubtful));
}

bool ch_ground_slow_reader(const struct ch_evidence *e)
{
    return ch_sign_held(e) && ch_sign_would_block(e) && e->tcp.state != 0 &&
           e->tcp.retransmits == 0 && e->tcp.probes == 0;
}

/* No ICMP error becomes EINVAL, and none stops retransmissions from leaving. */
bool ch_ground_route_lost(const struct ch_evidence *e)
{
    if (!ch_sign_held(e))
        return false;
    if (ch_sign_errno(e, EINVAL))
        return true;
    if (ch_sign_stuck_here(e) && (ch_sign_errno(e, ENETUNREACH) || ch_sign_errno(e, EACCES)))
        return true;
    return gave_up(e) && e->confirm == CH_CONFIRM_FAILED && e->confirm_icmp.version == 0 &&
           route_errno(e->confirm_error, &e->peer);
}

static bool confirm_met_own_link(const struct ch_evidence *e)
{
    return ch_icmp_says(&e->confirm_icmp) == CH_ICMP_SAYS_HOST &&
           ch_icmp_sender(&e->confirm_icmp, &e->peer) == CH_OFFENDER_SELF;
}

/* Stuck, and it is not for want of a route: the kernel found one for the new
 * SYN, or the errno is the one ARP and ND leave behind. */
bool ch_ground_neighbour_silent(const struct ch_evidence *e)
{
    if (!gave_up(e))
        return false;
    if (e->confirm_stuck)
        return true;
    return ch_sign_stuck_here(e) && (e->confirm == CH_CONFIRM_SILENT || confirm_met_own_link(e) ||
                                     (ch_sign_errno(e, EHOSTUNREACH) && e->tcp.total_retrans > 0));
}

bool ch_ground_neighbour_or_route(const struct ch_evidence *e)
{
    return gave_up(e) && (ch_sign_stuck_here(e) || confirm_met_own_link(e));
}

bool ch_ground_application_hung(const struct ch_evidence *e)
{
    return held_silence(e) && e->end == CH_END_DEADLINE && ch_sign_request_acked(e);
}

bool ch_ground_hung_for_sure(const struct ch_evidence *e)
{
    return ch_ground_application_hung(e) && e->confirm != CH_CONFIRM_SILENT &&
           e->confirm != CH_CONFIRM_UNREACHABLE;
}

/* Nothing was asked, so nothing could be acknowledged but the handshake. */
bool ch_ground_no_greeting(const struct ch_evidence *e)
{
    return held_silence(e) && e->end == CH_END_DEADLINE && ch_sign_phase(e) == CH_PHASE_RECEIVE &&
           e->request_bytes == 0 && e->outstanding == 0 && e->tcp.probes == 0 &&
           (e->confirm == CH_CONFIRM_NONE || e->confirm == CH_CONFIRM_CONNECTED);
}

/* --- the peer's own word --------------------------------------------------- */

static bool ended_by_peer(const struct ch_evidence *e)
{
    return ch_sign_reset(e) || ch_sign_closed(e);
}

static bool broke(const struct ch_evidence *e)
{
    return ended_by_peer(e) || gave_up(e);
}

bool ch_ground_goodbye(const struct ch_evidence *e)
{
    return ended_by_peer(e) && e->goodbye;
}

bool ch_ground_new_boot(const struct ch_evidence *e)
{
    return broke(e) && e->identity == CH_IDENTITY_NEW_BOOT;
}

bool ch_ground_new_instance(const struct ch_evidence *e)
{
    return broke(e) && e->identity == CH_IDENTITY_NEW_INSTANCE;
}

/* Something of ours was unanswered: data, or a keepalive probe. */
bool ch_ground_reset_in_answer(const struct ch_evidence *e)
{
    return ch_sign_reset(e) && (e->outstanding > 0 || e->tcp.probes > 0 || e->tcp.retransmits > 0);
}

static bool unprompted_reset(const struct ch_evidence *e)
{
    return ch_sign_reset(e) && !ch_ground_reset_in_answer(e);
}

/* A full send buffer is no silence: something must have stayed unanswered. */
static bool unanswered(const struct ch_evidence *e)
{
    return held_silence(e) &&
           (ch_sign_errno(e, ETIMEDOUT) || e->tcp.retransmits > 0 || e->tcp.probes > 0 ||
            (e->outstanding > 0 && !ch_sign_would_block(e)));
}

bool ch_ground_same_and_closed(const struct ch_evidence *e)
{
    return ch_sign_closed(e) && e->identity == CH_IDENTITY_SAME;
}

bool ch_ground_same_and_reset(const struct ch_evidence *e)
{
    return ch_ground_reset_in_answer(e) && e->identity == CH_IDENTITY_SAME;
}

bool ch_ground_same_and_silent(const struct ch_evidence *e)
{
    return unanswered(e) && e->identity == CH_IDENTITY_SAME;
}

/* --- what the confirming connect met --------------------------------------- */

bool ch_ground_ended_and_refused(const struct ch_evidence *e)
{
    return ended_by_peer(e) && e->confirm == CH_CONFIRM_REFUSED;
}

bool ch_ground_aborted(const struct ch_evidence *e)
{
    return unprompted_reset(e) && e->confirm == CH_CONFIRM_CONNECTED;
}

bool ch_ground_closed_and_connected(const struct ch_evidence *e)
{
    return ch_sign_closed(e) && e->confirm == CH_CONFIRM_CONNECTED;
}

bool ch_ground_ended_and_gone(const struct ch_evidence *e)
{
    return ended_by_peer(e) &&
           (e->confirm == CH_CONFIRM_SILENT || e->confirm == CH_CONFIRM_UNREACHABLE);
}

bool ch_ground_confirm_rejected(const struct ch_evidence *e)
{
    return gave_up(e) && icmp_rejects(&e->confirm_icmp, e);
}

bool ch_ground_confirm_met_router(const struct ch_evidence *e)
{
    return gave_up(e) && icmp_gives_up(&e->confirm_icmp, e);
}

bool ch_ground_told_rejected(const struct ch_evidence *e)
{
    return ch_sign_told(e) &&
           (e->error == EACCES || e->error == ENOPROTOOPT || e->error == ECONNREFUSED);
}

bool ch_ground_told_unreachable(const struct ch_evidence *e)
{
    return ch_sign_told(e) && e->error != EPROTO;
}

bool ch_ground_silent_and_connected(const struct ch_evidence *e)
{
    return unanswered(e) && e->confirm == CH_CONFIRM_CONNECTED;
}

bool ch_ground_silent_and_refused(const struct ch_evidence *e)
{
    return held_silence(e) && e->confirm == CH_CONFIRM_REFUSED;
}

bool ch_ground_retransmissions_refused(const struct ch_evidence *e)
{
    return held_silence(e) && own_retransmissions_refused(e) && e->confirm != CH_CONFIRM_CONNECTED;
}

bool ch_ground_silent_and_silent(const struct ch_evidence *e)
{
    return held_silence(e) && e->confirm == CH_CONFIRM_SILENT;
}
