/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a connection while it lives. Each finding is added to its
 * unit and, where it was accepted, to its listener; the worst is kept whole.
 */
#include "tally_private.h"

/* idiag_timer, and what idiag_retrans counts with it: sock_diag(7),
 * net/ipv4/inet_diag.c. */
enum { timer_retransmit = 1, timer_keepalive = 2, timer_window_probe = 4 };

/* Kinds whose worst is the one that is furthest, not the one that is oldest. */
static const bool worst_by_amount[CH_SOCKET_TROUBLE_COUNT] = {
    [CH_SOCKET_TROUBLE_RETRANSMITTING] = true,
    [CH_SOCKET_TROUBLE_SEND_BUFFER_FULL] = true,
    [CH_SOCKET_TROUBLE_KEEPALIVE_UNANSWERED] = true,
};

struct finding {
    enum ch_socket_trouble kind;
    uint32_t limit;
    int64_t amount;
    int64_t age_ns;
};

static bool is_worse(const struct finding *found, const struct ch_socket_trouble_cell *cell)
{
    if (worst_by_amount[found->kind] && found->amount != cell->amount)
        return found->amount > cell->amount;
    return found->age_ns > cell->age_ns;
}

static void add_to(struct ch_socket_trouble_cell *cells, const struct finding *found,
                   const struct ch_diag_row *row)
{
    struct ch_socket_trouble_cell *cell = &cells[found->kind];

    if (cell->sockets++ > 0 && !is_worse(found, cell))
        return;
    cell->limit = found->limit;
    cell->amount = found->amount;
    cell->age_ns = found->age_ns;
    cell->local = row ? ch_diag_local(row->msg) : (struct ch_addr){0};
    cell->remote = row ? ch_diag_remote(row->msg) : (struct ch_addr){0};
}

static void add(const struct sight *sight, const struct finding *found)
{
    add_to(sight->unit->trouble, found, sight->row);
    if (sight->listener)
        add_to(sight->listener->trouble, found, sight->row);
}

static int64_t state_age_ns(const struct ch_tally *tally, const struct sight *sight)
{
    return sight->memory ? since_tick_ns(tally, sight->memory->state_since) : 0;
}

static int64_t last_ack_ns(const struct sight *sight)
{
    return CH_DIAG_INFO(sight->row, tcpi_last_ack_recv) * CH_NS_PER_MS;
}

/* For how long a trouble lasts that this sweep sees: since first_ns, if no sweep
 * before saw it; in no case since before earliest_ns. */
static int64_t trouble_age_ns(const struct ch_tally *tally, const struct sight *sight, bool unacked,
                              int64_t first_ns, int64_t earliest_ns)
{
    struct ch_remembered *memory = sight->memory;

    if (!memory)
        return 0;
    if (memory->trouble_since == 0 || !(memory->flags & CH_REMEMBERED_UNACKED) != !unacked)
        memory->trouble_since = tick_of(tally, first_ns);
    else if (memory->trouble_since < tick_of(tally, earliest_ns))
        memory->trouble_since = tick_of(tally, earliest_ns);
    memory->flags &= (uint8_t)~CH_REMEMBERED_UNACKED;
    memory->flags |= unacked ? CH_REMEMBERED_UNACKED : 0;
    return since_tick_ns(tally, memory->trouble_since);
}

/* The retransmission timer has fired and nothing was acknowledged since. */
static void retransmitting(const struct ch_tally *tally, const struct sight *sight)
{
    /* Not before the last acknowledgement; and at the sweep before, if it saw
     * this socket, the timer had not fired. */
    int64_t last_ack_at_ns = tally->now_ns - last_ack_ns(sight), since_ns = last_ack_at_ns;
    bool seen_well =
        sight->memory && !sight->memory->trouble_since && (!sight->fresh || tally->settled);
    struct finding found = {
        .kind = CH_SOCKET_TROUBLE_RETRANSMITTING,
        .limit = tally->retries,
        .amount = sight->row->msg->idiag_retrans,
    };

    if (seen_well && since_ns < tally->before_ns)
        since_ns = tally->before_ns;
    found.age_ns = trouble_age_ns(tally, sight, true, since_ns, last_ack_at_ns);
    add(sight, &found);
    found.kind = CH_SOCKET_TROUBLE_UNACKNOWLEDGED;
    found.limit = 0;
    found.amount = sight->row->msg->idiag_wqueue;
    add(sight, &found);
}

static void window_closed(const struct ch_tally *tally, const struct sight *sight)
{
    struct finding found = {
        .kind = CH_SOCKET_TROUBLE_ZERO_WINDOW,
        .amount = sight->row->msg->idiag_wqueue,
        .age_ns = trouble_age_ns(tally, sight, false, tally->now_ns, tally->epoch_ns),
    };

    add(sight, &found);
}

