/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients that are connected: how many in all and of each address, and how
 * long each has been at its request. Any thread. Private to http.
 *
 * Where there is no room for one more, the one that has been at its request the
 * longest gives its place up: slow clients, however many, do not lock out one
 * that is quick.
 */
#ifndef CH_SURFACE_HTTP_CLIENTS_H
#define CH_SURFACE_HTTP_CLIENTS_H

#include "connhealth/address.h"
#include "http.h"
#include "web.h"

struct http_clients;
struct http_place; /* of one address; how many it has taken */

/* One connection. */
struct http_client {
    struct ch_addr addr;            /* AF_UNSPEC: a unix socket */
    bool guarded;                   /* the web configuration applies to it */
    struct ch_web_state *tls_state; /* a reference: of its TLS session; NULL: none */

    bool asking; /* of its thread: a request over TLS is under way */

    /* of http_clients */
    struct http_client *previous, *next;
    struct http_place *place; /* NULL: it was cut off, and counts no more */
    int64_t deadline;         /* monotonic */
    bool idle;                /* between two requests; not before the first */
    int fd;
};

/* limits are borrowed. IPv6 clients are counted per /64, which one host may have
 * whole; clients of unix sockets are not counted per address. 0 or a negative
 * errno. */
int http_clients_new(const struct ch_http_limits *limits, struct http_clients **ret);
/* After everybody left. Takes NULL, returns NULL. */
struct http_clients *http_clients_free(struct http_clients *clients);

/* NULL: no memory. fd is borrowed until it leaves; from its first advance on it may
 * be shut down, which looks as if the client had ended. */
struct http_client *http_clients_enter(struct http_clients *clients, int fd,
                                       const struct ch_addr *addr);
/* Before fd is closed; frees it. */
void http_clients_leave(struct http_clients *clients, struct http_client *client);

/* It has got on: from now it has limits.request_ns again. */
void http_clients_advance(struct http_clients *clients, struct http_client *client, bool idle);
/* Shuts down whose time is up. When the next one's is, monotonic; 0: nobody's. */
int64_t http_clients_expire(struct http_clients *clients);
/* Nobody who has asked, or has just come to ask, waits for an answer. */
bool http_clients_all_idle(struct http_clients *clients);
/* How many were shut down to make room. */
uint64_t http_clients_displaced(struct http_clients *clients);

#endif
