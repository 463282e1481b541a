/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets by address and port, kept from sweep to sweep, and which
 * of them a connection was accepted from: a child has its listener's local port,
 * and its cgroup (sk_clone_lock() copies it). Only a socket that was bound by
 * hand to a listener's port before connecting could be taken for a child.
 *
 * Owned by the collector's thread. Indices hold until the end of the sweep.
 */
#ifndef CH_SOCKETS_LISTENERS_H
#define CH_SOCKETS_LISTENERS_H

#include "connhealth/sockets.h"

struct ch_listener_slot {
    struct ch_listener listener;
    uint32_t sweep;        /* that saw it last */
    uint16_t next;         /* of the same port; CH_LISTENER_NONE ends */
    bool any;              /* bound to all addresses of its family */
    uint64_t drops_before; /* counted by an earlier process; until the end of a sweep */
};

#define CH_LISTENER_NONE 0xffff

struct ch_listeners {
    struct ch_listener_slot *slots;
    size_t count;
    uint64_t folded;       /* in this sweep */
    uint16_t first[65536]; /* by port */
};

void ch_listeners_init(struct ch_listeners *listeners);
void ch_listeners_clear(struct ch_listeners *listeners);

/* Resets the gauges; the listeners stay, to be matched with. */
void ch_listeners_sweep_begin(struct ch_listeners *listeners);
/* Drops those that the sweep did not see. */
void ch_listeners_sweep_end(struct ch_listeners *listeners, uint32_t sweep);

/* Finds or makes it. NULL: no memory, or too many (counted in folded). */
struct ch_listener_slot *ch_listeners_touch(struct ch_listeners *listeners,
                                            const struct ch_addr *address, uint32_t sweep);
/* The listener whose child has this local address: the one bound to that very
 * address, else the one bound to all. An address of zeros (a wiped record)
 * matches by port alone. CH_LISTENER_NONE if there is none. */
uint16_t ch_listeners_match(const struct ch_listeners *listeners, const struct ch_addr *local);

#endif
