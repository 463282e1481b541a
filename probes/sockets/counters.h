/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own counters of TCP, from /proc/self/net/snmp and netstat: of the
 * network namespace this process runs in, and readable with ProcSubset=pid.
 */
#ifndef CH_SOCKETS_COUNTERS_H
#define CH_SOCKETS_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connhealth/sockets_words.h"

struct ch_kernel_counters {
    uint64_t value[CH_KERNEL_EVENT_COUNT];
    bool present[CH_KERNEL_EVENT_COUNT];
};

/* Reads what text says into *ret and leaves the rest. Pairs of lines, "Group:
 * name…" and "Group: number…" (fs/proc; names and order differ between kernels,
 * unknown ones are skipped). Pure. */
void ch_counters_parse(const char *text, struct ch_kernel_counters *ret);

/* Both files. 0, or the negative errno of the first that could not be read. */
int ch_counters_read(struct ch_kernel_counters *ret);

#endif
