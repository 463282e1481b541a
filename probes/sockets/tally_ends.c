/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends: records of destroyed sockets, joined with what is remembered of them,
 * and the end of a sweep, when sockets that went without a record are noticed.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "ends.h"
#include "tally_private.h"

static void count_end(struct ch_tally *tally, uint16_t unit, enum ch_socket_end end,
                      uint32_t retransmitted)
{
    struct ch_unit_sockets *sums = ch_units_sums(&tally->units, unit);

    sums->ends[end]++;
    sums->retransmitted_segments += retransmitted;
}

/* ---- ends of sockets that no sweep saw --------------------------------- */

static uint16_t port_of(const struct ch_diag_row *row)
{
    return ntohs(row->msg->id.idiag_sport);
}

static struct ch_listener *parent_of(struct ch_tally *tally, const struct ch_addr *local)
{
    uint16_t found = ch_listeners_match(&tally->listeners, local);

    return found == CH_LISTENER_NONE ? NULL : &tally->listeners.slots[found].listener;
}

static bool was_unbound(const struct ch_tally *tally, uint16_t port)
{
    return tally->unbound_ports[port / 8] >> (port % 8) & 1;
}

/* Who it was, once the listeners are known: a child of the listener on its port;
 * else it connected by itself, unless a socket that may have been a listener on
 * that port has come and gone since the last sweep. */
static void settle(struct ch_tally *tally, const struct ch_pending_end *end)
{
    const struct ch_listener *parent = parent_of(tally, &end->local);

    if (parent)
        count_end(tally, (uint16_t)parent->unit, end->as_passive, end->retransmitted);
    else if (end->as_active == end->as_passive || !was_unbound(tally, end->local.port))
        count_end(tally, CH_UNIT_UNKNOWN, end->as_active, end->retransmitted);
    else
        count_end(tally, CH_UNIT_UNKNOWN, CH_SOCKET_END_UNKNOWN, end->retransmitted);
}

static bool keep_pending(struct ch_tally *tally, const struct ch_pending_end *end)
{
    if (tally->pending_count == CH_PENDING_ENDS_MAX)
        return false;
    if (tally->pending_count == tally->pending_room) {
        size_t room = tally->pending_room * 2 + 256;
        struct ch_pending_end *pending = realloc(tally->pending, room * sizeof(*pending));

        if (!pending)
            return false;
        tally->pending = pending;
        tally->pending_room = room;
    }
    tally->pending[tally->pending_count++] = *end;
    return true;
}

static void settle_pending(struct ch_tally *tally)
{
    for (size_t i = 0; i < tally->pending_count; i++)
        settle(tally, &tally->pending[i]);
    free(tally->pending);
    tally->pending = NULL;
    tally->pending_count = tally->pending_room = 0;
    memset(tally->unbound_ports, 0, sizeof(tally->unbound_ports));
}

static void end_of_stranger(struct ch_tally *tally, const struct ch_diag_row *row,
                            const struct ch_end_context *context)
{
    struct ch_pending_end end = {
        .local = ch_diag_local(row->msg),
        .as_active = (uint8_t)ch_end_of(row, CH_ROLE_ACTIVE, context),
        .as_passive = (uint8_t)ch_end_of(row, CH_ROLE_PASSIVE, context),
        /* Before the first whole sweep it may be older than we are. */
        .retransmitted = tally->settled ? CH_DIAG_INFO(row, tcpi_total_retrans) : 0,
    };

    if (parent_of(tally, &end.local))
        settle(tally, &end);
    else if (!keep_pending(tally, &end))
        count_end(tally, CH_UNIT_UNKNOWN,
                  end.as_active == end.as_passive ? end.as_active : CH_SOCKET_END_UNKNOWN,
                  end.retransmitted);
}

/* ---- ends of sockets that are remembered ------------------------------- */

static struct ch_end_context context_of(const struct ch_tally *tally,
                                        const struct ch_remembered *memory, int64_t now_ns)
{
    struct ch_end_context context = {.known = true};
    int64_t seen_ns = INT64_MIN / 2; /* longer ago than can be told: proves nothing */

    if (memory->flags & CH_REMEMBERED_DEAD)
        seen_ns = tally->epoch_ns + (int64_t)memory->trouble_since * TICK_NS;
    else if (memory->sweep == (uint8_t)tally->sweep)
        seen_ns = tally->now_ns;
    else if (memory->sweep == (uint8_t)(tally->sweep - 1) && tally->before_ns)
        seen_ns = tally->before_ns;
    context.state = memory->state;
    context.segs_in = memory->segs_in;
    context.seen_ago_ns = now_ns - seen_ns;
    return context;
}

