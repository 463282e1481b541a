/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "ends.h"
#include "tally_private.h"

enum { timer_timewait = 3 }; /* idiag_timer of mini-sockets; sock_diag(7) */

static const int64_t year_ns = 366 * 24 * 3600 * CH_NS_PER_S;

const int64_t ch_rtt_bounds_ns[CH_RTT_BUCKETS - 1] = {
    100 * CH_NS_PER_US, 500 * CH_NS_PER_US, CH_NS_PER_MS,      5 * CH_NS_PER_MS,
    10 * CH_NS_PER_MS,  25 * CH_NS_PER_MS,  50 * CH_NS_PER_MS, 100 * CH_NS_PER_MS,
    250 * CH_NS_PER_MS, CH_NS_PER_S,
};

int ch_tally_init(struct ch_tally *tally, int64_t now_ns)
{
    int r;

    memset(tally, 0, sizeof(*tally)); /* too large for a temporary */
    tally->epoch_ns = now_ns - year_ns;
    tally->now_ns = now_ns;
    ch_listeners_init(&tally->listeners);
    r = ch_memory_init(&tally->memory);
    if (r == 0)
        r = ch_units_init(&tally->units);
    if (r < 0)
        ch_tally_clear(tally);
    return r;
}

void ch_tally_clear(struct ch_tally *tally)
{
    ch_memory_clear(&tally->memory);
    ch_units_clear(&tally->units);
    ch_listeners_clear(&tally->listeners);
    ch_peers_clear(&tally->peers);
    free(tally->pending);
    tally->pending = NULL;
    tally->pending_count = tally->pending_room = 0;
}

static bool forget_peer(struct ch_remembered *entry, void *arg)
{
    (void)arg;
    entry->peer = CH_PEER_NOT_ASKED;
    return true;
}

int ch_tally_configure(struct ch_tally *tally, const struct ch_sockets_settings *settings)
{
    int r = ch_peers_configure(&tally->peers, settings->peers, settings->peer_count);

    if (r < 0)
        return r;
    ch_memory_sift(&tally->memory, forget_peer, NULL);
    ch_units_configure(&tally->units, settings->units, settings->unit_limit);
    tally->interval_ns = settings->interval_ns;
    return 0;
}

static void add_histogram(struct ch_rtt_histogram *to, const struct ch_rtt_histogram *from)
{
    for (size_t i = 0; i < CH_RTT_BUCKETS; i++)
        to->bucket[i] += from->bucket[i];
    to->sum_us += from->sum_us;
}

static void resume_unit(struct ch_tally *tally, const struct ch_unit_sockets *before)
{
    struct ch_unit_sockets *unit =
        ch_units_sums(&tally->units, ch_units_named(&tally->units, before->name));

    unit->retransmitted_segments += before->retransmitted_segments;
    add_histogram(&unit->rtt, &before->rtt);
    for (size_t i = 0; i < CH_SOCKET_END_COUNT; i++)
        unit->ends[i] += before->ends[i];
}

static void resume_peer(struct ch_tally *tally, const struct ch_peer_sockets *before)
{
    for (size_t i = 0; i < tally->peers.count; i++) {
        struct ch_peer_sockets *peer = &tally->peers.sums[i];

        if (strcmp(peer->name, before->name) != 0)
            continue;
        peer->retransmitted_segments += before->retransmitted_segments;
        add_histogram(&peer->rtt, &before->rtt);
    }
}

void ch_tally_resume(struct ch_tally *tally, const struct ch_sockets_snapshot *before)
{
    for (size_t i = 0; i < before->unit_count; i++)
        resume_unit(tally, &before->units[i]);
    for (size_t i = 0; i < before->peer_count; i++)
        resume_peer(tally, &before->peers[i]);
    for (size_t i = 0; i < before->listener_count; i++) {
        struct ch_listener_slot *slot =
            ch_listeners_touch(&tally->listeners, &before->listeners[i].address, tally->sweep);

        if (slot)
            slot->drops_before = before->listeners[i].drops;
    }
    tally->events += before->events;
}

