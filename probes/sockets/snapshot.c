/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct box {
    atomic_uint refs;
    char *names; /* of units and peers, one after the other; NULL: each on its own */
    struct ch_sockets_snapshot snapshot;
};

static struct box *box_of(struct ch_sockets_snapshot *snapshot)
{
    return (struct box *)((char *)snapshot - offsetof(struct box, snapshot));
}

struct ch_sockets_snapshot *ch_sockets_snapshot_ref(struct ch_sockets_snapshot *snapshot)
{
    if (snapshot)
        atomic_fetch_add_explicit(&box_of(snapshot)->refs, 1, memory_order_relaxed);
    return snapshot;
}

static void free_names(struct ch_sockets_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->unit_count; i++)
        free((char *)snapshot->units[i].name);
    for (size_t i = 0; i < snapshot->peer_count; i++)
        free((char *)snapshot->peers[i].name);
}

struct ch_sockets_snapshot *ch_sockets_snapshot_unref(struct ch_sockets_snapshot *snapshot)
{
    if (!snapshot ||
        atomic_fetch_sub_explicit(&box_of(snapshot)->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    if (!box_of(snapshot)->names)
        free_names(snapshot);
    free(snapshot->units);
    free(snapshot->listeners);
    free(snapshot->peers);
    free(box_of(snapshot)->names);
    free(box_of(snapshot));
    return NULL;
}

static size_t names_size(const struct ch_tally *tally)
{
    size_t size = 1;

    for (size_t i = 0; i < tally->units.slot_count; i++)
        size += strlen(tally->units.slots[i].sums.name) + 1;
    for (size_t i = 0; i < tally->peers.count; i++)
        size += strlen(tally->peers.sums[i].name) + 1;
    return size;
}

static const char *put_name(char **at, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = *at;

    memcpy(copy, name, size);
    *at += size;
    return copy;
}

static int by_address(const void *a, const void *b)
{
    const struct ch_listener *left = a, *right = b;
    int order = memcmp(left->address.ip, right->address.ip, sizeof(left->address.ip));

    if (left->address.family != right->address.family)
        return left->address.family < right->address.family ? -1 : 1;
    if (order == 0 && left->address.port != right->address.port)
        order = left->address.port < right->address.port ? -1 : 1;
    if (order == 0 && left->address.scope != right->address.scope)
        order = left->address.scope < right->address.scope ? -1 : 1;
    return order;
}

static void fill(struct box *box, const struct ch_tally *tally)
{
    struct ch_sockets_snapshot *snapshot = &box->snapshot;
    char *at = box->names;

    memcpy(snapshot->sockets, tally->sockets, sizeof(snapshot->sockets));
    snapshot->units_folded = ch_units_folded(&tally->units);
    snapshot->unit_count = tally->units.slot_count;
    for (size_t i = 0; i < snapshot->unit_count; i++) {
        snapshot->units[i] = tally->units.slots[i].sums;
        snapshot->units[i].name = put_name(&at, snapshot->units[i].name);
    }
    snapshot->peer_count = tally->peers.count;
    for (size_t i = 0; i < snapshot->peer_count; i++) {
        snapshot->peers[i] = tally->peers.sums[i];
        snapshot->peers[i].name = put_name(&at, snapshot->peers[i].name);
    }
    for (size_t i = 0; snapshot->has_listeners && i < tally->listeners.count; i++)
        if (tally->listeners.slots[i].sweep == tally->sweep)
            snapshot->listeners[snapshot->listener_count++] = tally->listeners.slots[i].listener;
    qsort(snapshot->listeners, snapshot->listener_count, sizeof(*snapshot->listeners), by_address);
    snapshot->listeners_folded = tally->listeners.folded;
    snapshot->events = tally->events;
    snapshot->remembered = tally->memory.count;
    snapshot->remembered_bytes = ch_memory_bytes(&tally->memory);
    snapshot->not_remembered = tally->not_remembered;
}

struct ch_sockets_snapshot *ch_sockets_snapshot_new(const struct ch_tally *tally,
                                                    const struct ch_sockets_snapshot *proto)
{
    struct box *box = malloc(sizeof(*box));
    struct ch_sockets_snapshot *snapshot;

    if (!box)
        return NULL;
    atomic_init(&box->refs, 1);
    snapshot = &box->snapshot;
    *snapshot = *proto;
    snapshot->unit_count = snapshot->peer_count = snapshot->listener_count = 0;
    box->names = malloc(names_size(tally));
    snapshot->units = calloc(tally->units.slot_count, sizeof(*snapshot->units));
    snapshot->listeners = calloc(tally->listeners.count + 1, sizeof(*snapshot->listeners));
    snapshot->peers = calloc(tally->peers.count + 1, sizeof(*snapshot->peers));
    if (!box->names || !snapshot->units || !snapshot->listeners || !snapshot->peers)
        return ch_sockets_snapshot_unref(snapshot);
    fill(box, tally);
    return snapshot;
}

/* ---- read by somebody, not seen ---------------------------------------- */

struct ch_sockets_snapshot *ch_sockets_snapshot_empty(void)
{
    struct box *box = calloc(1, sizeof(*box));

    if (!box)
        return NULL;
    atomic_init(&box->refs, 1);
    return &box->snapshot;
}

/* Room for one more of a list; it doubles at each power of two. */
static void *grow(void *list, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? realloc(list, (count ? count * 2 : 1) * size) : list;
}

struct ch_unit_sockets *ch_sockets_snapshot_add_unit(struct ch_sockets_snapshot *snapshot,
                                                     const char *name)
{
    struct ch_unit_sockets *units =
        grow(snapshot->units, snapshot->unit_count, sizeof(*snapshot->units));
    char *copy = strdup(name);

    if (units)
        snapshot->units = units;
    if (!units || !copy) {
        free(copy);
        return NULL;
    }
    units += snapshot->unit_count++;
    *units = (struct ch_unit_sockets){.name = copy};
    return units;
}

struct ch_peer_sockets *ch_sockets_snapshot_add_peer(struct ch_sockets_snapshot *snapshot,
                                                     const char *name)
{
    struct ch_peer_sockets *peers =
        grow(snapshot->peers, snapshot->peer_count, sizeof(*snapshot->peers));
    char *copy = strdup(name);

    if (peers)
        snapshot->peers = peers;
    if (!peers || !copy) {
        free(copy);
        return NULL;
    }
    peers += snapshot->peer_count++;
    *peers = (struct ch_peer_sockets){.name = copy};
    return peers;
}

struct ch_listener *ch_sockets_snapshot_add_listener(struct ch_sockets_snapshot *snapshot,
                                                     const struct ch_addr *address)
{
    struct ch_listener *listeners =
        grow(snapshot->listeners, snapshot->listener_count, sizeof(*snapshot->listeners));

    if (!listeners)
        return NULL;
    snapshot->listeners = listeners;
    listeners += snapshot->listener_count++;
    *listeners = (struct ch_listener){.address = *address};
    return listeners;
}
