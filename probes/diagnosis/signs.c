/* SPDX-License-Identifier: Apache-2.0 */
#include "signs.h"

#include "errnos.h"

enum ch_offender ch_icmp_sender(const struct ch_icmp *icmp, const struct ch_addr *peer)
{
    if (peer->family != AF_UNSPEC && ch_addr_same_host(&icmp->offender, peer))
        return CH_OFFENDER_DESTINATION;
    return icmp->sender <= CH_OFFENDER_ROUTER ? (enum ch_offender)icmp->sender : CH_OFFENDER_NONE;
}

bool ch_sign_tcp(const struct ch_evidence *e)
{
    return e->transport != CH_TRANSPORT_UDP;
}

enum ch_phase ch_sign_phase(const struct ch_evidence *e)
{
    if (e->end == CH_END_NAME)
        return CH_PHASE_RESOLVE;
    return e->phase < CH_PHASE_COUNT ? (enum ch_phase)e->phase : CH_PHASE_NONE;
}

bool ch_sign_errno(const struct ch_evidence *e, int error)
{
    return e->end == CH_END_ERRNO && e->error == error;
}

bool ch_sign_held(const struct ch_evidence *e)
{
    return ch_sign_tcp(e) && e->established;
}

/* An errno that some ICMP error becomes. For established TCP, ECONNREFUSED is
 * one too: an RST would have been ECONNRESET. */
static bool icmp_errno(const struct ch_evidence *e)
{
    if (e->end != CH_END_ERRNO)
        return false;
    if (e->error == ECONNREFUSED)
        return !ch_sign_tcp(e) || e->established;
    return ch_errno_wire(e->error) == CH_WIRE_ICMP;
}

bool ch_sign_refused_here(const struct ch_evidence *e)
{
    if (e->end != CH_END_ERRNO || !e->synchronous || ch_sign_held(e) || e->icmp.version != 0)
        return false;
    /* ECONNREFUSED from a UDP send is the answer to an earlier datagram (udp(7)). */
    return e->error != ECONNREFUSED && (icmp_errno(e) || ch_errno_wire(e->error) == CH_WIRE_NONE);
}

bool ch_sign_icmp(const struct ch_evidence *e)
{
    return !ch_sign_held(e) &&
           (ch_sign_silence(e) || icmp_errno(e) || ch_sign_errno(e, ECONNREFUSED)) &&
           ch_icmp_says(&e->icmp) != CH_ICMP_SAYS_NOTHING;
}

bool ch_sign_reset(const struct ch_evidence *e)
{
    return ch_sign_errno(e, ECONNRESET);
}

bool ch_sign_closed(const struct ch_evidence *e)
{
    return e->end == CH_END_EOF || ch_sign_errno(e, EPIPE);
}

bool ch_sign_silence(const struct ch_evidence *e)
{
    return (e->end == CH_END_DEADLINE && ch_sign_phase(e) != CH_PHASE_RESOLVE) ||
           ch_sign_errno(e, ETIMEDOUT) || ch_sign_errno(e, EAGAIN);
}

bool ch_sign_told(const struct ch_evidence *e)
{
    return icmp_errno(e) && !ch_sign_refused_here(e);
}

bool ch_sign_told_here(const struct ch_evidence *e)
{
    return ch_sign_told(e) && e->confirm == CH_CONFIRM_FAILED && e->confirm_icmp.version == 0 &&
           e->confirm_error == e->error;
}

bool ch_sign_would_block(const struct ch_evidence *e)
{
    if (ch_sign_errno(e, EAGAIN))
        return true;
    return e->end == CH_END_DEADLINE && ch_sign_phase(e) == CH_PHASE_SEND && e->send_incomplete;
}

bool ch_sign_aborted_before_accept(const struct ch_evidence *e)
{
    enum ch_category category = ch_category_of_errno(e->error);

    if (!e->server_side || ch_sign_phase(e) != CH_PHASE_ACCEPT)
        return false;
    if (e->end == CH_END_EOF)
        return true;
    return e->end == CH_END_ERRNO && category != CH_CATEGORY_LOCAL_RESOURCE &&
           category != CH_CATEGORY_DENIED;
}

bool ch_sign_request_acked(const struct ch_evidence *e)
{
    return e->request_acked_at > 0 && e->tcp.bytes_acked >= e->request_acked_at;
}

/* With data queued and the window open TCP transmits at once; if the local stack
 * refuses that, the data stays queued and the probe timer tries again
 * (tcp_write_xmit and tcp_send_probe0 in net/ipv4/tcp_output.c). A window
 * smaller than the next segment looks the same until the timer has fired once.
 * A datagram counts against the send buffer until it has left (sock_wfree()). */
bool ch_sign_never_left(const struct ch_evidence *e)
{
    const struct ch_tcp_facts *tcp = &e->tcp;

    if (!ch_sign_tcp(e))
        return ch_sign_would_block(e);
    return ch_sign_held(e) && (ch_sign_silence(e) || ch_sign_told(e)) && tcp->notsent_bytes > 0 &&
           tcp->has_snd_wnd && tcp->snd_wnd > 0 && tcp->unacked == 0 && tcp->retransmits == 0 &&
           (tcp->probes > 0 || tcp->snd_wnd >= tcp->notsent_bytes);
}

/* retransmits counts the times one was due, total_retrans the copies handed to
 * the network layer: none is while an earlier copy still waits in this host
 * (for ARP, in a queue), nor when the route is gone (__tcp_retransmit_skb). */
bool ch_sign_stuck_here(const struct ch_evidence *e)
{
    return ch_sign_tcp(e) && (ch_sign_silence(e) || ch_sign_told(e) || ch_sign_icmp(e)) &&
           e->tcp.retransmits > e->tcp.total_retrans;
}
