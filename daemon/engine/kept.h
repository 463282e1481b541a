/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All counters as text, so that the next process goes on where this one ended.
 *
 *   connhealth-counters 1
 *   [series group="redis",target="10.0.0.1:6379",probe="connect"]
 *   attempts 12
 *   failures.refused 3
 *   cause connect refused rst port_closed 1 3
 *   [responder]
 *   accepts 7
 *   [sockets]
 *   events 40
 *   [unit web.service]
 *   ends.closed 38
 *   [end] 5d8f0c66a1a3c1c9
 *
 * Everything goes by its name, as the series do by their labels: a version that
 * counts more or less reads what it knows and passes over the rest. What is 0 is
 * left out. The last line holds a checksum of all before it, so that a text that
 * was cut off or changed is none; the number in the first line changes only if a
 * name comes to mean something else.
 *
 * Not kept are the gauges: whether a target works is known after its first
 * attempt.
 */
#ifndef CH_ENGINE_KEPT_H
#define CH_ENGINE_KEPT_H

#include <stddef.h>

#include "connhealth/loop.h"
#include "connhealth/responder.h"
#include "connhealth/sockets.h"
#include "generation.h"

/* Whose counters. */
struct ch_kept {
    struct ch_generation *generation;
    struct ch_responder_counters *responder;
    struct ch_loop_lag *loop_lag;
    /* Of the host's sockets. Written if not NULL; read into it, which is empty
     * before, if not NULL. */
    struct ch_sockets_snapshot *sockets;
};

/* After the prober has ended, or a little behind it. A malloc'd text, the
 * caller's; NULL: out of memory. */
char *ch_kept_write(const struct ch_kept *counters, size_t *ret_size);

/* Before the prober starts: sets what text knows of what is there. 0;
 * -EINVAL with nothing changed and *ret_reason, a static text; -ENOMEM.
 * *ret_series: how many were found again. */
int ch_kept_read(const struct ch_kept *counters, const char *text, size_t size, size_t *ret_series,
                 const char **ret_reason);

/* FNV-1a, 64 bits. */
uint64_t ch_kept_checksum(const char *text, size_t size);

#endif
