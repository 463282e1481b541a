/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many small things that live and die together: handed out one after the other
 * from a few large blocks, freed all at once. A hundred thousand label texts
 * cost their bytes, and not a heap block's header each.
 */
#ifndef CH_ENGINE_ARENA_H
#define CH_ENGINE_ARENA_H

#include <stddef.h>

struct ch_arena_block;

/* Zeroed memory is an empty arena. */
struct ch_arena {
    struct ch_arena_block *latest;
};

/* Not zeroed, aligned for anything; NULL: out of memory. */
void *ch_arena_alloc(struct ch_arena *arena, size_t size);
/* The same without alignment, for text. */
char *ch_arena_text(struct ch_arena *arena, size_t size);
/* Gives back all but used bytes of the latest allocation. */
void ch_arena_trim(struct ch_arena *arena, const void *latest, size_t used);
/* A copy of a string; NULL: out of memory. */
char *ch_arena_copy(struct ch_arena *arena, const char *text);
void ch_arena_clear(struct ch_arena *arena);

#endif
