/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets from the text of --web.listen-address. Private to http. */
#ifndef CH_SURFACE_HTTP_LISTEN_H
#define CH_SURFACE_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define HTTP_REASON 512

struct http_listener {
    int fd;
    bool passed;    /* the caller's: never closed here */
    bool guarded;   /* not a unix socket that only its owner and group may use */
    char name[160]; /* where it listens, for people: the port the kernel chose */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to remove at the end, or "" */
};

/* HOST:PORT, [IPv6]:PORT, :PORT (every address, both families) or unix:/PATH.
 * Port 0 lets the kernel choose. 0, or a negative errno with a reason that names
 * the address and the remedy. */
int http_listener_open(const char *address, struct http_listener *ret, char reason[HTTP_REASON]);

/* A listening socket that was passed; it stays the caller's. */
int http_listener_adopt(int fd, struct http_listener *ret, char reason[HTTP_REASON]);

void http_listener_close(struct http_listener *listener);

#endif
