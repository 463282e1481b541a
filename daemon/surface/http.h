/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: libmicrohttpd around the pure functions that render, on two
 * threads.
 *
 * Limits hold whatever a client does: connections in all and of one client,
 * memory for each connection, a time without traffic, and a time for each
 * request in all: from the end of the one before (or from the
 * connection's start) to the end of its header, and from there to the last byte
 * of the answer. Where there is no room for one more connection, the one that has
 * been at its request the longest is cut off.
 */
#ifndef CH_SURFACE_HTTP_H
#define CH_SURFACE_HTTP_H

#include "json.h"
#include "metrics.h"
#include "state.h"
#include "web.h"

struct ch_http;

struct ch_http_limits {
    unsigned connections;             /* in all */
    unsigned connections_per_address; /* of one client (IPv6: of one /64); 0: no limit */
    size_t memory_bytes;              /* of one connection: header and output buffer */
    unsigned idle_s;                  /* without a byte either way; 0: no limit */
    int64_t request_ns;               /* for a request in all */
    size_t body_bytes;                /* of a request; longer is refused, all is discarded */
    /* How long a stop waits for who has asked and does not get on; who reads an
     * answer has CH_HTTP_DRAINS times that for all of it. */
    int64_t drain_ns;
};
#define CH_HTTP_DRAINS 10
extern const struct ch_http_limits ch_http_default_limits;

/* /api/v1/sockets: render appends one JSON value. details: the client may see
 * the addresses of single connections. 0 or a negative errno (the answer is 500
 * then). */
struct ch_sockets_page {
    int (*render)(void *context, bool details, struct ch_text *out);
    void *context;
};

/* Loads the configuration anew and returns when it is done: 0, or a negative
 * errno with *ret_errors, a malloc'd text of one line each (or NULL). Called on
 * one of the server's threads, never twice at once. Whoever stops the program
 * must make it return before ch_http_free(). */
struct ch_reloader {
    int (*reload)(void *context, char **ret_errors);
    void *context;
};

/* Only borrowed, with all it points to, until ch_http_free(). */
struct ch_http_setup {
    struct ch_metrics metrics; /* with the state that everything reads */
    const struct ch_json_writer *status;
    size_t status_count;
    struct ch_sockets_page sockets; /* render NULL: switched off */
    bool lifecycle;                 /* whether /-/reload is allowed */
    struct ch_reloader reloader;
    struct ch_http_limits limits;
    struct ch_web *web; /* NULL: plain HTTP for everybody */

    /* Addresses as --web.listen-address has them: HOST:PORT, :PORT for all, or
     * unix:/path. */
    const char *const *addresses;
    size_t address_count;
    /* Listening sockets that were passed to the process; they are made
     * non-blocking, and stay open for their owner. */
    const int *sockets_passed;
    size_t socket_count;
};

#define CH_HTTP_REASON 512

/* Listens and serves. 0, or a negative errno with a reason for people: which
 * address, why, and what to do. */
int ch_http_new(const struct ch_http_setup *setup, struct ch_http **ret,
                char reason[CH_HTTP_REASON]);

/* Where it listens, "127.0.0.1:10337" (with the port that the kernel chose for
 * port 0) or "unix:/path"; NULL beyond the end. */
const char *ch_http_address(const struct ch_http *http, size_t index);

/* How often a thread of the server has turned: for each of them it grows at least
 * once a second, but while a reload that came over HTTP holds it up. A watchdog
 * sees that both still serve. Any thread; thread is less than CH_HTTP_THREADS. */
#define CH_HTTP_THREADS 2
uint64_t ch_http_turns(const struct ch_http *http, unsigned thread);

/* Stops listening, answers who has asked already (as limits.drain_ns says),
 * cuts every connection, waits for the threads. Takes NULL, returns NULL. */
struct ch_http *ch_http_free(struct ch_http *http);

#endif
