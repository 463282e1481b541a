/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses through c-ares, on the prober's loop. Answers are shared
 * by all who ask for the same name, kept for their TTL (at least
 * CH_RESOLVER_TTL_MIN, at most CH_RESOLVER_TTL_MAX) and in RFC 6724 order, the
 * first of each family up front. /etc/hosts and nsswitch's "files dns" order
 * are honoured as c-ares does; its entries have no TTL and get the minimum.
 *
 * An answer that says "no such name" or "no address" is believed at once. When
 * the resolver itself fails (SERVFAIL, timeout, refused), the last good answer
 * goes on being used, marked stale.
 *
 * All on the loop's thread.
 */
#ifndef CONNHEALTH_RESOLVER_H
#define CONNHEALTH_RESOLVER_H

#include "connhealth/address.h"
#include "connhealth/evidence.h"
#include "connhealth/loop.h"

#define CH_RESOLVER_TTL_MIN (INT64_C(1) * 1000000000)
#define CH_RESOLVER_TTL_MAX (INT64_C(3600) * 1000000000)
/* At most this many addresses of one name are used. */
#define CH_RESOLVER_ADDRESSES 16

struct ch_resolver;
struct ch_lookup;

struct ch_answer {
    enum ch_dns failure; /* NONE: addresses are good */
    bool stale;          /* the resolver failed; these are from before */
    uint16_t count;
    struct ch_addr address[CH_RESOLVER_ADDRESSES]; /* port 0 */
};

/* Embedded in the asker; on_answer is called once per ch_resolver_ask() that
 * returned 1, later, never from within the call itself. *answer lives only
 * during the call; answer.failure may be set. */
struct ch_lookup {
    struct ch_lookup *next;   /* the resolver's */
    struct ch_lookup **place; /* the resolver's; NULL when not waiting */
    void (*on_answer)(struct ch_lookup *lookup, const struct ch_answer *answer);
};

int ch_resolver_new(struct ch_loop *loop, struct ch_resolver **ret);
struct ch_resolver *ch_resolver_free(struct ch_resolver *resolver);

/* 0: *ret_answer is filled from the cache (fresh). 1: lookup is waiting.
 * Negative errno: our own failure (ENOMEM, EMFILE). */
int ch_resolver_ask(struct ch_resolver *resolver, const char *name, struct ch_lookup *lookup,
                    struct ch_answer *ret_answer);
/* Does nothing if it is not waiting. */
void ch_resolver_cancel(struct ch_lookup *lookup);

#endif
