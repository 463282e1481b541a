/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat probe's two carriers. */
#ifndef CH_PROBES_HEARTBEAT_H
#define CH_PROBES_HEARTBEAT_H

#include "exchange.h"
#include "held.h"

/* What every exchange touches comes first. */
struct heartbeat_tcp {
    struct ch_bytes rest;  /* of the request, not sent yet; not owned */
    uint64_t bytes_before; /* sent on this connection before this request */
    int64_t request_at;
    int64_t facts_due; /* when TCP_INFO is worth asking for again */
    int64_t idle_ns;   /* before the request that is out */
    int64_t deadline;  /* of the attempt */
    uint32_t request_bytes;
    uint16_t misses; /* in a row on this connection */
    uint16_t reopen_after;
    bool attempt;     /* between start and finished */
    bool outstanding; /* a request is out, or a greeting is awaited */
    bool late;        /* what is out was sent in an earlier attempt */
    bool stalled;
    struct ch_held held;
    uint8_t frame[CH_FRAME_SIZE]; /* the native request, until it is sent whole */
};

struct heartbeat_udp {
    struct ch_io io;
    struct ch_lookup lookup;
    struct ch_addr peer;
    uint16_t turn; /* which address of several is used */
    int64_t request_at;
    bool attempt;
    bool stalled; /* in this attempt, even if it has been sent since */
    bool unsent;  /* the request waits for room in the send buffer */
    bool stale;
};

struct heartbeat {
    struct ch_probe probe;
    struct ch_exchange exchange;
    union {
        struct heartbeat_tcp tcp;
        struct heartbeat_udp udp;
    };
};

struct heartbeat_carrier {
    void (*init)(struct heartbeat *self);
    void (*start)(struct heartbeat *self, int64_t deadline);
    void (*expire)(struct heartbeat *self);
    void (*release)(struct heartbeat *self);
};

extern const struct heartbeat_carrier heartbeat_over_tcp;
extern const struct heartbeat_carrier heartbeat_over_udp;

#endif
