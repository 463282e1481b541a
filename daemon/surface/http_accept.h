/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that accepts. libmicrohttpd could accept by itself, but it shuts
 * down and closes a listening socket that was only lent to it, takes one for
 * each server and its threads, and spins when the process has no descriptor
 * left. Private to http.
 */
#ifndef CH_SURFACE_HTTP_ACCEPT_H
#define CH_SURFACE_HTTP_ACCEPT_H

#include <sys/socket.h>

#include "http_listen.h"

struct http_acceptor;

/* Called on the acceptor's thread; owns fd (non-blocking, close-on-exec). */
typedef void http_take(void *context, int fd, const struct sockaddr *addr, socklen_t len);

/* The listeners stay the caller's and must stay open. 0 or a negative errno. */
int http_acceptor_new(const struct http_listener *listeners, size_t count, http_take *take,
                      void *context, struct http_acceptor **ret);
/* Waits for the thread. Takes NULL, returns NULL. */
struct http_acceptor *http_acceptor_free(struct http_acceptor *acceptor);

#endif
