/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters over a restart or an upgrade: written to a memfd at a clean stop,
 * which systemd holds for the next process (FDSTORE=1 of sd_notify(3),
 * FileDescriptorStoreMax= of the unit).
 *
 * Only at a clean stop: what was written some time before a crash is less than
 * what was scraped last, and Prometheus would take the difference for a reset and
 * count all of it again. So the memfd is given back as soon as it was read, and
 * after an unclean end everything begins at 0.
 */
#ifndef CH_DAEMON_KEEP_H
#define CH_DAEMON_KEEP_H

#include <stdbool.h>

#include "kept.h"

/* Before the prober and the collector of sockets start. Without anything kept it
 * does nothing; what is no good is logged and passed over. True: counters go on,
 * and are lost unless they are stored again. */
bool ch_keep_restore(const struct ch_kept *counters);
/* After the prober and the collector have ended. Without systemd it does nothing. */
void ch_keep_store(const struct ch_kept *counters);

#endif
