/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the evidence shows, in the words that the category, the wire, the rules
 * and the sentence are all written in. Pure functions of the evidence; each is
 * total.
 */
#ifndef CH_DIAGNOSIS_SIGNS_H
#define CH_DIAGNOSIS_SIGNS_H

#include "connhealth/evidence.h"

/* What an ICMP error says, whatever its version: icmp.c. */
enum ch_icmp_says {
    CH_ICMP_SAYS_NOTHING = 0,
    CH_ICMP_SAYS_HOST,       /* the host does not answer on its link: 3/1, v6 1/3 */
    CH_ICMP_SAYS_NO_WAY,     /* no way there */
    CH_ICMP_SAYS_EXPIRED,    /* the hops ran out: a routing loop */
    CH_ICMP_SAYS_PROHIBITED, /* a policy forbids it */
    CH_ICMP_SAYS_PORT,       /* 3/3, v6 1/4 */
    CH_ICMP_SAYS_PROTOCOL,   /* 3/2, v6 4/1 */
    CH_ICMP_SAYS_OTHER,
};
enum ch_icmp_says ch_icmp_says(const struct ch_icmp *icmp);
/* The sender, seen from here; an address that is both ours and the target's is
 * the target's. */
enum ch_offender ch_icmp_sender(const struct ch_icmp *icmp, const struct ch_addr *peer);

bool ch_sign_tcp(const struct ch_evidence *e);
enum ch_phase ch_sign_phase(const struct ch_evidence *e);
/* A call, or SO_ERROR, ended it with this errno. */
bool ch_sign_errno(const struct ch_evidence *e, int error);

/* A TCP connection stood when it ended; the opposite: a SYN was out, or it is UDP. */
bool ch_sign_held(const struct ch_evidence *e);
/* This host refused by itself: the errno came before any packet. */
bool ch_sign_refused_here(const struct ch_evidence *e);
/* An ICMP error answered a SYN or a datagram. For an established connection the
 * kernel never queues one; an entry found there is a leftover of the SYN. */
bool ch_sign_icmp(const struct ch_evidence *e);

/* The peer ended it: by a reset, or by a FIN (EPIPE: a FIN, then an RST to what
 * was still written). */
bool ch_sign_reset(const struct ch_evidence *e);
bool ch_sign_closed(const struct ch_evidence *e);
/* Nobody answered: the kernel gave up, or the probe's deadline passed. */
bool ch_sign_silence(const struct ch_evidence *e);
/* TCP gave up with an ICMP error pending, or a SYN or datagram met one: only
 * the errno says so. */
bool ch_sign_told(const struct ch_evidence *e);
/* That errno is this host's own, which has no route: a new connection failed with
 * it before any packet. Over IPv6 a keepalive probe that finds no route leaves it
 * behind (measured). */
bool ch_sign_told_here(const struct ch_evidence *e);
/* The send buffer stayed full until the deadline. */
bool ch_sign_would_block(const struct ch_evidence *e);
/* accept(2) handed out a dead socket. */
bool ch_sign_aborted_before_accept(const struct ch_evidence *e);

/* The whole request was acknowledged. */
bool ch_sign_request_acked(const struct ch_evidence *e);
/* Queued, the window open, and nothing in flight; UDP: the send buffer is full. */
bool ch_sign_never_left(const struct ch_evidence *e);
/* Retransmissions were due that did not leave this host. */
bool ch_sign_stuck_here(const struct ch_evidence *e);

#endif