void ch_tally_sweep_begin(struct ch_tally *tally, int64_t now_ns)
{
    tally->sweep++;
    tally->sweeping = true;
    tally->before_ns = tally->sweep > 1 ? tally->now_ns : 0;
    tally->now_ns = now_ns;
    tally->not_remembered = 0;
    tally->saw_cgroup = tally->lacked_cgroup = tally->lacked_info = false;
    memset(tally->sockets, 0, sizeof(tally->sockets));
    ch_memory_sweep_begin(&tally->memory);
    ch_units_sweep_begin(&tally->units, tally->sweep);
    ch_listeners_sweep_begin(&tally->listeners);
    ch_peers_sweep_begin(&tally->peers);
}

/* ---- one row ----------------------------------------------------------- */

static void count_family(struct ch_tally *tally, const struct ch_diag_row *row,
                         enum ch_socket_protocol protocol, enum ch_socket_state state)
{
    enum ch_socket_family family =
        ch_diag_family(row->msg) == AF_INET ? CH_SOCKET_IPV4 : CH_SOCKET_IPV6;

    tally->sockets[family][protocol][state]++;
}

static void tally_udp(struct ch_tally *tally, const struct ch_diag_row *row)
{
    enum ch_socket_state state;
    struct ch_unit_sockets *unit;

    if (!ch_diag_state(IPPROTO_UDP, row->msg->idiag_state, &state))
        return;
    count_family(tally, row, CH_SOCKET_UDP, state);
    unit = ch_units_sums(&tally->units, ch_units_slot(&tally->units, row->cgroup));
    unit->sockets[state]++;
    unit->send_queue_bytes += row->msg->idiag_wqueue;
    unit->receive_queue_bytes += row->msg->idiag_rqueue;
}

/* What is left of a connection in TIME_WAIT, in FIN_WAIT2 without an owner, or
 * not yet made: the kernel knows no owner, and nothing is remembered of it. */
static bool is_mini(const struct ch_diag_row *row, enum ch_socket_state state)
{
    return state == CH_SOCKET_TIME_WAIT || state == CH_SOCKET_SYN_RECV ||
           (state == CH_SOCKET_FIN_WAIT2 && row->msg->idiag_timer == timer_timewait);
}

/* False: the row is not to be counted (it came twice, or its socket has ended). */
static bool remember(struct ch_tally *tally, struct sight *sight)
{
    const struct ch_diag_row *row = sight->row;
    struct ch_remembered *memory;

    if (is_mini(row, sight->state))
        return true;
    /* A socket that is only bound has nothing to remember, but one that was
     * bound by hand comes back as such when its connection is dead. */
    memory = sight->state == CH_SOCKET_CLOSE
                 ? ch_memory_find(&tally->memory, row->cookie)
                 : ch_memory_touch(&tally->memory, row->cookie, &sight->fresh);
    sight->memory = memory;
    if (!memory) {
        tally->not_remembered += sight->state != CH_SOCKET_CLOSE;
        return true;
    }
    if (memory->flags & CH_REMEMBERED_ENDED)
        return false;
    if (!sight->fresh && memory->sweep == (uint8_t)tally->sweep)
        return false;
    memory->sweep = (uint8_t)tally->sweep;
    memory->missed = 0;
    return true;
}

static void set_state(struct ch_tally *tally, const struct sight *sight)
{
    struct ch_remembered *memory = sight->memory;
    int64_t since_ns = tally->now_ns;

    if (!sight->fresh && memory->state == sight->state)
        return;
    /* The peer's FIN was an acknowledgement too: it came no later than the last. */
    if (sight->state == CH_SOCKET_CLOSE_WAIT && sight->row->info)
        since_ns -= CH_DIAG_INFO(sight->row, tcpi_last_ack_recv) * CH_NS_PER_MS;
    if (since_ns < tally->before_ns && (!sight->fresh || tally->settled))
        since_ns = tally->before_ns;
    memory->state = (uint8_t)sight->state;
    memory->state_since = tick_of(tally, since_ns);
    memory->trouble_since = 0;
}

