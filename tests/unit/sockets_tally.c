/* SPDX-License-Identifier: Apache-2.0 */
/* The bookkeeping of sweeps and ends, with rows made by hand and a clock that
 * the test owns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connhealth/clock.h"
#include "sockets/tally.h"
#include "sockets_fixture.h"

static struct ch_tally tally;
static int64_t now_ns;
static const int64_t interval_ns = 10 * CH_NS_PER_S;

static struct ch_sockets_settings settings(void)
{
    return (struct ch_sockets_settings){
        .enabled = true, .interval_ns = interval_ns, .unit_limit = 10, .listeners = true};
}

static int begin(void **state)
{
    struct ch_sockets_settings chosen = settings();

    (void)state;
    now_ns = 1000 * CH_NS_PER_S;
    if (ch_tally_init(&tally, now_ns) < 0)
        return -1;
    return ch_tally_configure(&tally, &chosen);
}

static int end(void **state)
{
    (void)state;
    ch_tally_clear(&tally);
    return 0;
}

static size_t decode(const struct made_row *made, size_t count, struct ch_diag_row *rows)
{
    static struct datagram datagram;
    struct ch_diag_result result;

    datagram.len = 0;
    for (size_t i = 0; i < count; i++)
        add_row(&datagram, &made[i]);
    ch_diag_decode(datagram.bytes, datagram.len, 0, rows, CH_DIAG_ROWS_MAX, &result);
    assert_int_equal(result.rows, count);
    return count;
}

static void see(uint8_t protocol, const struct made_row *made, size_t count)
{
    static struct ch_diag_row rows[CH_DIAG_ROWS_MAX];

    ch_tally_rows(&tally, protocol, rows, decode(made, count, rows));
}

static void end_of(const struct made_row *made)
{
    static struct ch_diag_row rows[CH_DIAG_ROWS_MAX];

    ch_tally_ends(&tally, rows, decode(made, 1, rows), now_ns);
}

static void sweep_begin(void)
{
    now_ns += interval_ns;
    ch_tally_sweep_begin(&tally, now_ns);
}

static void sweep(const struct made_row *made, size_t count)
{
    sweep_begin();
    see(IPPROTO_TCP, made, count);
    ch_tally_sweep_end(&tally, true, false);
}

static struct ch_unit_sockets *unit(unsigned slot)
{
    return &tally.units.slots[slot].sums;
}

static uint64_t tcp(enum ch_socket_state state)
{
    return tally.sockets[CH_SOCKET_IPV4][CH_SOCKET_TCP][state];
}

static const struct ch_socket_trouble_cell *trouble(enum ch_socket_trouble kind)
{
    return &unit(CH_UNIT_UNKNOWN)->trouble[kind];
}

static uint64_t ends(enum ch_socket_end kind)
{
    return unit(CH_UNIT_UNKNOWN)->ends[kind];
}

static uint64_t all_ends(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CH_SOCKET_END_COUNT; i++)
        sum += ends(i);
    return sum;
}

static struct made_row connection(uint64_t cookie)
{
    return (struct made_row){
        .state = CH_SOCKET_ESTABLISHED,
        .cookie = cookie,
        .local = "10.0.0.1",
        .remote = "10.0.0.2",
        .local_port = (uint16_t)(40000 + cookie),
        .remote_port = 443,
        .inode = 7,
        .info = {.tcpi_rtt = 200,
                 .tcpi_segs_in = 9,
                 .tcpi_bytes_sent = 100,
                 .tcpi_bytes_acked = 101,
                 .tcpi_snd_wnd = 65536},
    };
}

static struct made_row listener(uint64_t cookie, uint16_t port)
{
    return (struct made_row){
        .state = CH_SOCKET_LISTEN, .cookie = cookie, .local_port = port, .wqueue = 128};
}

/* The record of a clean end of the side that connected. */
static struct made_row closed(struct made_row made)
{
    made.state = CH_SOCKET_CLOSE;
    made.info.tcpi_bytes_acked++;
    return made;
}

/* ---- counting ---------------------------------------------------------- */

