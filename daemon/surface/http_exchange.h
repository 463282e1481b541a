/* SPDX-License-Identifier: Apache-2.0 */
/* A request and its answer, between libmicrohttpd and the routes. Private to
 * http. */
#ifndef CH_SURFACE_HTTP_EXCHANGE_H
#define CH_SURFACE_HTTP_EXCHANGE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "http.h"
#include "http_auth.h"
#include "http_clients.h"
#include "http_rates.h"

/* The context of both functions. */
struct http_exchanges {
    const struct ch_http_setup *setup;
    atomic_flag *reloading;
    struct http_auth *auth; /* NULL, as is the next: without a web configuration */
    struct http_rates *rates;
    /* a header was read to its end (idle false), or an answer sent to its end */
    void (*advanced)(void *context, struct MHD_Connection *connection, bool idle);
    void *context;
    int wake_fd; /* an eventfd that makes the thread turn */
    bool ending; /* each answer is its connection's last */
};

enum MHD_Result http_exchange_request(void *exchanges, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *version,
                                      const char *body, size_t *body_size, void **exchange_at);
void http_exchange_completed(void *exchanges, struct MHD_Connection *connection, void **exchange_at,
                             enum MHD_RequestTerminationCode code);

#endif