static void mark_dead(struct ch_tally *tally, struct ch_remembered *memory)
{
    if (memory->flags & CH_REMEMBERED_DEAD || memory->state == CH_SOCKET_LISTEN)
        return;
    memory->flags |= CH_REMEMBERED_DEAD;
    memory->trouble_since = tick_of(tally, tally->before_ns);
}

static void update_memory(struct ch_tally *tally, const struct sight *sight)
{
    struct ch_remembered *memory = sight->memory;
    const struct ch_diag_row *row = sight->row;

    if (sight->state == CH_SOCKET_CLOSE) {
        mark_dead(tally, memory);
        return;
    }
    if (memory->flags & CH_REMEMBERED_DEAD) { /* a dump had left it out */
        memory->flags &= (uint8_t)~CH_REMEMBERED_DEAD;
        memory->trouble_since = 0;
    }
    set_state(tally, sight);
    if (!row->info)
        return;
    memory->segs_in = CH_DIAG_INFO(row, tcpi_segs_in);
    if ((memory->flags & CH_REMEMBERED_ROLE) == CH_ROLE_UNKNOWN)
        memory->flags |=
            (uint8_t)(sight->state == CH_SOCKET_SYN_SENT ? CH_ROLE_ACTIVE : ch_end_role(row));
}

static void tally_listener(struct ch_tally *tally, struct sight *sight, uint16_t unit)
{
    const struct inet_diag_msg *msg = sight->row->msg;
    struct ch_addr address = ch_diag_local(msg);
    struct ch_listener_slot *slot = ch_listeners_touch(&tally->listeners, &address, tally->sweep);
    struct ch_listener *listener;
    uint32_t drops = ch_diag_skmem(sight->row, SK_MEMINFO_DROPS);

    if (!slot)
        return;
    listener = sight->listener = &slot->listener;
    if (listener->sockets++ == 0)
        listener->unit = unit;
    listener->backlog += msg->idiag_rqueue;
    listener->limit += msg->idiag_wqueue;
    if ((uint64_t)msg->idiag_rqueue * listener->fullest_limit >=
        (uint64_t)listener->fullest * msg->idiag_wqueue) {
        listener->fullest = msg->idiag_rqueue;
        listener->fullest_limit = msg->idiag_wqueue;
    }
    if (sight->memory) {
        listener->drops += sight->fresh ? drops : counted_since(drops, sight->memory->count);
        sight->memory->count = drops;
    }
}

static struct ch_listener *listener_of(struct ch_tally *tally, const struct sight *sight)
{
    const struct inet_diag_msg *msg = sight->row->msg;
    struct ch_addr local;
    uint16_t found;

    if (tally->listeners.first[ntohs(msg->id.idiag_sport)] == CH_LISTENER_NONE ||
        (sight->memory && (sight->memory->flags & CH_REMEMBERED_ROLE) == CH_ROLE_ACTIVE))
        return NULL;
    local = ch_diag_local(msg);
    found = ch_listeners_match(&tally->listeners, &local);
    return found == CH_LISTENER_NONE ? NULL : &tally->listeners.slots[found].listener;
}

static struct ch_peer_sockets *peer_of(struct ch_tally *tally, const struct sight *sight)
{
    uint16_t peer = sight->memory ? sight->memory->peer : CH_PEER_NOT_ASKED;

    if (tally->peers.count == 0 || sight->state == CH_SOCKET_LISTEN ||
        sight->state == CH_SOCKET_CLOSE)
        return NULL;
    if (peer == CH_PEER_NOT_ASKED) {
        struct ch_addr remote = ch_diag_remote(sight->row->msg);

        peer = ch_peers_match(&tally->peers, &remote);
        if (sight->memory)
            sight->memory->peer = peer;
    }
    return peer == CH_PEER_NONE ? NULL : &tally->peers.sums[peer - CH_PEER_FIRST];
}