static void test_each_socket_is_counted_once(void **state)
{
    struct made_row rows[] = {connection(1), connection(2), connection(1)};

    (void)state;
    sweep(rows, 3);
    assert_int_equal(tcp(CH_SOCKET_ESTABLISHED), 2);
    assert_int_equal(unit(0)->sockets[CH_SOCKET_ESTABLISHED], 2);
    assert_int_equal(tally.memory.count, 2);
    sweep(rows, 2);
    assert_int_equal(tcp(CH_SOCKET_ESTABLISHED), 2);
}

static void test_families_protocols_and_queues(void **state)
{
    struct made_row v4 = connection(1), v6 = connection(2), mapped = connection(3);
    struct made_row udp = {.state = CH_SOCKET_CLOSE, .cookie = 4, .rqueue = 100};

    (void)state;
    v4.wqueue = 5;
    v4.rqueue = 7;
    v6.family = mapped.family = AF_INET6;
    v6.local = "2001:db8::1";
    v6.remote = "2001:db8::2";
    mapped.local = "::ffff:10.0.0.1";
    mapped.remote = "::ffff:10.0.0.2";
    sweep_begin();
    see(IPPROTO_TCP, &v4, 1);
    see(IPPROTO_TCP, &v6, 1);
    see(IPPROTO_TCP, &mapped, 1);
    see(IPPROTO_UDP, &udp, 1);
    ch_tally_sweep_end(&tally, true, false);
    assert_int_equal(tcp(CH_SOCKET_ESTABLISHED), 2);
    assert_int_equal(tally.sockets[CH_SOCKET_IPV6][CH_SOCKET_TCP][CH_SOCKET_ESTABLISHED], 1);
    assert_int_equal(tally.sockets[CH_SOCKET_IPV4][CH_SOCKET_UDP][CH_SOCKET_UDP_UNCONNECTED], 1);
    assert_int_equal(unit(0)->send_queue_bytes, 5);
    assert_int_equal(unit(0)->receive_queue_bytes, 107);
    assert_int_equal(unit(0)->sockets[CH_SOCKET_UDP_UNCONNECTED], 1);
}

static void test_mini_sockets_are_counted_and_not_remembered(void **state)
{
    struct made_row wait = connection(1), half = connection(2), orphan = connection(3);

    (void)state;
    wait.state = CH_SOCKET_TIME_WAIT;
    half.state = CH_SOCKET_SYN_RECV;
    orphan.state = CH_SOCKET_FIN_WAIT2;
    wait.timer = orphan.timer = 3;
    wait.info_len = half.info_len = orphan.info_len = 1;
    wait.cgroup = half.cgroup = orphan.cgroup = 0;
    sweep(&wait, 1);
    assert_int_equal(tcp(CH_SOCKET_TIME_WAIT), 1);
    sweep(&half, 1);
    assert_int_equal(tcp(CH_SOCKET_SYN_RECV), 1);
    sweep(&orphan, 1);
    assert_int_equal(tcp(CH_SOCKET_FIN_WAIT2), 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_FIN_WAIT2)->sockets, 1);
    assert_int_equal(tally.memory.count, 0);
    assert_false(tally.lacked_cgroup);
}

static void test_retransmissions_are_counted_as_they_come(void **state)
{
    struct made_row old = connection(1), fresh = connection(2), last;

    (void)state;
    old.info.tcpi_total_retrans = 50; /* before our time */
    sweep(&old, 1);
    assert_int_equal(unit(0)->retransmitted_segments, 0);
    old.info.tcpi_total_retrans = 53;
    fresh.info.tcpi_total_retrans = 2; /* all of it in our time */
    sweep((struct made_row[]){old, fresh}, 2);
    assert_int_equal(unit(0)->retransmitted_segments, 5);
    last = closed(old); /* the rest comes with the record of its end */
    last.info.tcpi_total_retrans = 57;
    end_of(&last);
    assert_int_equal(unit(0)->retransmitted_segments, 9);
    last = connection(2); /* wiped: its counters are gone */
    last.remote = NULL;
    last.remote_port = 0;
    last.wqueue = 65000;
    last.info = (struct tcp_info){0};
    end_of(&last);
    assert_int_equal(unit(0)->retransmitted_segments, 9);
    assert_int_equal(ends(CH_SOCKET_END_ABORTED), 1);
}

