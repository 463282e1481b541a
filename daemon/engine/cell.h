/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell: one plain value, written by one thread, read by any number of threads
 * without a lock and without ever holding the writer up. A reader that meets a
 * write tries again.
 *
 * A sequence lock whose payload is copied as relaxed atomic words, which is what
 * C11 asks for (H.-J. Boehm, "Can seqlocks get along with programming language
 * memory models?", MSPC 2012): the reader's loads may well race with the
 * writer's stores, so they have to be atomic even where the result is thrown
 * away. On x86-64 and arm64 they are ordinary moves.
 *
 * A cell is an array of CH_CELL_WORDS(type) words: the sequence, then the value.
 * Zeroed memory is a cell that holds a zeroed value.
 */
#ifndef CH_ENGINE_CELL_H
#define CH_ENGINE_CELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CH_CELL_WORDS(type) (1 + (sizeof(type) + sizeof(uint64_t) - 1) / sizeof(uint64_t))

static inline void ch_cell_write(_Atomic uint64_t *cell, const void *value, size_t size)
{
    uint64_t sequence = atomic_load_explicit(cell, memory_order_relaxed);
    _Atomic uint64_t *words = cell + 1;

    atomic_store_explicit(cell, sequence + 1, memory_order_relaxed);
    /* A reader that sees any word stored below sees the odd sequence, too. */
    atomic_thread_fence(memory_order_release);
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        size_t left = size - at;
        uint64_t word = 0;

        memcpy(&word, (const char *)value + at, left < sizeof(word) ? left : sizeof(word));
        atomic_store_explicit(words++, word, memory_order_relaxed);
    }
    atomic_store_explicit(cell, sequence + 2, memory_order_release);
}

/* One try. False: a write was met, *value is of no use. */
static inline bool ch_cell_read(const _Atomic uint64_t *cell, void *value, size_t size)
{
    uint64_t sequence = atomic_load_explicit(cell, memory_order_acquire);
    const _Atomic uint64_t *words = cell + 1;

    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        size_t left = size - at;
        uint64_t word = atomic_load_explicit(words++, memory_order_relaxed);

        memcpy((char *)value + at, &word, left < sizeof(word) ? left : sizeof(word));
    }
    atomic_thread_fence(memory_order_acquire);
    return sequence % 2 == 0 && atomic_load_explicit(cell, memory_order_relaxed) == sequence;
}

#endif
