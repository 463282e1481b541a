/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Numbers of slots have 25 bits in the index, 32 million sockets; the rest is a
 * tag, so that a search looks at few entries that are not the one. */
enum { slot_bits = 25, room_min = 1024, room_max = (1 << slot_bits) - 1 };
/* A row's entry may lie a few after the expected one: holes, and sockets that
 * went away, are in between. */
enum { window = 8 };

static uint64_t hash_of(uint64_t cookie)
{
    cookie ^= cookie >> 32; /* the per-CPU batches of net/core/sock_diag.c */
    return cookie * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t home_of(const struct ch_memory *memory, uint64_t hash)
{
    return (uint32_t)(((hash >> 32) * memory->homes) >> 32);
}

static uint32_t tagged(uint64_t hash, uint32_t slot)
{
    return (uint32_t)hash >> slot_bits << slot_bits | (slot + 1);
}

static uint32_t slot_in(uint32_t place)
{
    return (place & ((UINT32_C(1) << slot_bits) - 1)) - 1;
}

/* ---- room -------------------------------------------------------------- */

static int resize(void **area, size_t before, size_t after)
{
    void *moved;

    if (before == 0)
        moved = mmap(NULL, after, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        moved = mremap(*area, before, after, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        return -ENOMEM;
    *area = moved;
    return 0;
}

static int set_room(struct ch_memory *memory, uint32_t room)
{
    void *area = memory->slots;

    if (room > room_max ||
        resize(&area, memory->room * sizeof(*memory->slots), room * sizeof(*memory->slots)) < 0)
        return -ENOMEM;
    memory->slots = area;
    memory->room = room;
    return 0;
}

static void put_in_index(struct ch_memory *memory, uint32_t slot)
{
    uint64_t hash = hash_of(memory->slots[slot].cookie);
    uint32_t i = home_of(memory, hash);

    while (memory->index[i] != 0)
        i = i + 1 == memory->homes ? 0 : i + 1;
    memory->index[i] = tagged(hash, slot);
}

static void fill_index(struct ch_memory *memory)
{
    memset(memory->index, 0, memory->homes * sizeof(*memory->index));
    for (uint32_t i = 0; i < memory->used; i++)
        if (memory->slots[i].cookie != 0)
            put_in_index(memory, i);
}

/* Filled anew; without memory it stays as it is. */
static int set_homes(struct ch_memory *memory, uint32_t homes)
{
    void *area = memory->index;

    if (resize(&area, memory->homes * sizeof(*memory->index), homes * sizeof(*memory->index)) < 0)
        return -ENOMEM;
    memory->index = area;
    memory->homes = homes;
    fill_index(memory);
    return 0;
}

int ch_memory_init(struct ch_memory *memory)
{
    *memory = (struct ch_memory){0};
    if (set_room(memory, room_min) < 0 || set_homes(memory, room_min * 2) < 0) {
        ch_memory_clear(memory);
        return -ENOMEM;
    }
    return 0;
}

void ch_memory_clear(struct ch_memory *memory)
{
    if (memory->slots)
        munmap(memory->slots, memory->room * sizeof(*memory->slots));
    if (memory->index)
        munmap(memory->index, memory->homes * sizeof(*memory->index));
    free(memory->order);
    *memory = (struct ch_memory){0};
}

size_t ch_memory_bytes(const struct ch_memory *memory)
{
    return memory->room * sizeof(*memory->slots) + memory->homes * sizeof(*memory->index) +
           memory->order_room * sizeof(*memory->order);
}

/* ---- finding ----------------------------------------------------------- */

/* The place in the index that has the cookie, or the free one that ends the
 * search. */
static uint32_t place_of(const struct ch_memory *memory, uint64_t cookie)
{
    uint64_t hash = hash_of(cookie);
    uint32_t tag = tagged(hash, 0) >> slot_bits, i = home_of(memory, hash);

    for (; memory->index[i] != 0; i = i + 1 == memory->homes ? 0 : i + 1)
        if (memory->index[i] >> slot_bits == tag &&
            memory->slots[slot_in(memory->index[i])].cookie == cookie)
            break;
    return i;
}

struct ch_remembered *ch_memory_find(struct ch_memory *memory, uint64_t cookie)
{
    uint32_t place = place_of(memory, cookie);

    if (cookie == 0 || memory->index[place] == 0)
        return NULL;
    return &memory->slots[slot_in(memory->index[place])];
}

void ch_memory_sweep_begin(struct ch_memory *memory)
{
    memory->next = memory->after = memory->strays = memory->touched = 0;
}

/* Where the row should be: after the one before it, or in the window. */
static struct ch_remembered *expected(struct ch_memory *memory, uint64_t cookie)
{
    uint32_t end = memory->used - memory->next < window ? memory->used : memory->next + window;

    if (memory->after < memory->used && memory->slots[memory->after].cookie == cookie)
        return &memory->slots[memory->after];
    for (uint32_t i = memory->next; i < end; i++)
        if (memory->slots[i].cookie == cookie)
            return &memory->slots[i];
    return NULL;
}

static void step(struct ch_memory *memory, const struct ch_remembered *entry, bool stray)
{
    uint32_t slot = (uint32_t)(entry - memory->slots);

    if (memory->order && memory->touched < memory->order_room)
        memory->order[memory->touched] = slot;
    memory->touched++;
    memory->after = slot + 1;
    if (stray)
        memory->strays++;
    else if (memory->next < memory->after)
        memory->next = memory->after;
}

static struct ch_remembered *append(struct ch_memory *memory, uint64_t cookie)
{
    struct ch_remembered *entry;

    if (memory->used >= memory->room && set_room(memory, memory->room + memory->room / 8) < 0)
        return NULL;
    if (memory->count >= memory->homes / 5 * 4 &&
        set_homes(memory, memory->homes + memory->homes / 3) < 0)
        return NULL;
    if (!memory->slots) /* cleared: it remembers nobody */
        return NULL;
    entry = &memory->slots[memory->used];
    entry->cookie = cookie; /* the rest is zero: unused slots are */
    put_in_index(memory, memory->used++);
    memory->count++;
    return entry;
}

struct ch_remembered *ch_memory_touch(struct ch_memory *memory, uint64_t cookie, bool *ret_new)
{
    struct ch_remembered *entry;
    bool stray = false;

    *ret_new = false;
    if (cookie == 0)
        return NULL;
    entry = expected(memory, cookie);
    if (!entry) {
        stray = true;
        entry = ch_memory_find(memory, cookie);
    }
    if (!entry) {
        entry = append(memory, cookie);
        *ret_new = entry != NULL;
    }
    if (entry)
        step(memory, entry, stray);
    return entry;
}

void ch_memory_remove(struct ch_memory *memory, struct ch_remembered *entry)
{
    uint32_t hole = place_of(memory, entry->cookie), i = hole;

    /* Those after it that lie behind their homes because of it move up. */
    for (;;) {
        uint32_t home, from_home, from_hole;

        i = i + 1 == memory->homes ? 0 : i + 1;
        if (memory->index[i] == 0)
            break;
        home = home_of(memory, hash_of(memory->slots[slot_in(memory->index[i])].cookie));
        from_home = i >= home ? i - home : i + memory->homes - home;
        from_hole = i >= hole ? i - hole : i + memory->homes - hole;
        if (from_home < from_hole)
            continue;
        memory->index[hole] = memory->index[i];
        hole = i;
    }
    memory->index[hole] = 0;
    *entry = (struct ch_remembered){0};
    memory->count--;
}

/* ---- keeping order ----------------------------------------------------- */

/* Leaves the first mention of each slot: a row may come twice, and a socket that
 * ends while its row is on the way is touched by both. The number left. */
static uint32_t mentioned_once(struct ch_memory *memory)
{
    uint32_t count = memory->touched < memory->order_room ? memory->touched : memory->order_room;
    uint8_t *seen = calloc(memory->used / 8 + 1, 1);
    uint32_t kept = 0;

    for (uint32_t i = 0; seen && i < count; i++) {
        uint32_t slot = memory->order[i];
        uint8_t bit = (uint8_t)(1U << (slot % 8));

        if (!(seen[slot / 8] & bit))
            memory->order[kept++] = slot;
        seen[slot / 8] |= bit;
    }
    free(seen);
    return kept;
}

/* Moves the entries of order[0], order[1], … to the first slots, each by one
 * exchange. What was at a slot that has had its turn is where its own exchange
 * put it: follow that. It ends because no slot is mentioned twice. */
static void put_in_order(struct ch_memory *memory)
{
    uint32_t count = mentioned_once(memory);

    for (uint32_t i = 0; i < count; i++) {
        struct ch_remembered moved = memory->slots[i];
        uint32_t from = memory->order[i];

        while (from < i)
            from = memory->order[from];
        memory->slots[i] = memory->slots[from];
        memory->slots[from] = moved;
    }
}

/* The next sweep writes down its order if this one was disorderly. */
static void plan_order(struct ch_memory *memory)
{
    free(memory->order);
    memory->order = NULL;
    memory->order_room = 0;
    if (memory->touched <= room_min || memory->strays <= memory->touched / 8)
        return;
    memory->order = calloc(memory->room, sizeof(*memory->order));
    memory->order_room = memory->order ? memory->room : 0;
}

static void close_holes(struct ch_memory *memory)
{
    uint32_t to = 0;

    for (uint32_t from = 0; from < memory->used; from++)
        if (memory->slots[from].cookie != 0)
            memory->slots[to++] = memory->slots[from];
    memset(&memory->slots[to], 0, (memory->used - to) * sizeof(*memory->slots));
    memory->used = to;
}

/* Smaller sizes only: growing is for those who insert. */
static void give_back(struct ch_memory *memory)
{
    uint32_t room = memory->used + memory->used / 8, homes = memory->count / 2 * 3;

    room = room < room_min ? room_min : room;
    homes = homes < 2 * room_min ? 2 * room_min : homes;
    if (room < memory->room - memory->room / 8)
        (void)set_room(memory, room);
    if (homes < memory->homes - memory->homes / 4)
        (void)set_homes(memory, homes);
    else
        fill_index(memory);
}

void ch_memory_sift(struct ch_memory *memory, bool (*keep)(struct ch_remembered *entry, void *arg),
                    void *arg)
{
    for (uint32_t i = 0; i < memory->used; i++)
        if (memory->slots[i].cookie != 0 && !keep(&memory->slots[i], arg))
            ch_memory_remove(memory, &memory->slots[i]);
    if (memory->order)
        put_in_order(memory);
    if (memory->order || memory->used - memory->count > memory->used / 8) {
        close_holes(memory);
        give_back(memory);
    }
    plan_order(memory);
    ch_memory_sweep_begin(memory); /* slots have other numbers now */
}