static void test_round_trips_of_live_connections(void **state)
{
    struct made_row quick = connection(1), slow = connection(2), silent = connection(3);
    uint64_t bucketed = 0;

    (void)state;
    quick.info.tcpi_rtt = 100; /* on the bound: within */
    slow.info.tcpi_rtt = 2000000;
    silent.info.tcpi_last_ack_recv = 11000; /* before the last sweep */
    sweep((struct made_row[]){quick, slow, silent}, 3);
    assert_int_equal(unit(0)->rtt.bucket[0], 1);
    assert_int_equal(unit(0)->rtt.bucket[CH_RTT_BUCKETS - 1], 1);
    for (unsigned i = 0; i < CH_RTT_BUCKETS; i++)
        bucketed += unit(0)->rtt.bucket[i];
    assert_int_equal(bucketed, 2);
    assert_int_equal(unit(0)->rtt.sum_us, 2000100);
}

static void test_peers_take_what_goes_to_them(void **state)
{
    const uint16_t ports[] = {443};
    const struct ch_sockets_net nets[] = {{{.family = AF_INET, .ip = {10, 0, 0, 0}}, 31}};
    const struct ch_sockets_net all[] = {{{.family = AF_INET}, 0}};
    const struct ch_sockets_peer peers[] = {
        {.name = "web", .networks = nets, .network_count = 1, .ports = ports, .port_count = 1},
        {.name = "rest", .networks = all, .network_count = 1},
    };
    struct ch_sockets_settings chosen = settings();
    struct made_row inside = connection(1), port = connection(2), outside = connection(3);

    (void)state;
    chosen.peers = peers;
    chosen.peer_count = 2;
    inside.remote = "10.0.0.1";
    port.remote = "10.0.0.1";
    port.remote_port = 80;
    outside.remote = "10.0.0.2";
    sweep((struct made_row[]){inside, port, outside}, 3);
    assert_int_equal(ch_tally_configure(&tally, &chosen), 0);
    inside.info.tcpi_total_retrans = 4;
    sweep((struct made_row[]){inside, port, outside}, 3);
    assert_int_equal(tally.peers.sums[0].sockets[CH_SOCKET_ESTABLISHED], 1);
    assert_int_equal(tally.peers.sums[0].retransmitted_segments, 4);
    assert_int_equal(tally.peers.sums[1].sockets[CH_SOCKET_ESTABLISHED], 2);
    inside = closed(inside);
    inside.info.tcpi_total_retrans = 6;
    end_of(&inside);
    assert_int_equal(tally.peers.sums[0].retransmitted_segments, 6);
    /* Another order: the sums go with the name. */
    chosen.peers = &peers[1];
    chosen.peer_count = 1;
    assert_int_equal(ch_tally_configure(&tally, &chosen), 0);
    sweep((struct made_row[]){port, outside}, 2);
    assert_int_equal(tally.peers.sums[0].sockets[CH_SOCKET_ESTABLISHED], 2);
    chosen.peers = peers;
    chosen.peer_count = 2;
    assert_int_equal(ch_tally_configure(&tally, &chosen), 0);
    assert_int_equal(tally.peers.sums[0].retransmitted_segments, 0);
}

static void test_listeners_and_their_connections(void **state)
{
    struct made_row all = listener(1, 80), again = listener(2, 80), one = listener(3, 80);
    struct made_row child = connection(4), other = connection(5), wait = connection(6);
    struct ch_listener *wild, *bound;

    (void)state;
    all.rqueue = 10;
    all.skmem[SK_MEMINFO_DROPS] = 3;
    again.rqueue = 100; /* SO_REUSEPORT */
    again.skmem[SK_MEMINFO_DROPS] = 4;
    one.local = "10.0.0.9";
    child.local_port = other.local_port = wait.local_port = 80;
    child.info.tcpi_bytes_acked = other.info.tcpi_bytes_acked = 100;
    other.local = "10.0.0.9";
    wait.state = CH_SOCKET_TIME_WAIT;
    wait.timer = 3;
    wait.info_len = 1;
    sweep((struct made_row[]){all, again, one, child, other, wait}, 6);
    assert_int_equal(tally.listeners.count, 2);
    wild = &tally.listeners.slots[0].listener;
    bound = &tally.listeners.slots[1].listener;
    assert_int_equal(wild->sockets, 2);
    assert_int_equal(wild->backlog, 110);
    assert_int_equal(wild->limit, 256);
    assert_int_equal(wild->fullest, 100);
    assert_int_equal(wild->fullest_limit, 128);
    assert_int_equal(wild->drops, 7);
    assert_int_equal(wild->connections[CH_SOCKET_ESTABLISHED], 1);
    assert_int_equal(wild->connections[CH_SOCKET_TIME_WAIT], 1);
    assert_int_equal(bound->connections[CH_SOCKET_ESTABLISHED], 1);
    /* One of two goes, with its drops: the counter stays. */
    end_of(&again);
    all.skmem[SK_MEMINFO_DROPS] = 5;
    sweep(&all, 1);
    assert_int_equal(tally.listeners.count, 1);
    assert_int_equal(tally.listeners.slots[0].listener.drops, 9);
    assert_int_equal(all_ends(), 0);
}

