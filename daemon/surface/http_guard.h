/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a request is let through: the rate limit, then user and password.
 * Private to http.
 */
#ifndef CH_SURFACE_HTTP_GUARD_H
#define CH_SURFACE_HTTP_GUARD_H

#include "http_exchange.h"

/* Of one request; zero-initialise. */
struct http_guard {
    struct ch_web_state *state;        /* a reference: the configuration for this request */
    struct http_check *check;          /* under way */
    struct MHD_Connection *connection; /* that waits for it */
    int wake_fd;                       /* of its thread */
    bool let_through;                  /* by the rate limit */
    bool authenticated;                /* by password, or by a verified certificate */
};

enum http_passage {
    HTTP_PASS,
    HTTP_WAIT,         /* the connection is suspended; ask again when it goes on */
    HTTP_UNAUTHORIZED, /* 401 */
    HTTP_TOO_MANY,     /* 429, to try again in *ret_retry_s */
};

enum http_passage http_guard_ask(struct http_guard *guard, struct http_exchanges *exchanges,
                                 struct MHD_Connection *connection, unsigned *ret_retry_s);
void http_guard_clear(struct http_guard *guard);

#endif
