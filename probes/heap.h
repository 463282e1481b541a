/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A four-ary heap of deadlines. The key is kept beside the pointer, so that
 * sifting touches one cache line a level and never the timers themselves but to
 * tell them their new slot. Four children instead of two halve the levels, and
 * most operations of a prober are pushes that stay low.
 */
#ifndef CH_PROBES_HEAP_H
#define CH_PROBES_HEAP_H

#include <stddef.h>

#include "connhealth/loop.h"

struct ch_heap_entry {
    int64_t when;
    struct ch_timer *timer;
};

struct ch_heap {
    struct ch_heap_entry *entries;
    uint32_t count;
    uint32_t capacity;
};

int ch_heap_reserve(struct ch_heap *heap, uint32_t capacity);
void ch_heap_clear(struct ch_heap *heap);

/* Inserts, or moves if it is in already. -ENOMEM only when it must grow. */
int ch_heap_set(struct ch_heap *heap, struct ch_timer *timer, int64_t when);
/* Does nothing if it is not in. */
void ch_heap_remove(struct ch_heap *heap, struct ch_timer *timer);
/* The earliest, or NULL. */
static inline struct ch_timer *ch_heap_first(const struct ch_heap *heap)
{
    return heap->count > 0 ? heap->entries[0].timer : NULL;
}

#endif
