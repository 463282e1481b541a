/* SPDX-License-Identifier: Apache-2.0 */
/* The making of a snapshot from what the collector holds. */
#ifndef CH_SOCKETS_SNAPSHOT_H
#define CH_SOCKETS_SNAPSHOT_H

#include "tally.h"

/* One reference, the caller's. proto: the fields that are not the tally's, to be
 * copied. NULL: out of memory. */
struct ch_sockets_snapshot *ch_sockets_snapshot_new(const struct ch_tally *tally,
                                                    const struct ch_sockets_snapshot *proto);
struct ch_sockets_snapshot *ch_sockets_snapshot_ref(struct ch_sockets_snapshot *snapshot);

#endif
