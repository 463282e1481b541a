/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a request may take in all. libmicrohttpd's own timeout is one of
 * inactivity: a client that sends or takes a byte now and then would live for
 * ever. Here every connection has a deadline, and one that passes it is shut
 * down, which its server notices as the client's end.
 *
 * Any thread may call these; one thread of its own watches. Private to http.
 */
#ifndef CH_SURFACE_HTTP_DEADLINE_H
#define CH_SURFACE_HTTP_DEADLINE_H

#include <stdint.h>

struct http_deadlines;
struct http_deadline; /* of one connection */

/* 0 or a negative errno. */
int http_deadlines_new(int64_t limit_ns, struct http_deadlines **ret);
struct http_deadlines *http_deadlines_free(struct http_deadlines *deadlines); /* NULL → NULL */

/* fd must stay open until the removal. NULL when out of memory. */
struct http_deadline *http_deadline_add(struct http_deadlines *deadlines, int fd);
/* The time starts anew. Does nothing once the connection was shut down. */
void http_deadline_restart(struct http_deadlines *deadlines, struct http_deadline *deadline);
void http_deadline_remove(struct http_deadlines *deadlines, struct http_deadline *deadline);

#endif
