/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the tally. */
#ifndef CH_SOCKETS_TALLY_PRIVATE_H
#define CH_SOCKETS_TALLY_PRIVATE_H

#include "connhealth/clock.h"
#include "tally.h"

/* Ages are kept in eighths of a second since a year before the start, so that
 * 32 bits hold what began before us and last for seventeen years. */
#define TICK_NS (CH_NS_PER_S / 8)

static inline uint32_t tick_of(const struct ch_tally *tally, int64_t time_ns)
{
    int64_t tick = (time_ns - tally->epoch_ns) / TICK_NS;

    return tick < 1 ? 1 : (uint32_t)tick;
}

static inline int64_t since_tick_ns(const struct ch_tally *tally, uint32_t tick)
{
    int64_t age = tally->now_ns - (tally->epoch_ns + tick * TICK_NS);

    return age > 0 ? age : 0;
}

/* One row on its way through the sums. */
struct sight {
    const struct ch_diag_row *row;
    struct ch_remembered *memory; /* NULL: not remembered */
    struct ch_unit_sockets *unit;
    struct ch_listener *listener; /* its own or its parent; may be NULL */
    enum ch_socket_state state;
    bool fresh; /* memory is of this sweep */
};

/* What is wrong with the connection now (tally_trouble.c). */
void tally_trouble(struct ch_tally *tally, const struct sight *sight);
/* A socket that vanished and did not end. */
void tally_dead(struct ch_tally *tally, const struct ch_remembered *entry);

/* a - b of two readings of a 32-bit counter; 0 if it went back. */
static inline uint32_t counted_since(uint32_t now, uint32_t before)
{
    uint32_t more = now - before;

    return more < UINT32_C(1) << 31 ? more : 0;
}

#endif
