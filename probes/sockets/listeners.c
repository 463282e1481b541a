/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CH_LISTENERS_MAX < CH_LISTENER_NONE, "indices are 16 bits");

void ch_listeners_init(struct ch_listeners *listeners)
{
    listeners->slots = NULL;
    listeners->count = 0;
    listeners->folded = 0;
    memset(listeners->first, 0xff, sizeof(listeners->first));
}

void ch_listeners_clear(struct ch_listeners *listeners)
{
    free(listeners->slots);
    ch_listeners_init(listeners);
}

static void link_all(struct ch_listeners *listeners)
{
    memset(listeners->first, 0xff, sizeof(listeners->first));
    for (size_t i = 0; i < listeners->count; i++) {
        struct ch_listener_slot *slot = &listeners->slots[i];

        slot->next = listeners->first[slot->listener.address.port];
        listeners->first[slot->listener.address.port] = (uint16_t)i;
    }
}

void ch_listeners_sweep_begin(struct ch_listeners *listeners)
{
    listeners->folded = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        struct ch_listener *old = &listeners->slots[i].listener;

        *old =
            (struct ch_listener){.address = old->address, .unit = old->unit, .drops = old->drops};
    }
}

void ch_listeners_sweep_end(struct ch_listeners *listeners, uint32_t sweep)
{
    size_t kept = 0;

    for (size_t i = 0; i < listeners->count; i++) {
        struct ch_listener_slot *slot = &listeners->slots[i];

        /* What the kernel counted for its sockets was in there, as far as they are the same. */
        if (slot->listener.drops < slot->drops_before)
            slot->listener.drops = slot->drops_before;
        slot->drops_before = 0;
        if (slot->sweep == sweep)
            listeners->slots[kept++] = *slot;
    }
    if (kept == listeners->count)
        return;
    listeners->count = kept;
    link_all(listeners);
}

static bool is_same(const struct ch_addr *a, const struct ch_addr *b)
{
    return a->port == b->port && ch_addr_same_host(a, b);
}

static bool is_any(const struct ch_addr *address)
{
    static const uint8_t zeros[sizeof(address->ip)];

    return memcmp(address->ip, zeros, sizeof(zeros)) == 0;
}

struct ch_listener_slot *ch_listeners_touch(struct ch_listeners *listeners,
                                            const struct ch_addr *address, uint32_t sweep)
{
    struct ch_listener_slot *slots, *slot;

    for (uint16_t i = listeners->first[address->port]; i != CH_LISTENER_NONE;
         i = listeners->slots[i].next)
        if (is_same(&listeners->slots[i].listener.address, address)) {
            listeners->slots[i].sweep = sweep;
            return &listeners->slots[i];
        }
    if (listeners->count == CH_LISTENERS_MAX) {
        listeners->folded++;
        return NULL;
    }
    slots = realloc(listeners->slots, (listeners->count + 1) * sizeof(*slots));
    if (!slots)
        return NULL;
    listeners->slots = slots;
    slot = &slots[listeners->count];
    *slot = (struct ch_listener_slot){
        .listener = {.address = *address},
        .any = is_any(address),
        .sweep = sweep,
        .next = listeners->first[address->port],
    };
    listeners->first[address->port] = (uint16_t)listeners->count++;
    return slot;
}

uint16_t ch_listeners_match(const struct ch_listeners *listeners, const struct ch_addr *local)
{
    uint16_t wild = CH_LISTENER_NONE;

    for (uint16_t i = listeners->first[local->port]; i != CH_LISTENER_NONE;
         i = listeners->slots[i].next) {
        const struct ch_listener_slot *slot = &listeners->slots[i];
        uint16_t family = slot->listener.address.family;

        if (is_any(local)) {
            wild = i;
        } else if (slot->any) {
            /* [::] takes IPv4 connections too, unless it is IPV6_V6ONLY; then
             * 0.0.0.0 may be bound beside it. */
            if (family == local->family || (family == AF_INET6 && wild == CH_LISTENER_NONE))
                wild = i;
        } else if (ch_addr_same_host(&slot->listener.address, local)) {
            return i;
        }
    }
    return wild;
}
