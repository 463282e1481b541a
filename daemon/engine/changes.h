/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of outcome on their way from the prober's thread to the main one,
 * which logs them: the prober never waits for a terminal, a pipe or a journal.
 * Bounded; what finds no room is dropped and counted.
 */
#ifndef CH_ENGINE_CHANGES_H
#define CH_ENGINE_CHANGES_H

#include "events.h"

#define CH_CHANGES_MAX 4096

struct ch_change {
    struct ch_change *next;
    enum ch_probe_kind kind;
    struct ch_event event;
};

struct ch_changes;

int ch_changes_new(struct ch_changes **ret);
struct ch_changes *ch_changes_free(struct ch_changes *changes);

/* Readable while there is something to take. */
int ch_changes_fd(const struct ch_changes *changes);
/* The prober's thread. */
void ch_changes_add(struct ch_changes *changes, const struct ch_event *event,
                    enum ch_probe_kind kind);
/* All there are, oldest first; each is the caller's to free. *ret_dropped is how
 * many had no room since the last call. */
struct ch_change *ch_changes_take(struct ch_changes *changes, uint64_t *ret_dropped);

#endif
