/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The responder: answers native heartbeats (connhealth/frame.h) on TCP and UDP,
 * and counts how its clients' connections ended.
 *
 * It runs on the loop it is given and belongs to that thread; only the counters
 * may be read elsewhere. Limits: connections in all and per client address, and
 * an idle time after which a connection is dropped. A client that asks nothing
 * may be somebody's keepalive probe: without an idle limit it stays, while the
 * kernel's keepalive is answered, until all places are taken; then who was silent
 * for longest, and for a minute at least, makes room. Garbage ends a TCP
 * connection and is ignored over UDP.
 */
#ifndef CONNHEALTH_RESPONDER_H
#define CONNHEALTH_RESPONDER_H

#include "connhealth/address.h"
#include "connhealth/loop.h"
#include "connhealth/outcome.h"

struct ch_responder;

struct ch_responder_limits {
    uint32_t connections;             /* in all */
    uint32_t connections_per_address; /* IPv6: per /64 */
    int64_t idle_ns;                  /* without a complete request; 0: no limit */
};

/* Relaxed atomics; written on the loop's thread, read on any. */
struct ch_responder_counters {
    _Atomic uint64_t connections; /* open now */
    _Atomic uint64_t accepts;
    _Atomic uint64_t heartbeats; /* requests answered, TCP and UDP */
    _Atomic uint64_t malformed;  /* UDP datagrams not answered, TCP streams that were no frames */
    _Atomic uint64_t refused;    /* closed at once for a limit */
    /* a client's clean end (FIN between two requests) is counted under
     * [idle][NONE] and exported as category="" only where asked for */
    _Atomic uint64_t ends[CH_PHASE_COUNT][CH_CATEGORY_COUNT];
};

/* counters outlive the responder (they survive a reload). 0 or negative errno. */
int ch_responder_new(struct ch_loop *loop, const struct ch_responder_limits *limits,
                     struct ch_responder_counters *counters, struct ch_responder **ret);
/* Sockets that were passed to the process, bound and, if of TCP, listening. */
struct ch_responder_passed {
    int fd;
    bool used; /* by this responder */
};
/* Before ch_responder_listen(), which then uses a duplicate of the passed socket
 * that is bound to its very address rather than bind another, and marks it. They
 * are borrowed until ch_responder_free(), and stay open for their owner. */
void ch_responder_lend(struct ch_responder *responder, struct ch_responder_passed *passed,
                       size_t count);
/* Binds TCP and UDP at addr (an unspecified IPv6 address is dual-stack). */
int ch_responder_listen(struct ch_responder *responder, const struct ch_addr *addr);
/* Says goodbye on every connection, closes all, frees. Takes NULL, returns NULL. */
struct ch_responder *ch_responder_free(struct ch_responder *responder);

#endif
