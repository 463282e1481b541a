/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing over entries kept in the order of their hashes. A hash points
 * at its home by multiplication, so homes have the order of hashes at any size
 * of the table: growing and shrinking copy in one direction, in place, and a
 * search ends at the first greater hash.
 */
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { homes_min = 1024, homes_max = 1 << 26 };

static uint64_t hash_of(uint64_t cookie)
{
    cookie ^= cookie >> 32; /* the per-CPU batches of net/core/sock_diag.c */
    return cookie * UINT64_C(0x9E3779B97F4A7C15);
}

static size_t home_of(const struct ch_memory *memory, uint64_t hash)
{
    return (size_t)(((hash >> 32) * memory->homes) >> 32);
}

/* Room after the last home for what the last ones push out. */
static size_t places_for(size_t homes)
{
    return homes + homes / 64 + 64;
}

static size_t bytes_for(size_t homes)
{
    return places_for(homes) * sizeof(struct ch_remembered);
}

int ch_memory_init(struct ch_memory *memory)
{
    void *slots = mmap(NULL, bytes_for(homes_min), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (slots == MAP_FAILED)
        return -ENOMEM;
    *memory =
        (struct ch_memory){.slots = slots, .homes = homes_min, .places = places_for(homes_min)};
    return 0;
}

void ch_memory_clear(struct ch_memory *memory)
{
    if (memory->slots)
        munmap(memory->slots, bytes_for(memory->homes));
    *memory = (struct ch_memory){0};
}

size_t ch_memory_bytes(const struct ch_memory *memory)
{
    return memory->slots ? bytes_for(memory->homes) : 0;
}

void ch_memory_prefetch(const struct ch_memory *memory, uint64_t cookie)
{
    __builtin_prefetch(&memory->slots[home_of(memory, hash_of(cookie))]);
}

/* The place of hash, or the one where it would have to go; places if it fell
 * off the end. */
static size_t place_of(const struct ch_memory *memory, uint64_t cookie, uint64_t hash)
{
    size_t i;

    for (i = home_of(memory, hash); i < memory->places; i++) {
        const struct ch_remembered *slot = &memory->slots[i];

        if (slot->cookie == 0 || slot->cookie == cookie || hash_of(slot->cookie) > hash)
            break;
    }
    return i;
}

struct ch_remembered *ch_memory_find(struct ch_memory *memory, uint64_t cookie)
{
    size_t place = place_of(memory, cookie, hash_of(cookie));

    if (cookie == 0 || place == memory->places || memory->slots[place].cookie != cookie)
        return NULL;
    return &memory->slots[place];
}

/* Moves all entries to the end of the places, in order. Returns where they
 * begin. */
static size_t pack_to_end(struct ch_memory *memory, size_t places_before)
{
    size_t to = memory->places;

    for (size_t from = places_before; from-- > 0;)
        if (memory->slots[from].cookie != 0)
            memory->slots[--to] = memory->slots[from];
    return to;
}

static size_t pack_to_start(struct ch_memory *memory)
{
    size_t to = 0;

    for (size_t from = 0; from < memory->places; from++)
        if (memory->slots[from].cookie != 0)
            memory->slots[to++] = memory->slots[from];
    return to;
}

/* From the packed end each entry goes to its home or the first free place after
 * it. Places are taken in rising order, and as many are left after each as
 * entries follow it, so none is overwritten before it has moved. If that fails
 * the overflow is too small for the last ones, and one of them is forgotten. */
static void spread_from(struct ch_memory *memory, size_t from)
{
    size_t next = 0;

    for (; from < memory->places; from++) {
        struct ch_remembered entry = memory->slots[from];
        size_t to = home_of(memory, hash_of(entry.cookie));

        if (to < next)
            to = next;
        if (to > from) {
            memory->count--;
            continue;
        }
        if (to > next)
            memset(&memory->slots[next], 0, (to - next) * sizeof(entry));
        memory->slots[to] = entry;
        next = to + 1;
    }
    memset(&memory->slots[next], 0, (memory->places - next) * sizeof(*memory->slots));
}

static int resize(struct ch_memory *memory, size_t homes)
{
    size_t places_before = memory->places, bytes_before = bytes_for(memory->homes), from;
    void *slots;

    if (homes > homes_max)
        return -ENOMEM;
    if (homes < memory->homes) { /* what stays must lie within the smaller table */
        size_t kept = pack_to_start(memory);

        memset(&memory->slots[kept], 0, (places_before - kept) * sizeof(*memory->slots));
        places_before = kept;
    }
    slots = mremap(memory->slots, bytes_before, bytes_for(homes), MREMAP_MAYMOVE);
    if (slots == MAP_FAILED) {
        if (homes > memory->homes)
            return -ENOMEM;
        homes = memory->homes; /* shrinking in place does not fail; if it did, stay */
        slots = memory->slots;
    }
    memory->slots = slots;
    memory->homes = homes;
    memory->places = places_for(homes);
    from = pack_to_end(memory, places_before);
    spread_from(memory, from);
    return 0;
}

static int make_room(struct ch_memory *memory)
{
    if (memory->count < memory->homes / 5 * 4)
        return 0;
    return resize(memory, memory->homes / 3 * 4);
}

struct ch_remembered *ch_memory_touch(struct ch_memory *memory, uint64_t cookie, bool *ret_new)
{
    uint64_t hash = hash_of(cookie);
    size_t place = place_of(memory, cookie, hash), gap;

    *ret_new = false;
    if (cookie == 0)
        return NULL;
    if (place < memory->places && memory->slots[place].cookie == cookie)
        return &memory->slots[place];
    if (make_room(memory) < 0)
        return NULL;
    place = place_of(memory, cookie, hash);
    for (gap = place; gap < memory->places && memory->slots[gap].cookie != 0;)
        gap++;
    if (gap >= memory->places) /* the overflow is full: unlucky hashes near the end */
        return resize(memory, memory->homes / 3 * 4) < 0 ? NULL
                                                         : ch_memory_touch(memory, cookie, ret_new);
    memmove(&memory->slots[place + 1], &memory->slots[place],
            (gap - place) * sizeof(*memory->slots));
    memory->slots[place] = (struct ch_remembered){.cookie = cookie};
    memory->count++;
    *ret_new = true;
    return &memory->slots[place];
}

void ch_memory_remove(struct ch_memory *memory, struct ch_remembered *entry)
{
    size_t hole = (size_t)(entry - memory->slots);

    /* Those that had been pushed away from their homes move back by one. */
    while (hole + 1 < memory->places && memory->slots[hole + 1].cookie != 0 &&
           home_of(memory, hash_of(memory->slots[hole + 1].cookie)) <= hole) {
        memory->slots[hole] = memory->slots[hole + 1];
        hole++;
    }
    memory->slots[hole] = (struct ch_remembered){0};
    memory->count--;
}

void ch_memory_sift(struct ch_memory *memory, bool (*keep)(struct ch_remembered *entry, void *arg),
                    void *arg)
{
    size_t fitting;

    for (size_t i = 0; i < memory->places;) {
        struct ch_remembered *entry = &memory->slots[i];

        if (entry->cookie == 0 || keep(entry, arg))
            i++;
        else
            ch_memory_remove(memory, entry); /* the next one may have moved here */
    }
    fitting = memory->count / 7 * 10;
    if (fitting < homes_min)
        fitting = homes_min;
    if (memory->count < memory->homes / 5 * 3 - 1 && fitting < memory->homes)
        (void)resize(memory, fitting);
}
