/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configured peers: which of them a remote address belongs to, and the sums
 * of each. Owned by the collector's thread.
 */
#ifndef CH_SOCKETS_PEERS_H
#define CH_SOCKETS_PEERS_H

#include "connhealth/sockets.h"

#define CH_PEER_NOT_ASKED 0     /* of a socket that was not matched yet */
#define CH_PEER_NONE      1     /* matches none */
#define CH_PEER_FIRST     2     /* index of a peer plus this */
#define CH_PEERS_MAX      60000 /* the configuration may have no more */

struct ch_peers {
    const struct ch_sockets_peer *rules; /* borrowed */
    struct ch_peer_sockets *sums;        /* as many; their names are those of rules */
    size_t count;
};

/* Borrows the rules until the next call. Sums of peers that keep their name go
 * on. 0, -ENOMEM or -E2BIG: unchanged then. */
int ch_peers_configure(struct ch_peers *peers, const struct ch_sockets_peer *rules, size_t count);
void ch_peers_clear(struct ch_peers *peers);
void ch_peers_sweep_begin(struct ch_peers *peers); /* resets the gauges */
/* CH_PEER_NONE or an index plus CH_PEER_FIRST. */
uint16_t ch_peers_match(const struct ch_peers *peers, const struct ch_addr *remote);

#endif
