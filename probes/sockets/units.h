/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From cgroup id to a unit's slot, and the sums of each slot. Slot 0 is the unit
 * that is not known (""), slot 1 sums all units beyond the limit ("other"), the
 * others are units by name. A unit takes a slot when its first socket is seen,
 * and gives it back when the slot is wanted and it has had no socket for long.
 *
 * The map from id to unit is read from the cgroup tree, and read again when an
 * id is met that it does not have, but never so often that it costs more than
 * two percent of a CPU.
 *
 * Owned by the collector's thread.
 */
#ifndef CH_SOCKETS_UNITS_H
#define CH_SOCKETS_UNITS_H

#include <limits.h>

#include "cgroup.h"
#include "connhealth/sockets.h"

enum { CH_UNIT_UNKNOWN = 0, CH_UNIT_OTHER = 1, CH_UNIT_FIRST = 2 };

struct ch_cgroup_entry {
    uint64_t id;
    uint32_t name; /* offset into names */
    uint32_t used; /* sweep of its last use */
    uint16_t slot; /* CH_UNIT_UNRESOLVED until its first use */
};

struct ch_unit_slot {
    struct ch_unit_sockets sums;
    uint32_t remembered;   /* sockets whose memory points here */
    int64_t idle_since_ns; /* monotonic; 0: not idle */
};

struct ch_units {
    bool enabled;
    uint32_t limit;
    uint32_t sweep;
    uint32_t limits; /* CH_SOCKETS_LIMIT bits of the last scan */

    struct ch_unit_slot *slots;
    size_t slot_count;

    struct ch_cgroup_entry *entries; /* sorted by id */
    size_t entry_count;
    char *names; /* NUL-terminated, one after the other */
    size_t names_len;

    int64_t next_scan_ns;
    struct { /* of this sweep: most lookups end here */
        uint64_t id;
        uint16_t slot;
    } recent[256];
    char mount[PATH_MAX]; /* for tests; "": found by type */
};

int ch_units_init(struct ch_units *units); /* 0 or -ENOMEM */
void ch_units_clear(struct ch_units *units);
/* enabled false: every id is slot 0 from now on. */
void ch_units_configure(struct ch_units *units, bool enabled, uint32_t limit);

/* Resets the gauges. */
void ch_units_sweep_begin(struct ch_units *units, uint32_t sweep);
/* After the memory was sifted: sees which slots are idle. */
void ch_units_sweep_end(struct ch_units *units, int64_t now_ns);

/* The unit of this name, as if a socket of it were seen; "" and "other" as well. */
uint16_t ch_units_named(struct ch_units *units, const char *name);
/* id 0 (the kernel gave none) is slot 0. */
uint16_t ch_units_slot(struct ch_units *units, uint64_t cgroup);
static inline struct ch_unit_sockets *ch_units_sums(struct ch_units *units, uint16_t slot)
{
    return &units->slots[slot].sums;
}
/* Units without a slot of their own that had sockets in this sweep. */
uint64_t ch_units_folded(const struct ch_units *units);

#endif
