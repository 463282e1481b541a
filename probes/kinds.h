/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds that the registry (probe.c) lists, one a file. */
#ifndef CH_PROBES_KINDS_H
#define CH_PROBES_KINDS_H

#include "connhealth/probe.h"

extern const struct ch_probe_ops ch_connect_ops;
extern const struct ch_probe_ops ch_heartbeat_ops;
extern const struct ch_probe_ops ch_keepalive_ops;

#endif
