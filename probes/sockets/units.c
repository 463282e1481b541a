/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"

enum { unresolved = 0xffff, slots_max = 0xfff0 };

static const int64_t scan_gap_min_ns = CH_NS_PER_S;
static const int64_t scan_gap_factor = 50; /* one part in fifty: two percent */
static const int64_t slot_idle_ns = 600 * CH_NS_PER_S;

static int add_slot(struct ch_units *units, const char *name)
{
    struct ch_unit_slot *slots = realloc(units->slots, (units->slot_count + 1) * sizeof(*slots));
    char *copy = strdup(name);

    if (slots)
        units->slots = slots;
    if (!slots || !copy) {
        free(copy);
        return -ENOMEM;
    }
    slots[units->slot_count++] = (struct ch_unit_slot){.sums = {.name = copy}};
    return 0;
}

int ch_units_init(struct ch_units *units)
{
    *units = (struct ch_units){0};
    if (add_slot(units, "") < 0 || add_slot(units, "other") < 0) {
        ch_units_clear(units);
        return -ENOMEM;
    }
    return 0;
}

void ch_units_clear(struct ch_units *units)
{
    for (size_t i = 0; i < units->slot_count; i++)
        free((char *)units->slots[i].sums.name);
    free(units->slots);
    free(units->entries);
    free(units->names);
    *units = (struct ch_units){0};
}

void ch_units_configure(struct ch_units *units, bool enabled, uint32_t limit)
{
    units->enabled = enabled;
    units->limit = limit < slots_max ? limit : slots_max;
    memset(units->recent, 0, sizeof(units->recent));
    for (size_t i = 0; i < units->entry_count; i++) /* those folded may have room now */
        if (units->entries[i].slot == CH_UNIT_OTHER)
            units->entries[i].slot = unresolved;
}

/* ---- the map ----------------------------------------------------------- */

/* A map in the making. */
struct map {
    struct ch_cgroup_entry *entries;
    size_t count, room;
    char *names;
    size_t names_len, names_room;
    size_t last_name; /* neighbours in the tree mostly belong to one unit */
};

static int map_name(struct map *map, const char *name, uint32_t *ret)
{
    size_t len = strlen(name) + 1;

    if (map->names && strcmp(map->names + map->last_name, name) == 0) {
        *ret = (uint32_t)map->last_name;
        return 0;
    }
    if (!map->names || map->names_len + len > map->names_room) {
        size_t room = map->names_room * 2 + 4096;
        char *names = realloc(map->names, room);

        if (!names)
            return -ENOMEM;
        map->names = names;
        map->names_room = room;
    }
    memcpy(map->names + map->names_len, name, len);
    map->last_name = map->names_len;
    map->names_len += len;
    *ret = (uint32_t)map->last_name;
    return 0;
}

static int map_add(struct map *map, const struct ch_cgroup_entry *entry, const char *name)
{
    uint32_t offset;

    if (!map->entries || map->count == map->room) {
        size_t room = map->room * 2 + 64;
        struct ch_cgroup_entry *entries = realloc(map->entries, room * sizeof(*entries));

        if (!entries)
            return -ENOMEM;
        map->entries = entries;
        map->room = room;
    }
    if (map_name(map, name, &offset) < 0)
        return -ENOMEM;
    map->entries[map->count] = *entry;
    map->entries[map->count++].name = offset;
    return 0;
}

static int on_cgroup(uint64_t id, const char *path, void *arg)
{
    char name[CH_UNIT_NAME];
    struct ch_cgroup_entry entry = {.id = id, .slot = unresolved};

    ch_unit_of_path(path, name);
    return map_add(arg, &entry, name);
}

static int by_id(const void *a, const void *b)
{
    const struct ch_cgroup_entry *left = a, *right = b;

    return left->id < right->id ? -1 : left->id > right->id;
}

static struct ch_cgroup_entry *entry_of(struct ch_cgroup_entry *entries, size_t count, uint64_t id)
{
    struct ch_cgroup_entry key = {.id = id};

    return count ? bsearch(&key, entries, count, sizeof(key), by_id) : NULL;
}

/* Takes over what the old map knew: the slots of cgroups that are still there,
 * and cgroups that are gone while sockets of theirs live on. */
static int map_inherit(struct map *map, const struct ch_units *units)
{
    size_t fresh = map->count;

    for (size_t i = 0; i < units->entry_count; i++) {
        const struct ch_cgroup_entry *old = &units->entries[i];
        struct ch_cgroup_entry *same = entry_of(map->entries, fresh, old->id);

        if (same) {
            same->slot = old->slot;
            same->used = old->used;
        } else if (units->sweep - old->used <= 1 &&
                   map_add(map, old, units->names + old->name) < 0) {
            return -ENOMEM;
        }
    }
    if (map->count > fresh)
        qsort(map->entries, map->count, sizeof(*map->entries), by_id);
    return 0;
}

static void scan(struct ch_units *units)
{
    char found[PATH_MAX];
    const char *mount = units->mount;
    struct map map = {0};
    struct ch_cgroup_scan walk = {.on_cgroup = on_cgroup, .arg = &map};
    int64_t begin = ch_clock_monotonic(), took;
    int r = 0;

    units->limits = 0;
    if (mount[0] == '\0') {
        r = ch_cgroup_mount(found, sizeof(found));
        mount = found;
    }
    if (r == 0)
        r = ch_cgroup_walk(mount, &walk);
    if (map.entries && (r == 0 || r == -E2BIG)) {
        qsort(map.entries, map.count, sizeof(*map.entries), by_id);
        r = map_inherit(&map, units);
    }
    if (r == 0) {
        free(units->entries);
        free(units->names);
        units->entries = map.entries;
        units->entry_count = map.count;
        units->names = map.names;
        units->names_len = map.names_len;
    } else {
        free(map.entries);
        free(map.names);
        units->limits |= CH_SOCKETS_LIMIT(CGROUP_MOUNT);
    }
    if (walk.denied)
        units->limits |= CH_SOCKETS_LIMIT(CGROUP_READ);
    took = ch_clock_monotonic() - begin;
    units->next_scan_ns = begin + (took * scan_gap_factor > scan_gap_min_ns ? took * scan_gap_factor
                                                                            : scan_gap_min_ns);
}