/* Established or half closed: what the timers and queues say. */
static void connected(const struct ch_tally *tally, const struct sight *sight)
{
    const struct inet_diag_msg *msg = sight->row->msg;
    bool probing = msg->idiag_timer == timer_window_probe;
    bool shut = CH_DIAG_HAS(sight->row, tcpi_snd_wnd) ? CH_DIAG_INFO(sight->row, tcpi_snd_wnd) == 0
                                                      : probing;
    uint32_t room = ch_diag_skmem(sight->row, SK_MEMINFO_SNDBUF);
    uint32_t queued = ch_diag_skmem(sight->row, SK_MEMINFO_WMEM_QUEUED);
    struct finding found = {.amount = msg->idiag_wqueue};

    if (msg->idiag_timer == timer_retransmit && msg->idiag_retrans > 0)
        retransmitting(tally, sight);
    else if (msg->idiag_wqueue > 0 && shut)
        window_closed(tally, sight);
    else if (sight->memory)
        sight->memory->trouble_since = 0;

    /* sk_stream_is_writeable(): poll(2)'s rule, by which a writer that had to
     * wait is not woken before a third is free. */
    if (queued > 0 && (room < queued || room - queued < queued / 2)) {
        found.kind = CH_SOCKET_TROUBLE_SEND_BUFFER_FULL;
        found.age_ns = sight->memory && sight->memory->trouble_since
                           ? since_tick_ns(tally, sight->memory->trouble_since)
                           : 0;
        add(sight, &found);
    }
    if (msg->idiag_timer == timer_keepalive && msg->idiag_retrans > 0) {
        found.kind = CH_SOCKET_TROUBLE_KEEPALIVE_UNANSWERED;
        found.amount = msg->idiag_retrans;
        found.age_ns = last_ack_ns(sight);
        add(sight, &found);
    }
}

static void waiting(const struct ch_tally *tally, const struct sight *sight,
                    enum ch_socket_trouble kind, int64_t amount, uint32_t limit)
{
    struct finding found = {
        .kind = kind,
        .amount = amount,
        .limit = limit,
        .age_ns = state_age_ns(tally, sight),
    };

    add(sight, &found);
}

static void closing(const struct ch_tally *tally, const struct sight *sight)
{
    if (sight->state == CH_SOCKET_FIN_WAIT2)
        waiting(tally, sight, CH_SOCKET_TROUBLE_FIN_WAIT2, 1, 0);
    /* No inode: no owner. */
    if (sight->row->info && sight->row->msg->idiag_inode == 0)
        waiting(tally, sight, CH_SOCKET_TROUBLE_ORPHAN, sight->row->msg->idiag_wqueue, 0);
    if (sight->row->info && sight->state != CH_SOCKET_FIN_WAIT2)
        connected(tally, sight);
}

void tally_trouble(struct ch_tally *tally, const struct sight *sight)
{
    const struct inet_diag_msg *msg = sight->row->msg;

    switch (sight->state) {
    case CH_SOCKET_ESTABLISHED:
        if (msg->idiag_wqueue == 0 && msg->idiag_retrans == 0) { /* nearly all */
            if (sight->memory)
                sight->memory->trouble_since = 0;
            return;
        }
        connected(tally, sight);
        break;
    case CH_SOCKET_CLOSE_WAIT:
        waiting(tally, sight, CH_SOCKET_TROUBLE_CLOSE_WAIT, 1, 0);
        sight->unit->close_wait_oldest_ns =
            sight->unit->trouble[CH_SOCKET_TROUBLE_CLOSE_WAIT].age_ns;
        connected(tally, sight);
        break;
    case CH_SOCKET_SYN_SENT:
        waiting(tally, sight, CH_SOCKET_TROUBLE_SYN_SENT, msg->idiag_retrans, tally->syn_retries);
        break;
    case CH_SOCKET_FIN_WAIT1:
    case CH_SOCKET_FIN_WAIT2:
    case CH_SOCKET_CLOSING:
    case CH_SOCKET_LAST_ACK:
        closing(tally, sight);
        break;
    case CH_SOCKET_CLOSE:
        if (sight->memory && sight->memory->flags & CH_REMEMBERED_DEAD)
            tally_dead(tally, sight->memory);
        break;
    default:
        break;
    }
}

void tally_dead(struct ch_tally *tally, const struct ch_remembered *entry)
{
    struct finding found = {
        .kind = CH_SOCKET_TROUBLE_DEAD,
        .amount = 1,
        .age_ns = since_tick_ns(tally, entry->trouble_since),
    };

    add_to(ch_units_sums(&tally->units, entry->unit)->trouble, &found, NULL);
}
