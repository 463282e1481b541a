/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct ch_heap *heap, uint32_t index, struct ch_heap_entry entry)
{
    heap->entries[index] = entry;
    entry.timer->slot = index + 1;
}

static void sift_up(struct ch_heap *heap, uint32_t index, struct ch_heap_entry entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 4;

        if (heap->entries[parent].when <= entry.when)
            break;
        place(heap, index, heap->entries[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

static void sift_down(struct ch_heap *heap, uint32_t index, struct ch_heap_entry entry)
{
    for (;;) {
        uint32_t child = index * 4 + 1;
        uint32_t last = child + 4 < heap->count ? child + 4 : heap->count;
        uint32_t least = child;

        if (child >= heap->count)
            break;
        for (uint32_t i = child + 1; i < last; i++)
            if (heap->entries[i].when < heap->entries[least].when)
                least = i;
        if (heap->entries[least].when >= entry.when)
            break;
        place(heap, index, heap->entries[least]);
        index = least;
    }
    place(heap, index, entry);
}

static void sift(struct ch_heap *heap, uint32_t index, struct ch_heap_entry entry)
{
    if (index > 0 && heap->entries[(index - 1) / 4].when > entry.when)
        sift_up(heap, index, entry);
    else
        sift_down(heap, index, entry);
}

int ch_heap_reserve(struct ch_heap *heap, uint32_t capacity)
{
    struct ch_heap_entry *entries;

    if (capacity <= heap->capacity)
        return 0;
    entries = reallocarray(heap->entries, capacity, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

void ch_heap_clear(struct ch_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++)
        heap->entries[i].timer->slot = 0;
    free(heap->entries);
    *heap = (struct ch_heap){0};
}

int ch_heap_set(struct ch_heap *heap, struct ch_timer *timer, int64_t when)
{
    struct ch_heap_entry entry = {.when = when, .timer = timer};

    if (timer->slot == 0) {
        if (heap->count == heap->capacity) {
            int r = ch_heap_reserve(heap, heap->capacity < 64 ? 64 : heap->capacity * 2);

            if (r < 0)
                return r;
        }
        timer->when = when;
        sift_up(heap, heap->count++, entry);
        return 0;
    }
    timer->when = when;
    sift(heap, timer->slot - 1, entry);
    return 0;
}

void ch_heap_remove(struct ch_heap *heap, struct ch_timer *timer)
{
    uint32_t index;
    struct ch_heap_entry moved;

    if (timer->slot == 0)
        return;
    index = timer->slot - 1;
    timer->slot = 0;
    moved = heap->entries[--heap->count];
    if (index < heap->count)
        sift(heap, index, moved);
}
