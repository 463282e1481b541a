/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that serves clients: it accepts, lets libmicrohttpd speak HTTP, and
 * cuts off who takes too long. Private to http.
 *
 * libmicrohttpd 0.9.75 has threads and an accept loop of its own; these are not
 * used, because they shut down a listening socket that was only lent, spin when
 * the process has no descriptor left, and with MHD_add_connection() lock up at
 * the connection limit (new_connection_process_() returns with a mutex held).
 */
#ifndef CH_SURFACE_HTTP_WORKER_H
#define CH_SURFACE_HTTP_WORKER_H

#include <stdatomic.h>

#include "http.h"
#include "http_auth.h"
#include "http_clients.h"
#include "http_listen.h"
#include "http_rates.h"

struct http_worker;

/* What the workers share; it outlives them, and they do not change it but for
 * the flag and the clients. */
struct http_shared {
    struct ch_http_setup setup;
    struct http_clients *clients;
    struct http_auth *auth; /* NULL, as is the next: without a web configuration */
    struct http_rates *rates;
    const struct http_listener *listeners;
    size_t listener_count;
    int stop_fd; /* readable: end */
    atomic_flag reloading;
};

/* Starts the thread. 0 or a negative errno. */
int http_worker_new(struct http_shared *shared, struct http_worker **ret);
/* Grows at least once a second while it can serve. Any thread. */
uint64_t http_worker_turns(const struct http_worker *worker);
/* After stop_fd became readable: waits for the thread. Takes NULL. */
void http_worker_join(struct http_worker *worker);
/* After that, and when no check of a password is pending: cuts its clients off.
 * Takes NULL, returns NULL. */
struct http_worker *http_worker_free(struct http_worker *worker);

#endif
