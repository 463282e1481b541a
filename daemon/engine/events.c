/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include <errno.h>
#include <stdlib.h>

#include "cell.h"

#define NO_SLOT UINT16_MAX

/* A reader that meets a write this often in one slot goes on without it. */
#define READ_TRIES 1000

struct slot {
    _Atomic uint64_t cell[CH_CELL_WORDS(struct ch_event)];
};

/* Slots in the order they were written, linked by ch_events.next. */
struct fifo {
    uint16_t oldest;
    uint16_t newest;
};

struct ch_events {
    struct slot slots[CH_EVENTS_MAX];
    /* the rest is the writer's alone */
    uint64_t written;
    uint16_t used; /* slots that were ever written */
    uint16_t next[CH_EVENTS_MAX];
    struct fifo repeats;
    struct fifo changes;
};

_Static_assert(CH_EVENTS_MAX < NO_SLOT, "slots are numbered in 16 bits");

int ch_events_new(struct ch_events **ret)
{
    struct ch_events *events = calloc(1, sizeof(*events));

    if (!events)
        return -ENOMEM;
    events->repeats.oldest = events->changes.oldest = NO_SLOT;
    *ret = events;
    return 0;
}

struct ch_events *ch_events_free(struct ch_events *events)
{
    free(events);
    return NULL;
}

static void put(struct ch_events *events, struct fifo *fifo, uint16_t slot)
{
    events->next[slot] = NO_SLOT;
    if (fifo->oldest == NO_SLOT)
        fifo->oldest = slot;
    else
        events->next[fifo->newest] = slot;
    fifo->newest = slot;
}

static uint16_t take_oldest(struct ch_events *events, struct fifo *fifo)
{
    uint16_t slot = fifo->oldest;

    if (slot != NO_SLOT)
        fifo->oldest = events->next[slot];
    return slot;
}

static uint16_t take_slot(struct ch_events *events)
{
    uint16_t slot;

    if (events->used < CH_EVENTS_MAX)
        return events->used++;
    slot = take_oldest(events, &events->repeats);
    return slot != NO_SLOT ? slot : take_oldest(events, &events->changes);
}

void ch_events_add(struct ch_events *events, const struct ch_event *event)
{
    uint16_t slot = take_slot(events);
    struct ch_event numbered = *event;

    numbered.number = ++events->written;
    ch_cell_write(events->slots[slot].cell, &numbered, sizeof(numbered));
    put(events, event->changed ? &events->changes : &events->repeats, slot);
}

static bool read_slot(const struct slot *slot, struct ch_event *ret)
{
    for (int i = 0; i < READ_TRIES; i++) {
        if (ch_cell_read(slot->cell, ret, sizeof(*ret)))
            return ret->number != 0; /* 0: never written */
    }
    return false;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t number_a = ((const struct ch_event *)a)->number;
    uint64_t number_b = ((const struct ch_event *)b)->number;

    return (number_a < number_b) - (number_a > number_b);
}

struct ch_event *ch_events_copy(const struct ch_events *events, size_t limit,
                                bool (*keep)(const struct ch_event *event, void *context),
                                void *context, size_t *ret_count)
{
    /* one more than there can be: each is read in place and kept or not */
    struct ch_event *copies = malloc((CH_EVENTS_MAX + 1) * sizeof(*copies)), *fitting;
    size_t count = 0;

    *ret_count = 0;
    if (!copies)
        return NULL;
    for (size_t i = 0; i < CH_EVENTS_MAX; i++) {
        if (read_slot(&events->slots[i], &copies[count]) &&
            (!keep || keep(&copies[count], context)))
            count++;
    }
    qsort(copies, count, sizeof(*copies), newest_first);
    if (count > limit)
        count = limit;
    if (count == 0) {
        free(copies);
        return NULL;
    }
    fitting = realloc(copies, count * sizeof(*copies));
    *ret_count = count;
    return fitting ? fitting : copies;
}
