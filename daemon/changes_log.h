/* SPDX-License-Identifier: Apache-2.0 */
/* The log of changed outcomes: main thread. */
#ifndef CH_DAEMON_CHANGES_LOG_H
#define CH_DAEMON_CHANGES_LOG_H

#include "changes.h"

/* Whoever else is told of changes: of each one, and of how many were lost. */
struct ch_changes_follower {
    void (*changed)(void *context, const struct ch_change *change);
    void (*lost)(void *context, uint64_t count);
    void *context;
};

/* Logs what has changed since the last call, and passes it on. */
void ch_changes_log(struct ch_changes *changes, const struct ch_changes_follower *follower);

#endif