/* ---- ages -------------------------------------------------------------- */

static void test_the_age_of_close_wait_is_ours_to_keep(void **state)
{
    struct made_row made = connection(1);

    (void)state;
    sweep(&made, 1);
    made.state = CH_SOCKET_CLOSE_WAIT;
    made.info.tcpi_last_ack_recv = 4000; /* the FIN, four seconds ago */
    sweep(&made, 1);
    assert_int_equal(unit(0)->close_wait_oldest_ns / CH_NS_PER_S, 4);
    made.info.tcpi_last_ack_recv = 1000; /* we sent more, and it was acknowledged */
    sweep(&made, 1);
    assert_int_equal(unit(0)->close_wait_oldest_ns / CH_NS_PER_S, 14);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_CLOSE_WAIT)->sockets, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_CLOSE_WAIT)->local.port, 40001);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_CLOSE_WAIT)->remote.port, 443);
    end_of(&made);
    sweep(NULL, 0);
    assert_int_equal(unit(0)->close_wait_oldest_ns, 0);
}

static void test_close_wait_from_before_our_time(void **state)
{
    struct made_row made = connection(1);

    (void)state;
    made.state = CH_SOCKET_CLOSE_WAIT;
    made.info.tcpi_last_ack_recv = 3600 * 1000;
    sweep(&made, 1);
    assert_int_equal(unit(0)->close_wait_oldest_ns / CH_NS_PER_S, 3600);
}

static void test_retransmitting_and_for_how_long(void **state)
{
    struct made_row made = connection(1);

    (void)state;
    tally.retries = 15;
    made.info.tcpi_last_ack_recv = 900000; /* long idle, and well */
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->sockets, 0);
    made.info.tcpi_last_ack_recv = 910000;
    made.timer = 1;
    made.retrans = 3;
    made.wqueue = 500;
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->sockets, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->amount, 3);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->limit, 15);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_UNACKNOWLEDGED)->amount, 500);
    /* At most since the sweep that saw it well. */
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_UNACKNOWLEDGED)->age_ns / CH_NS_PER_S, 10);
    made.info.tcpi_last_ack_recv = 920000;
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_UNACKNOWLEDGED)->age_ns / CH_NS_PER_S, 20);
    made.info.tcpi_last_ack_recv = 3000; /* an acknowledgement came, and silence again */
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_UNACKNOWLEDGED)->age_ns / CH_NS_PER_S, 3);
    made.timer = 0;
    made.retrans = 0;
    made.wqueue = 0;
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_UNACKNOWLEDGED)->sockets, 0);
}

static void test_the_worst_is_kept(void **state)
{
    struct made_row far = connection(1), old = connection(2);

    (void)state;
    far.timer = old.timer = 1;
    far.retrans = 9;
    old.retrans = 2;
    far.info.tcpi_last_ack_recv = 1000;
    old.info.tcpi_last_ack_recv = 8000;
    sweep((struct made_row[]){old, far, old}, 2);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->sockets, 2);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->amount, 9);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_RETRANSMITTING)->local.port, 40001);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_UNACKNOWLEDGED)->local.port, 40002);
}

static void test_a_peer_that_does_not_read(void **state)
{
    struct made_row made = connection(1);

    (void)state;
    made.timer = 4;
    made.wqueue = 70000;
    made.info.tcpi_snd_wnd = 0;
    made.skmem[SK_MEMINFO_SNDBUF] = 80000;
    made.skmem[SK_MEMINFO_WMEM_QUEUED] = 53333; /* a third is free */
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_ZERO_WINDOW)->sockets, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_ZERO_WINDOW)->amount, 70000);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_SEND_BUFFER_FULL)->sockets, 0);
    made.skmem[SK_MEMINFO_WMEM_QUEUED] = 53335;
    sweep(&made, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_ZERO_WINDOW)->age_ns / CH_NS_PER_S, 10);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_SEND_BUFFER_FULL)->sockets, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_SEND_BUFFER_FULL)->age_ns / CH_NS_PER_S, 10);
}