static void add_rtt(struct ch_rtt_histogram *rtt, uint32_t rtt_us)
{
    unsigned bucket = 0;

    while (bucket < CH_RTT_BUCKETS - 1 && rtt_us * CH_NS_PER_US > ch_rtt_bounds_ns[bucket])
        bucket++;
    rtt->bucket[bucket]++;
    rtt->sum_us += rtt_us;
}

/* Counters of a connection: what tcp_info adds since the last look. */
static void add_info(struct ch_tally *tally, const struct sight *sight,
                     struct ch_peer_sockets *peer)
{
    uint32_t total = CH_DIAG_INFO(sight->row, tcpi_total_retrans), more = 0;
    uint32_t rtt_us = CH_DIAG_INFO(sight->row, tcpi_rtt);
    int64_t since_ns = tally->before_ns ? tally->now_ns - tally->before_ns : tally->interval_ns;

    if (sight->memory) {
        if (!sight->fresh)
            more = counted_since(total, sight->memory->count);
        else if (tally->settled)
            more = total;
        sight->memory->count = total;
    }
    sight->unit->retransmitted_segments += more;
    if (peer)
        peer->retransmitted_segments += more;
    if (sight->state != CH_SOCKET_ESTABLISHED || rtt_us == 0 ||
        CH_DIAG_INFO(sight->row, tcpi_last_ack_recv) * CH_NS_PER_MS > since_ns)
        return;
    add_rtt(&sight->unit->rtt, rtt_us);
    if (peer)
        add_rtt(&peer->rtt, rtt_us);
}

static void tally_tcp(struct ch_tally *tally, const struct ch_diag_row *row)
{
    struct sight sight = {.row = row};
    struct ch_peer_sockets *peer;
    uint16_t slot;

    if (!ch_diag_state(IPPROTO_TCP, row->msg->idiag_state, &sight.state) ||
        !remember(tally, &sight))
        return;
    count_family(tally, row, CH_SOCKET_TCP, sight.state);
    if (sight.memory)
        update_memory(tally, &sight);
    slot = ch_units_slot(&tally->units, row->cgroup);
    if (sight.state == CH_SOCKET_LISTEN)
        tally_listener(tally, &sight, slot);
    else if (sight.state != CH_SOCKET_CLOSE)
        sight.listener = listener_of(tally, &sight);
    if (row->cgroup == 0 && sight.listener && sight.state != CH_SOCKET_LISTEN)
        slot = (uint16_t)sight.listener->unit;
    if (sight.memory)
        sight.memory->unit = slot;
    sight.unit = ch_units_sums(&tally->units, slot);
    sight.unit->sockets[sight.state]++;
    peer = peer_of(tally, &sight);
    if (peer)
        peer->sockets[sight.state]++;
    if (sight.state == CH_SOCKET_LISTEN)
        return;
    sight.unit->send_queue_bytes += row->msg->idiag_wqueue;
    sight.unit->receive_queue_bytes += row->msg->idiag_rqueue;
    if (sight.listener)
        sight.listener->connections[sight.state]++;
    if (row->info)
        add_info(tally, &sight, peer);
    if (sight.memory) { /* a full socket: newer kernels give each its cgroup */
        tally->saw_cgroup |= row->cgroup != 0;
        tally->lacked_cgroup |= row->cgroup == 0;
        tally->lacked_info |= row->info && !CH_DIAG_HAS(row, tcpi_bytes_retrans);
    }
    tally_trouble(tally, &sight);
}

void ch_tally_rows(struct ch_tally *tally, uint8_t protocol, const struct ch_diag_row *rows,
                   size_t count)
{
    if (protocol == IPPROTO_UDP) {
        for (size_t i = 0; i < count; i++)
            tally_udp(tally, &rows[i]);
        return;
    }
    for (size_t i = 0; i < count; i++)
        tally_tcp(tally, &rows[i]);
}
