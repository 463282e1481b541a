/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of each TCP socket from sweep to sweep: 32 bytes, found by
 * the kernel's cookie (SO_COOKIE). With index and slack a socket costs at most
 * 48 bytes above the smallest size.
 *
 * Entries lie in the order in which sweeps see them. The kernel walks its hash
 * table in the same order each time, so that the next row's entry is nearly
 * always the one after the last: a sweep reads memory in one direction, which
 * costs a tenth of looking each up (cache and TLB misses, not instructions).
 *
 * Owned by the collector's thread. Pointers to entries live until the next
 * touch, removal or sift.
 */
#ifndef CH_SOCKETS_MEMORY_H
#define CH_SOCKETS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ch_remembered {
    uint64_t cookie;        /* 0: free place; the kernel's begin at 1 */
    uint32_t count;         /* tcpi_total_retrans; of a listener its drops */
    uint32_t segs_in;       /* tcpi_segs_in */
    uint32_t state_since;   /* ticks: when it took its state, as far as known */
    uint32_t trouble_since; /* ticks: see flags; 0: no trouble */
    uint16_t unit;          /* slot of its unit */
    uint16_t peer;          /* CH_PEER_NOT_ASKED, CH_PEER_NONE or an index */
    uint8_t state;          /* enum ch_socket_state */
    uint8_t flags;          /* CH_REMEMBERED_* */
    uint8_t sweep;          /* low bits of the sweep that saw it last */
    uint8_t missed;         /* complete sweeps since, that did not see it */
};
_Static_assert(sizeof(struct ch_remembered) == 32, "a socket's memory must stay small");

enum {
    CH_REMEMBERED_ROLE = 3,    /* two bits: enum ch_role */
    CH_REMEMBERED_ENDED = 4,   /* destroyed while a sweep was running: its row may still come */
    CH_REMEMBERED_UNACKED = 8, /* trouble_since is of retransmission, else of the window */
    CH_REMEMBERED_DEAD = 16,   /* its row is gone; trouble_since: when it was last there */
};

struct ch_memory {
    struct ch_remembered *slots;
    uint32_t used, room; /* slots in use, holes among them; slots there are */
    uint32_t count;      /* without the holes */

    uint32_t *index; /* open addressing: 0, or a tag and a slot's number plus one */
    uint32_t homes;

    uint32_t next;    /* slot that the next row should have */
    uint32_t after;   /* slot after the one that the last row had */
    uint32_t strays;  /* rows of this sweep that were not where they should be */
    uint32_t touched; /* rows of this sweep */
    uint32_t *order;  /* slots as this sweep saw them, to be put in order; mostly NULL */
    uint32_t order_room;
};

int ch_memory_init(struct ch_memory *memory); /* 0 or -ENOMEM */
void ch_memory_clear(struct ch_memory *memory);
size_t ch_memory_bytes(const struct ch_memory *memory);

/* The rows of a sweep are touched from here on, in their order. */
void ch_memory_sweep_begin(struct ch_memory *memory);
/* NULL if it is not there. */
struct ch_remembered *ch_memory_find(struct ch_memory *memory, uint64_t cookie);
/* Finds or makes it (zeroed but for the cookie, *ret_new set). NULL: no memory,
 * or cookie 0. */
struct ch_remembered *ch_memory_touch(struct ch_memory *memory, uint64_t cookie, bool *ret_new);
/* Leaves a hole until the next sift. */
void ch_memory_remove(struct ch_memory *memory, struct ch_remembered *entry);
/* Calls keep for each entry, removes those it refuses, closes holes, puts in
 * order what has become disorderly, and gives back memory no longer needed. */
void ch_memory_sift(struct ch_memory *memory, bool (*keep)(struct ch_remembered *entry, void *arg),
                    void *arg);

#endif
