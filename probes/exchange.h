/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer, whatever carries them: what to send, and whether
 * the bytes that came are the answer. Pure: no socket. Not thread-safe.
 */
#ifndef CH_PROBES_EXCHANGE_H
#define CH_PROBES_EXCHANGE_H

#include <stdbool.h>

#include "connhealth/evidence.h"
#include "connhealth/frame.h"
#include "connhealth/probe_options.h"

/* A reply longer than this that has not matched is not going to. */
#define CH_REPLY_MAX (64 * 1024)

enum ch_reply {
    CH_REPLY_ANSWERED,
    CH_REPLY_MORE,     /* not yet */
    CH_REPLY_MISMATCH, /* it cannot become the answer any more */
    CH_REPLY_NO_ROOM,  /* this host has no memory to keep what came */
};

struct ch_exchange {
    const struct ch_heartbeat_options *options; /* NULL: native */
    uint64_t sequence;
    uint8_t *reply; /* what came so far and was not decided */
    size_t reply_len, reply_size;
    struct ch_identity_ids ids; /* of the peer, from the last native reply */
    bool ids_known;
    bool goodbye; /* native: the peer has said that it is stopping */
};

/* options without any of send and expect make it native. */
void ch_exchange_init(struct ch_exchange *exchange, const struct ch_heartbeat_options *options);
void ch_exchange_clear(struct ch_exchange *exchange); /* frees the reply */
static inline bool ch_exchange_native(const struct ch_exchange *exchange)
{
    return exchange->options == NULL;
}
/* Something is sent at all: else the peer speaks first, and only once. */
bool ch_exchange_sends(const struct ch_exchange *exchange);

/* A new connection: nothing of the last one's stream counts any more. */
void ch_exchange_begin_stream(struct ch_exchange *exchange);

/* The next request; frame is used when native. Points into frame or options. */
struct ch_bytes ch_exchange_request(struct ch_exchange *exchange, uint8_t frame[CH_FRAME_SIZE]);

/* Bytes that were received: of a stream, or one datagram whole. */
enum ch_reply ch_exchange_take(struct ch_exchange *exchange, const uint8_t *data, size_t len,
                               bool datagram);
/* Something came that was not decided yet. */
static inline bool ch_exchange_partial(const struct ch_exchange *exchange)
{
    return exchange->reply_len > 0;
}
/* Keeps the start of the undecided or wrong reply for the evidence. */
void ch_exchange_show(const struct ch_exchange *exchange, struct ch_evidence *evidence);
void ch_exchange_forget_reply(struct ch_exchange *exchange);

enum ch_identity ch_identity_compare(const struct ch_identity_ids *before,
                                     const struct ch_identity_ids *after);

#endif
