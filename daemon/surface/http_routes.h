/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path answers what: from a request to an answer, without the server
 * around it. Private to http.
 */
#ifndef CH_SURFACE_HTTP_ROUTES_H
#define CH_SURFACE_HTTP_ROUTES_H

#include "accept.h"
#include "http.h"

enum http_method { HTTP_GET = 1, HTTP_HEAD = 2, HTTP_POST = 4, HTTP_PUT = 8 };

struct http_request {
    const struct ch_http_setup *setup;
    atomic_flag *reloading; /* set while a reload runs */
    enum http_method method;
    bool trusted; /* on this host (loopback, a unix socket), or authenticated */
    struct ch_accept accept;
    const char *if_none_match; /* the header, or NULL */
    struct ch_query query;
};

struct http_route {
    const char *path;
    unsigned methods;    /* enum http_method */
    bool takes_query;    /* false: parameters are passed over */
    unsigned query_keys; /* enum ch_query_key */
    const char *type;    /* Content-Type of an answer that does not say */
    struct http_answer (*handle)(const struct http_request *request);
};

/* What to send; body is text, or a stream if that is set. */
struct http_answer {
    unsigned status;
    const char *type; /* static; NULL: the route's */
    bool negotiated;  /* another client may get another body: Vary */
    bool gzip;        /* stream is compressed */
    unsigned retry_s; /* Retry-After; 0: none */
    const char *etag; /* static; NULL: it is not to be kept */
    struct ch_text text;
    struct ch_stream *stream;
};

/* NULL: no such path. */
const struct http_route *http_route_find(const char *path);
/* "GET, HEAD" */
#define HTTP_ALLOW_TEXT 32
const char *http_route_allow(const struct http_route *route, char text[HTTP_ALLOW_TEXT]);

struct http_answer http_answer_error(unsigned status, const char *message);
void http_answer_clear(struct http_answer *answer);

#endif
