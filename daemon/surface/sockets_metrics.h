/* SPDX-License-Identifier: Apache-2.0 */
/* The metric families of the host's own sockets: a snapshot becomes text. Pure;
 * any thread. */
#ifndef CH_SURFACE_SOCKETS_METRICS_H
#define CH_SURFACE_SOCKETS_METRICS_H

#include "connhealth/sockets.h"
#include "exposition.h"

/* Appends all families; nothing for NULL. 0 or -ENOMEM. */
int ch_sockets_metrics(const struct ch_sockets_snapshot *snapshot, struct ch_text *out,
                       enum ch_metrics_format format);

/* struct ch_family_writer's render; context is a struct ch_sockets. */
int ch_sockets_metrics_render(void *context, struct ch_text *out, enum ch_metrics_format format);

#endif
