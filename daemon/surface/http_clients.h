/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many clients there are, in all and of each address. Any thread. Private to
 * http.
 */
#ifndef CH_SURFACE_HTTP_CLIENTS_H
#define CH_SURFACE_HTTP_CLIENTS_H

#include "connhealth/address.h"

struct http_clients;
struct http_place; /* of one address; how many it has taken */

/* per_address 0: no limit. IPv6 clients are counted per /64, which one host may
 * have whole; clients of unix sockets (AF_UNSPEC) are not counted per address.
 * 0 or a negative errno. */
int http_clients_new(unsigned limit, unsigned per_address, struct http_clients **ret);
/* After everybody left. Takes NULL, returns NULL. */
struct http_clients *http_clients_free(struct http_clients *clients);

/* NULL: there is no room, or no memory. */
struct http_place *http_clients_enter(struct http_clients *clients, const struct ch_addr *addr);
void http_clients_leave(struct http_clients *clients, struct http_place *place);

#endif
