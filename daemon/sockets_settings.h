/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets: section of the configuration, for the collector. */
#ifndef CH_DAEMON_SOCKETS_SETTINGS_H
#define CH_DAEMON_SOCKETS_SETTINGS_H

#include "config.h"

struct ch_sockets;

/* ch_sockets_new() and ch_sockets_apply() with what config says. */
int ch_sockets_create(const struct ch_config *config, struct ch_sockets **ret);
int ch_sockets_configure(struct ch_sockets *sockets, const struct ch_config *config);

#endif
