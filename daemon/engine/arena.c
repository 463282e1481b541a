/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* With its header and malloc's a little under 64 KiB: below the size at which
 * malloc maps each block on its own (mallopt(3), M_MMAP_THRESHOLD). */
#define BLOCK_BYTES (64 * 1024 - 64)

struct ch_arena_block {
    struct ch_arena_block *previous;
    size_t used;
    size_t size;
    alignas(max_align_t) char data[];
};

static void *allocate(struct ch_arena *arena, size_t size, size_t alignment)
{
    struct ch_arena_block *block = arena->latest;
    size_t at = block ? (block->used + alignment - 1) / alignment * alignment : 0;

    if (!block || at > block->size || size > block->size - at) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = malloc(sizeof(*block) + room);
        if (!block)
            return NULL;
        block->previous = arena->latest;
        block->size = room;
        arena->latest = block;
        at = 0;
    }
    block->used = at + size;
    return block->data + at;
}

void *ch_arena_alloc(struct ch_arena *arena, size_t size)
{
    return allocate(arena, size, alignof(max_align_t));
}

char *ch_arena_text(struct ch_arena *arena, size_t size)
{
    return allocate(arena, size, 1);
}

void ch_arena_trim(struct ch_arena *arena, const void *latest, size_t used)
{
    arena->latest->used = (size_t)((const char *)latest - arena->latest->data) + used;
}

char *ch_arena_copy(struct ch_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ch_arena_text(arena, size);

    return copy ? memcpy(copy, text, size) : NULL;
}

void ch_arena_clear(struct ch_arena *arena)
{
    for (struct ch_arena_block *block = arena->latest, *previous; block; block = previous) {
        previous = block->previous;
        free(block);
    }
    arena->latest = NULL;
}
