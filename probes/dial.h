/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a target's address to an established TCP connection: look the name up,
 * try its addresses in order, connect without blocking.
 *
 * Several addresses: they are tried one after the other, each with an equal
 * share of the time that is left, and the first that works is used, as a client
 * with getaddrinfo(3) would do. Where all fail, the evidence is that of the last
 * one that failed on the wire: an address that this host has no route to does
 * not hide what happened to the others.
 *
 * Embedded in a probe. On success the descriptor stays in io, added to the loop
 * for EPOLLOUT, and belongs to the probe, which sets io.on_ready and the events
 * it wants (ch_dial_hold) or closes it.
 */
#ifndef CH_PROBES_DIAL_H
#define CH_PROBES_DIAL_H

#include "connhealth/probe.h"

struct ch_candidates; /* addresses of a name: dial.c */

struct ch_dial {
    struct ch_io io;
    struct ch_addr peer; /* the address being tried, or connected to */
    struct ch_prober *prober;
    const struct ch_hostport *address;
    /* failure is NULL: connected. Else it lives during the call, with phase
     * resolve or connect; the descriptor is closed. */
    void (*done)(struct ch_dial *dial, const struct ch_evidence *failure);
    struct ch_timer timer; /* end of this address's share, or the baseline of TCPRetransFail */
    struct ch_lookup lookup;
    struct ch_candidates *candidates; /* NULL for a literal address */
    struct ch_icmp icmp;              /* seen while the SYN was still out */
    int64_t deadline;
    int64_t started;            /* of this dial */
    int64_t connected_after_ns; /* SYN to established */
    uint64_t retrans_fail;      /* TCPRetransFail when the SYN had been out for a while */
    int32_t soft_error;
    uint8_t tried; /* addresses, of this dial */
    bool baseline; /* retrans_fail was read */
    bool stale;    /* the address is from a stale answer */
    bool busy;
};

void ch_dial_init(struct ch_dial *dial, struct ch_prober *prober, const struct ch_hostport *address,
                  void (*done)(struct ch_dial *dial, const struct ch_evidence *failure));
/* done may be called from within. */
void ch_dial_start(struct ch_dial *dial, int64_t deadline);
/* The same to one address, without a lookup. */
void ch_dial_start_at(struct ch_dial *dial, const struct ch_addr *peer, int64_t deadline);
/* Its time is over: fills the evidence of it and closes. Only while busy; done
 * is not called. False if the connection was made after all and waits to be
 * noticed, because this process was held up: then nothing is closed and the
 * descriptor is the probe's, as after done. */
bool ch_dial_expire(struct ch_dial *dial, struct ch_evidence *evidence);
/* Closes whatever is open, busy or connected; no call of done. */
void ch_dial_close(struct ch_dial *dial);
/* Closes with an RST: no TIME_WAIT stays behind on this host. */
void ch_dial_reset(struct ch_dial *dial);
/* Keeps the connection: on_ready is told of events from now on. */
int ch_dial_hold(struct ch_dial *dial, void (*on_ready)(struct ch_io *io, uint32_t events),
                 uint32_t events);

#endif
