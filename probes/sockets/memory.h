/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of each TCP socket from sweep to sweep: 32 bytes, keyed by
 * the kernel's cookie (SO_COOKIE), in one sorted-by-hash open table. The table
 * is between 60 and 80 percent full above its smallest size, so a socket costs
 * at most 54 bytes, and grows in place.
 *
 * Owned by the collector's thread. Pointers to entries live until the next
 * insertion or removal.
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
    size_t homes;  /* places that hashes point to */
    size_t places; /* homes and the overflow after them */
    size_t count;
};

int ch_memory_init(struct ch_memory *memory); /* 0 or -ENOMEM */
void ch_memory_clear(struct ch_memory *memory);
size_t ch_memory_bytes(const struct ch_memory *memory);

void ch_memory_prefetch(const struct ch_memory *memory, uint64_t cookie);
/* NULL if it is not there. */
struct ch_remembered *ch_memory_find(struct ch_memory *memory, uint64_t cookie);
/* Finds or makes it (zeroed but for the cookie, *ret_new set). NULL: no memory,
 * or cookie 0. */
struct ch_remembered *ch_memory_touch(struct ch_memory *memory, uint64_t cookie, bool *ret_new);
void ch_memory_remove(struct ch_memory *memory, struct ch_remembered *entry);
/* Calls keep for each entry, removes those it refuses, and gives back memory
 * that is no longer needed. */
void ch_memory_sift(struct ch_memory *memory, bool (*keep)(struct ch_remembered *entry, void *arg),
                    void *arg);

#endif