static void test_keepalive_and_connecting_and_orphans(void **state)
{
    struct made_row alive = connection(1), syn = connection(2), orphan = connection(3);

    (void)state;
    tally.syn_retries = 6;
    alive.timer = 2;
    alive.retrans = 4;
    alive.info.tcpi_last_ack_recv = 9000;
    syn.state = CH_SOCKET_SYN_SENT;
    syn.timer = 1;
    syn.retrans = 2;
    orphan.state = CH_SOCKET_FIN_WAIT1;
    orphan.inode = 0;
    orphan.wqueue = 11;
    sweep((struct made_row[]){alive, syn, orphan}, 3);
    sweep((struct made_row[]){alive, syn, orphan}, 3);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_KEEPALIVE_UNANSWERED)->amount, 4);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_KEEPALIVE_UNANSWERED)->age_ns / CH_NS_PER_S, 9);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_SYN_SENT)->amount, 2);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_SYN_SENT)->limit, 6);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_SYN_SENT)->age_ns / CH_NS_PER_S, 10);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_ORPHAN)->sockets, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_ORPHAN)->amount, 11);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_ORPHAN)->age_ns / CH_NS_PER_S, 10);
}

/* ---- ends -------------------------------------------------------------- */

static void test_the_end_of_a_socket_that_was_seen(void **state)
{
    struct made_row made = connection(1), last = closed(made);

    (void)state;
    sweep(&made, 1);
    end_of(&last);
    assert_int_equal(ends(CH_SOCKET_END_CLOSED), 1);
    assert_int_equal(tally.memory.count, 0);
    assert_int_equal(tally.events, 1);
}

static void test_a_socket_that_ends_during_a_sweep(void **state)
{
    struct made_row seen = connection(1), unseen = connection(2), last = closed(seen);

    (void)state;
    sweep((struct made_row[]){seen}, 1);
    sweep_begin();
    end_of(&last); /* its row is on its way */
    last = closed(unseen);
    end_of(&last);
    see(IPPROTO_TCP, (struct made_row[]){seen, unseen}, 2);
    ch_tally_sweep_end(&tally, true, false);
    assert_int_equal(tcp(CH_SOCKET_ESTABLISHED), 0);
    assert_int_equal(ends(CH_SOCKET_END_CLOSED), 2);
    assert_int_equal(tally.memory.count, 0);
    sweep(NULL, 0);
    sweep(NULL, 0);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->sockets, 0);
}

/* Nobody saw it live. Its listener says that it was accepted, and by whom. */
static void test_a_short_connection_by_its_listener(void **state)
{
    struct made_row known = listener(1, 80), late = listener(2, 81);
    struct made_row last = connection(3);

    (void)state;
    sweep(&known, 1);
    last.local_port = 80;
    end_of(&last); /* 101 acknowledged of 100: the FIN, as it was accepted */
    assert_int_equal(ends(CH_SOCKET_END_CLOSED), 1);
    last.local_port = 81;
    end_of(&last); /* its listener is not known yet */
    assert_int_equal(all_ends(), 1);
    sweep((struct made_row[]){known, late}, 2);
    assert_int_equal(ends(CH_SOCKET_END_CLOSED), 2);
    last.local_port = 5000;
    end_of(&last); /* no listener: it connected, and its FIN was not acknowledged */
    sweep((struct made_row[]){known, late}, 2);
    assert_int_equal(ends(CH_SOCKET_END_RESET_OR_ABORTED), 1);
    assert_int_equal(all_ends(), 3);
}

static void test_a_listener_that_came_and_went_leaves_a_doubt(void **state)
{
    struct made_row gone = listener(1, 80), child = connection(2), certain = closed(child);

    (void)state;
    sweep(NULL, 0);
    gone.wqueue = 0; /* as the records of listeners are */
    child.local_port = certain.local_port = 80;
    end_of(&child);
    end_of(&certain); /* two beyond what was sent: it connected */
    end_of(&gone);
    sweep(NULL, 0);
    assert_int_equal(ends(CH_SOCKET_END_UNKNOWN), 2);
    assert_int_equal(all_ends(), 2);
    /* The doubt is over with the sweep. */
    end_of(&child);
    sweep(NULL, 0);
    assert_int_equal(ends(CH_SOCKET_END_RESET_OR_ABORTED), 1);
}

