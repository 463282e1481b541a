/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the resolver: resolver.c keeps the answers and those who wait
 * for them, resolver_channel.c speaks with c-ares, resolver_reply.c reads what
 * c-ares does not tell. All on the loop's thread.
 */
#ifndef CH_PROBES_RESOLVER_PRIVATE_H
#define CH_PROBES_RESOLVER_PRIVATE_H

#include "connhealth/resolver.h"

/* Where to ask and how patiently; the tests have servers of their own, and less
 * patience. */
struct resolver_source {
    const char *resolv_conf; /* path, outlives the resolver */
    uint16_t port;           /* of all name servers, UDP and TCP */
    /* c-ares doubles it with each round over the servers. With a last good
     * answer nobody waits longer. */
    int first_try_ms;
    /* A failing resolver is asked again no sooner while there is a last good
     * answer: the failure recheck timer of RFC 8767, section 5. */
    int64_t recheck_ns;
};
int resolver_new_from(struct ch_loop *loop, const struct resolver_source *source,
                      struct ch_resolver **ret);

/* What one lookup came to. */
struct resolver_result {
    enum ch_dns failure;
    int local_error; /* errno: this host could not even ask; failure is OTHER then */
    int64_t ttl_ns;  /* of the addresses; 0: they have none */
    uint16_t count;
    struct ch_addr address[CH_RESOLVER_ADDRESSES];
};

/* One lookup under way; embedded in whoever asked. on_result may be called from
 * within resolver_channel_ask(), and must not free the channel. */
struct resolver_query {
    const char *name; /* outlives the query */
    void (*on_result)(struct resolver_query *query, const struct resolver_result *result);
    /* the channel's */
    struct resolver_channel *channel;
    struct resolver_query *next, *prev;
    int family;        /* AF_UNSPEC, or the one that is asked for once more */
    enum ch_dns said;  /* the failure that a server answered with */
    unsigned refusals; /* the channel's, when it began */
};

struct resolver_channel;
int resolver_channel_new(struct ch_loop *loop, const struct resolver_source *source,
                         struct resolver_channel **ret);
/* Queries under way end without a result. Takes NULL, returns NULL. */
struct resolver_channel *resolver_channel_free(struct resolver_channel *channel);
void resolver_channel_ask(struct resolver_channel *channel, struct resolver_query *query);

/* The longest name is 253 bytes (RFC 1035, 2.3.4). */
#define RESOLVER_NAME_TEXT 256
/* SERVFAIL, REFUSED or OTHER and the name that was asked for, if these bytes are
 * a server's answer that says so; else NONE. */
enum ch_dns resolver_reply_failure(const uint8_t *bytes, size_t len, char name[RESOLVER_NAME_TEXT]);

#endif
