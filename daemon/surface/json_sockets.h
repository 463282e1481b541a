/* SPDX-License-Identifier: Apache-2.0 */
/* The host's own sockets as JSON: a snapshot becomes one value. Pure; any
 * thread. */
#ifndef CH_SURFACE_JSON_SOCKETS_H
#define CH_SURFACE_JSON_SOCKETS_H

#include "connhealth/sockets.h"
#include "text.h"

/* /api/v1/sockets. details: with the addresses of single connections. A NULL
 * snapshot gives "time": null and nothing found. 0 or -ENOMEM. */
int ch_json_sockets(const struct ch_sockets_snapshot *snapshot, bool details, struct ch_text *out);

/* The member "sockets" of /api/v1/status: whether the collector works, what it
 * cannot see here, and what would let it. */
int ch_json_sockets_status(const struct ch_sockets_snapshot *snapshot, struct ch_text *out);

/* struct ch_sockets_page's and struct ch_json_writer's render; context is a
 * struct ch_sockets. */
int ch_json_sockets_render(void *context, bool details, struct ch_text *out);
int ch_json_sockets_status_render(void *context, struct ch_text *out);

#endif