static void test_too_many_pending_ends_are_counted_at_once(void **state)
{
    struct made_row last = connection(1);

    (void)state;
    sweep(NULL, 0);
    for (size_t i = 0; i <= CH_PENDING_ENDS_MAX; i++)
        end_of(&last);
    assert_int_equal(all_ends(), 1);
    assert_int_equal(ends(CH_SOCKET_END_UNKNOWN), 1);
    sweep(NULL, 0);
    assert_int_equal(all_ends(), CH_PENDING_ENDS_MAX + 1);
    assert_null(tally.pending);
}

static void test_dead_and_not_closed(void **state)
{
    struct made_row made = connection(1), last = closed(made);

    (void)state;
    sweep(&made, 1);
    sweep(NULL, 0); /* once may be the dump's fault */
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->sockets, 0);
    sweep(&made, 1); /* and was */
    sweep(NULL, 0);
    sweep(NULL, 0);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->sockets, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->age_ns / CH_NS_PER_S, 20);
    end_of(&last); /* closed at last */
    assert_int_equal(ends(CH_SOCKET_END_CLOSED), 1);
    sweep(NULL, 0);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->sockets, 0);
}

static void test_dead_and_bound_by_hand(void **state)
{
    struct made_row made = connection(1), bound = connection(2);

    (void)state;
    sweep(&made, 1);
    bound.state = made.state = CH_SOCKET_CLOSE;
    bound.info_len = made.info_len = 1;
    sweep((struct made_row[]){made, bound}, 2);
    assert_int_equal(tcp(CH_SOCKET_CLOSE), 2);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->sockets, 1);
    assert_int_equal(tally.memory.count, 1);
}

static void test_after_lost_records_nobody_is_waited_for(void **state)
{
    struct made_row rows[] = {connection(1), connection(2)};

    (void)state;
    sweep(rows, 2);
    sweep_begin();
    see(IPPROTO_TCP, rows, 1);
    ch_tally_sweep_end(&tally, true, true);
    assert_int_equal(tally.memory.count, 1);
    sweep(rows, 1);
    assert_int_equal(trouble(CH_SOCKET_TROUBLE_DEAD)->sockets, 0);
}

static void test_a_broken_sweep_forgets_nobody(void **state)
{
    struct made_row rows[] = {connection(1), listener(2, 80)}, last = closed(rows[0]);

    (void)state;
    sweep(rows, 2);
    sweep_begin();
    ch_tally_sweep_end(&tally, false, true);
    assert_int_equal(tally.memory.count, 2);
    assert_int_equal(tally.listeners.count, 1);
    end_of(&last);
    assert_int_equal(ends(CH_SOCKET_END_CLOSED), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_socket_is_counted_once),
        TEST(test_families_protocols_and_queues),
        TEST(test_mini_sockets_are_counted_and_not_remembered),
        TEST(test_retransmissions_are_counted_as_they_come),
        TEST(test_round_trips_of_live_connections),
        TEST(test_peers_take_what_goes_to_them),
        TEST(test_listeners_and_their_connections),
        TEST(test_the_age_of_close_wait_is_ours_to_keep),
        TEST(test_close_wait_from_before_our_time),
        TEST(test_retransmitting_and_for_how_long),
        TEST(test_the_worst_is_kept),
        TEST(test_a_peer_that_does_not_read),
        TEST(test_keepalive_and_connecting_and_orphans),
        TEST(test_the_end_of_a_socket_that_was_seen),
        TEST(test_a_socket_that_ends_during_a_sweep),
        TEST(test_a_short_connection_by_its_listener),
        TEST(test_a_listener_that_came_and_went_leaves_a_doubt),
        TEST(test_too_many_pending_ends_are_counted_at_once),
        TEST(test_dead_and_not_closed),
        TEST(test_dead_and_bound_by_hand),
        TEST(test_after_lost_records_nobody_is_waited_for),
        TEST(test_a_broken_sweep_forgets_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
