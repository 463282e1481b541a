/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most recent failures and changes of outcome, in a bounded ring that the
 * prober's thread writes and any thread reads without a lock. When it is full,
 * the oldest repeat of an outcome goes first, then the oldest change: a target
 * that fails every second does not push out what happened to the others.
 */
#ifndef CH_ENGINE_EVENTS_H
#define CH_ENGINE_EVENTS_H

#include "record.h"

#define CH_EVENTS_MAX 1024

struct ch_event {
    uint64_t number; /* grows by one from event to event */
    bool changed;    /* the outcome changed; false: a repeat */
    char group[64];  /* cut if longer */
    char target[264];
    struct ch_attempt attempt;
};

struct ch_events;

int ch_events_new(struct ch_events **ret);
struct ch_events *ch_events_free(struct ch_events *events);

/* Prober's thread. number is set here. */
void ch_events_add(struct ch_events *events, const struct ch_event *event);

/* Any thread: copies of what is there now, newest first, for which keep
 * returns true (keep NULL: all), at most limit; a malloc'd array, the caller's.
 * NULL with *ret_count 0 when there are none or no memory. */
struct ch_event *ch_events_copy(const struct ch_events *events, size_t limit,
                                bool (*keep)(const struct ch_event *event, void *context),
                                void *context, size_t *ret_count);

#endif