static void end_of_remembered(struct ch_tally *tally, const struct ch_diag_row *row,
                              const struct ch_remembered *memory,
                              const struct ch_end_context *context)
{
    enum ch_role role = memory->flags & CH_REMEMBERED_ROLE;
    bool wiped = row->msg->id.idiag_dport == 0;
    uint32_t retransmitted =
        wiped || !row->info ? 0
                            : counted_since(CH_DIAG_INFO(row, tcpi_total_retrans), memory->count);

    if (role == CH_ROLE_UNKNOWN) {
        /* The sweep that saw it has seen its listener, if it had one. */
        struct ch_addr local = ch_diag_local(row->msg);

        role = parent_of(tally, &local) ? CH_ROLE_PASSIVE : CH_ROLE_ACTIVE;
    }
    count_end(tally, memory->unit, ch_end_of(row, role, context), retransmitted);
    /* An index is of the present peers: configuring forgets it. */
    if (memory->peer >= CH_PEER_FIRST)
        tally->peers.sums[memory->peer - CH_PEER_FIRST].retransmitted_segments += retransmitted;
}

/* Nothing more will be heard of this cookie, but for a row that a dump in
 * progress had read before. */
static void forget(struct ch_tally *tally, struct ch_remembered *memory, uint64_t cookie)
{
    bool fresh;

    if (!tally->sweeping || (memory && memory->sweep == (uint8_t)tally->sweep)) {
        if (memory)
            ch_memory_remove(&tally->memory, memory);
        return;
    }
    memory = ch_memory_touch(&tally->memory, cookie, &fresh);
    if (memory)
        memory->flags |= CH_REMEMBERED_ENDED;
}

static void tally_end(struct ch_tally *tally, const struct ch_diag_row *row, int64_t now_ns)
{
    struct ch_remembered *memory = ch_memory_find(&tally->memory, row->cookie);
    struct ch_end_context context = {0};

    tally->events++;
    if (memory)
        context = context_of(tally, memory, now_ns);
    if (!ch_end_is_connection(row, &context)) {
        tally->unbound_ports[port_of(row) / 8] |= (uint8_t)(1U << (port_of(row) % 8));
        forget(tally, memory, row->cookie);
        return;
    }
    if (memory)
        end_of_remembered(tally, row, memory, &context);
    else
        end_of_stranger(tally, row, &context);
    forget(tally, memory, row->cookie);
}

void ch_tally_ends(struct ch_tally *tally, const struct ch_diag_row *rows, size_t count,
                   int64_t now_ns)
{
    for (size_t i = 0; i < count; i++)
        tally_end(tally, &rows[i], now_ns);
}

/* ---- the end of a sweep ------------------------------------------------ */

struct sifting {
    struct ch_tally *tally;
    bool whole;
    bool forget;
};

/* A socket the sweep did not see. That its end was not told either means that
 * it is dead and its owner holds on to it; once may be a dump that missed it.
 * After a lost record it cannot be known. */
static bool keep_missed(struct ch_tally *tally, struct ch_remembered *entry)
{
    if (entry->state == CH_SOCKET_LISTEN || entry->missed == UINT8_MAX)
        return false;
    if (entry->missed++ == 0 && !(entry->flags & CH_REMEMBERED_DEAD)) {
        entry->flags |= CH_REMEMBERED_DEAD;
        entry->trouble_since = tick_of(tally, tally->before_ns);
    } else {
        tally_dead(tally, entry);
    }
    return true;
}

static bool keep(struct ch_remembered *entry, void *arg)
{
    const struct sifting *sifting = arg;
    struct ch_tally *tally = sifting->tally;

    if (entry->flags & CH_REMEMBERED_ENDED)
        return false;
    if (entry->sweep != (uint8_t)tally->sweep && sifting->whole &&
        (sifting->forget || !keep_missed(tally, entry)))
        return false;
    tally->units.slots[entry->unit].remembered++;
    return true;
}

void ch_tally_sweep_end(struct ch_tally *tally, bool whole, bool forget_missed)
{
    struct sifting sifting = {.tally = tally, .whole = whole, .forget = forget_missed};

    tally->sweeping = false;
    if (whole) {
        ch_listeners_sweep_end(&tally->listeners, tally->sweep);
        settle_pending(tally);
        tally->settled = true;
    }
    ch_memory_sift(&tally->memory, keep, &sifting);
    ch_units_sweep_end(&tally->units, tally->now_ns);
}