/* ---- slots ------------------------------------------------------------- */

static void release_slot(struct ch_units *units, uint16_t slot)
{
    struct ch_unit_slot *old = &units->slots[slot];

    for (size_t i = 0; i < units->entry_count; i++)
        if (units->entries[i].slot == slot)
            units->entries[i].slot = unresolved;
    free((char *)old->sums.name);
    *old = (struct ch_unit_slot){0};
}

/* A slot for a name that has none: a free one, a new one, or that of the unit
 * that has been without sockets for longest. */
static uint16_t claim_slot(struct ch_units *units, const char *name)
{
    uint16_t oldest = CH_UNIT_OTHER;
    int64_t oldest_ns = ch_clock_monotonic() - slot_idle_ns;

    for (size_t i = CH_UNIT_FIRST; i < units->slot_count; i++) {
        struct ch_unit_slot *slot = &units->slots[i];

        if (slot->idle_since_ns != 0 && slot->idle_since_ns <= oldest_ns) {
            oldest = (uint16_t)i;
            oldest_ns = slot->idle_since_ns;
        }
    }
    if (units->slot_count - CH_UNIT_FIRST < units->limit)
        return add_slot(units, name) < 0 ? CH_UNIT_OTHER : (uint16_t)(units->slot_count - 1);
    if (oldest != CH_UNIT_OTHER) {
        char *copy = strdup(name);

        if (!copy)
            return CH_UNIT_OTHER;
        release_slot(units, oldest);
        units->slots[oldest].sums.name = copy;
    }
    return oldest;
}

uint16_t ch_units_named(struct ch_units *units, const char *name)
{
    for (size_t i = CH_UNIT_UNKNOWN; i < units->slot_count; i++)
        if (strcmp(units->slots[i].sums.name, name) == 0)
            return (uint16_t)i;
    return claim_slot(units, name);
}

static uint16_t look_up(struct ch_units *units, uint64_t cgroup)
{
    struct ch_cgroup_entry *entry = entry_of(units->entries, units->entry_count, cgroup);

    if (!entry && ch_clock_monotonic() >= units->next_scan_ns) {
        scan(units);
        entry = entry_of(units->entries, units->entry_count, cgroup);
    }
    if (!entry)
        return CH_UNIT_UNKNOWN;
    entry->used = units->sweep;
    if (entry->slot == unresolved)
        entry->slot = ch_units_named(units, units->names + entry->name);
    units->slots[entry->slot].idle_since_ns = 0; /* nobody may claim it now */
    return entry->slot;
}

uint16_t ch_units_slot(struct ch_units *units, uint64_t cgroup)
{
    /* Ids are a generation above a small serial number. */
    size_t place = (cgroup ^ cgroup >> 32) % (sizeof(units->recent) / sizeof(units->recent[0]));
    uint16_t slot;

    if (!units->enabled || cgroup == 0)
        return CH_UNIT_UNKNOWN;
    if (units->recent[place].id == cgroup)
        return units->recent[place].slot;
    slot = look_up(units, cgroup);
    units->recent[place].id = cgroup;
    units->recent[place].slot = slot;
    return slot;
}

void ch_units_sweep_begin(struct ch_units *units, uint32_t sweep)
{
    units->sweep = sweep;
    memset(units->recent, 0, sizeof(units->recent));
    for (size_t i = 0; i < units->slot_count; i++) {
        struct ch_unit_sockets *sums = &units->slots[i].sums;

        units->slots[i].remembered = 0;
        memset(sums->sockets, 0, sizeof(sums->sockets));
        memset(sums->trouble, 0, sizeof(sums->trouble));
        sums->send_queue_bytes = 0;
        sums->receive_queue_bytes = 0;
        sums->close_wait_oldest_ns = 0;
    }
    /* A folded unit gets a slot of its own as soon as there is one. */
    for (size_t i = 0; i < units->entry_count; i++)
        if (units->entries[i].slot == CH_UNIT_OTHER)
            units->entries[i].slot = unresolved;
}

void ch_units_sweep_end(struct ch_units *units, int64_t now_ns)
{
    for (size_t i = CH_UNIT_FIRST; i < units->slot_count; i++) {
        struct ch_unit_slot *slot = &units->slots[i];
        uint64_t sockets = slot->remembered;

        for (unsigned state = 0; state < CH_SOCKET_STATE_COUNT; state++)
            sockets += slot->sums.sockets[state];
        if (sockets > 0)
            slot->idle_since_ns = 0;
        else if (slot->idle_since_ns == 0)
            slot->idle_since_ns = now_ns;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

uint64_t ch_units_folded(const struct ch_units *units)
{
    const char **names = calloc(units->entry_count + 1, sizeof(*names));
    size_t count = 0;
    uint64_t folded = 0;

    if (!names)
        return 0;
    for (size_t i = 0; i < units->entry_count; i++)
        if (units->entries[i].slot == CH_UNIT_OTHER && units->entries[i].used == units->sweep)
            names[count++] = units->names + units->entries[i].name;
    qsort(names, count, sizeof(*names), by_text);
    for (size_t i = 0; i < count; i++)
        folded += i == 0 || strcmp(names[i], names[i - 1]) != 0;
    free(names);
    return folded;
}
