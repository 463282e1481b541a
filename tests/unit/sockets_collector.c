/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's thread against a kernel that refuses, interrupts and loses:
 * socket() and recvmsg() go through the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connhealth/clock.h"
#include "connhealth/sockets.h"

static atomic_bool refuse_sockets, interrupt_dumps;
static atomic_int break_after = -1; /* datagrams of dumps until they fail */

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

int __wrap_socket(int family, int type, int protocol)
{
    if (atomic_load(&refuse_sockets)) {
        errno = EAFNOSUPPORT; /* systemd's RestrictAddressFamilies= */
        return -1;
    }
    return __real_socket(family, type, protocol);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t len = __real_recvmsg(fd, message, flags);
    struct nlmsghdr *header = message->msg_iov->iov_base;

    if (atomic_load(&break_after) == 0) {
        errno = ENOMEM;
        return -1;
    }
    if (atomic_load(&break_after) > 0)
        atomic_fetch_sub(&break_after, 1);
    if (len > 0 && atomic_load(&interrupt_dumps))
        header->nlmsg_flags |= NLM_F_DUMP_INTR;
    return len;
}

static const struct ch_sockets_settings settings = {
    .enabled = true,
    .interval_ns = 3600 * CH_NS_PER_S,
    .units = true,
    .unit_limit = 200,
    .listeners = true,
};

static struct ch_sockets *sockets;

static int stop(void **state)
{
    (void)state;
    sockets = ch_sockets_free(sockets);
    atomic_store(&refuse_sockets, false);
    atomic_store(&interrupt_dumps, false);
    atomic_store(&break_after, -1);
    return 0;
}

/* The first snapshot of a sweep that began after since; the caller's. */
static struct ch_sockets_snapshot *snapshot_after(int64_t since_ns)
{
    for (unsigned i = 0; i < 10000; i++) {
        struct ch_sockets_snapshot *found = ch_sockets_snapshot(sockets);

        if (found && found->time_ns > since_ns)
            return found;
        ch_sockets_snapshot_unref(found);
        usleep(1000);
    }
    fail_msg("no sweep within ten seconds");
    return NULL;
}

/* Every collector sweeps once as it starts. That sweep is waited for, so that the
 * next one is the test's own and no other is under way. */
static int start(void **state)
{
    (void)state;
    if (ch_sockets_new(&settings, &sockets) < 0 || ch_sockets_start(sockets) < 0)
        return -1;
    ch_sockets_snapshot_unref(snapshot_after(0));
    return 0;
}

static struct ch_sockets_snapshot *sweep(void)
{
    int64_t now_ns = ch_clock_realtime();

    assert_int_equal(ch_sockets_apply(sockets, &settings), 0);
    return snapshot_after(now_ns);
}

static uint64_t count(const struct ch_sockets_snapshot *snapshot, enum ch_socket_state state)
{
    return snapshot->sockets[CH_SOCKET_IPV4][CH_SOCKET_TCP][state] +
           snapshot->sockets[CH_SOCKET_IPV6][CH_SOCKET_TCP][state];
}

static void test_a_sweep_is_published(void **state)
{
    struct ch_sockets_snapshot *first, *second;
    int listener = __real_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(listen(listener, 5), 0);
    first = sweep();
    assert_true(first->complete);
    assert_int_equal(first->error, 0);
    assert_true(count(first, CH_SOCKET_LISTEN) >= 1);
    assert_true(first->listener_count >= 1);
    assert_true(first->kernel_present[CH_KERNEL_OUT_RSTS]);
    close(listener);
    second = sweep();
    /* What somebody holds stays as it is. */
    assert_ptr_not_equal(first, second);
    assert_true(second->time_ns > first->time_ns);
    sockets = ch_sockets_free(sockets);
    assert_true(count(first, CH_SOCKET_LISTEN) >= 1);
    assert_string_equal(first->units[1].name, "other");
    ch_sockets_snapshot_unref(first);
    ch_sockets_snapshot_unref(second);
}

static void test_without_netlink_it_says_so_and_recovers(void **state)
{
    const uint32_t all = CH_SOCKETS_LIMIT(TCP) | CH_SOCKETS_LIMIT(UDP) | CH_SOCKETS_LIMIT(EVENTS);
    struct ch_sockets_snapshot *snapshot;

    (void)state;
    sockets = ch_sockets_free(sockets);
    atomic_store(&refuse_sockets, true);
    assert_int_equal(start(NULL), 0);
    snapshot = snapshot_after(0);
    assert_false(snapshot->complete);
    assert_int_equal(snapshot->error, EAFNOSUPPORT);
    assert_int_equal(snapshot->limits & all, all);
    assert_int_equal(snapshot->sweeps_failed, 1);
    assert_true(snapshot->kernel_present[CH_KERNEL_OUT_RSTS]);
    ch_sockets_snapshot_unref(snapshot);
    atomic_store(&refuse_sockets, false);
    snapshot = sweep();
    assert_true(snapshot->complete);
    assert_int_equal(snapshot->error, 0);
    assert_int_equal(snapshot->limits & all, 0);
    assert_int_equal(snapshot->sweeps_failed, 1);
    ch_sockets_snapshot_unref(snapshot);
}

static void test_interrupted_dumps_are_counted_and_marked(void **state)
{
    struct ch_sockets_snapshot *snapshot = sweep();
    uint64_t before = snapshot->sweeps_interrupted;

    (void)state;
    ch_sockets_snapshot_unref(snapshot);
    atomic_store(&interrupt_dumps, true);
    snapshot = sweep();
    assert_false(snapshot->complete);
    assert_int_equal(snapshot->error, 0);
    assert_int_equal(snapshot->sweeps_interrupted, before + 1);
    ch_sockets_snapshot_unref(snapshot);
    atomic_store(&interrupt_dumps, false);
    snapshot = sweep();
    assert_true(snapshot->complete);
    assert_int_equal(snapshot->sweeps_interrupted, before + 1);
    ch_sockets_snapshot_unref(snapshot);
}

/* Of others' sockets some may end meanwhile: only its own are sure to be there. */
static void test_a_dump_that_breaks_off_forgets_nobody(void **state)
{
    enum { own = 20 };
    struct ch_sockets_snapshot *snapshot;
    int listeners[own];

    (void)state;
    for (int i = 0; i < own; i++) {
        listeners[i] = __real_socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(listen(listeners[i], 5), 0);
    }
    snapshot = sweep();
    assert_true(snapshot->remembered >= own);
    ch_sockets_snapshot_unref(snapshot);
    atomic_store(&break_after, 0);
    snapshot = sweep();
    assert_int_equal(snapshot->error, ENOMEM);
    assert_false(snapshot->complete);
    assert_true(snapshot->remembered >= own);
    ch_sockets_snapshot_unref(snapshot);
    atomic_store(&break_after, -1);
    snapshot = sweep();
    assert_true(snapshot->complete);
    ch_sockets_snapshot_unref(snapshot);
    for (int i = 0; i < own; i++)
        close(listeners[i]);
}

static void test_it_turns_while_it_waits(void **state)
{
    uint64_t turns;

    (void)state;
    ch_sockets_snapshot_unref(sweep());
    turns = ch_sockets_turns(sockets);
    for (unsigned i = 0; i < 10000 && ch_sockets_turns(sockets) < turns + 2; i++)
        usleep(1000);
    assert_true(ch_sockets_turns(sockets) >= turns + 2);
}

static void test_switched_off_it_publishes_nothing(void **state)
{
    struct ch_sockets_settings off = settings;
    struct ch_sockets_snapshot *snapshot = sweep();

    (void)state;
    ch_sockets_snapshot_unref(snapshot);
    off.enabled = false;
    assert_int_equal(ch_sockets_apply(sockets, &off), 0);
    for (unsigned i = 0; i < 10000; i++) {
        snapshot = ch_sockets_snapshot(sockets);
        ch_sockets_snapshot_unref(snapshot);
        if (!snapshot)
            break;
        usleep(1000);
    }
    assert_null(ch_sockets_snapshot(sockets));
    ch_sockets_snapshot_unref(sweep()); /* and on again */
}

static const struct ch_unit_sockets *unit_of(const struct ch_sockets_snapshot *snapshot,
                                             const char *name)
{
    for (size_t i = 0; i < snapshot->unit_count; i++)
        if (strcmp(snapshot->units[i].name, name) == 0)
            return &snapshot->units[i];
    return NULL;
}

static struct ch_sockets_snapshot *counted_before(const struct ch_addr *listener)
{
    struct ch_sockets_snapshot *before = ch_sockets_snapshot_empty();
    struct ch_unit_sockets *unit = ch_sockets_snapshot_add_unit(before, "gone.service");

    unit->ends[CH_SOCKET_END_CLOSED] = 7;
    unit->retransmitted_segments = 3;
    unit->rtt.bucket[1] = 2;
    unit->rtt.sum_us = 900;
    ch_sockets_snapshot_add_unit(before, "other")->ends[CH_SOCKET_END_UNKNOWN] = 4;
    assert_non_null(ch_sockets_snapshot_add_peer(before, "nobody"));
    ch_sockets_snapshot_add_listener(before, listener)->drops = 5;
    before->sweep_bucket[0] = 1000;
    before->sweeps_failed = 6;
    before->events = 8;
    return before;
}

static void assert_went_on(const struct ch_sockets_snapshot *now, const struct ch_addr *listener)
{
    const struct ch_unit_sockets *unit = unit_of(now, "gone.service");
    uint64_t drops = 0;

    assert_non_null(unit);
    assert_int_equal(unit->ends[CH_SOCKET_END_CLOSED], 7);
    assert_int_equal(unit->retransmitted_segments, 3);
    assert_int_equal(unit->rtt.bucket[1], 2);
    assert_int_equal(unit->rtt.sum_us, 900);
    assert_true(unit_of(now, "other")->ends[CH_SOCKET_END_UNKNOWN] >= 4);
    for (size_t i = 0; i < now->listener_count; i++)
        if (ch_addr_same_host(&now->listeners[i].address, listener) &&
            now->listeners[i].address.port == listener->port)
            drops = now->listeners[i].drops;
    assert_int_equal(drops, 5);
    assert_true(now->sweep_bucket[0] >= 1000);
    assert_int_equal(now->sweeps_failed, 6);
    assert_true(now->events >= 8);
}

static void test_counters_go_on_from_an_earlier_process(void **state)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = __real_socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(name);
    struct ch_sockets_snapshot *before, *now;
    struct ch_addr address;

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&name, len), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &len), 0);
    address = ch_addr_from_sockaddr((struct sockaddr *)&name, len);
    before = counted_before(&address);
    assert_int_equal(ch_sockets_new(&settings, &sockets), 0);
    ch_sockets_resume(sockets, before);
    ch_sockets_snapshot_unref(before);
    assert_int_equal(ch_sockets_start(sockets), 0);
    now = snapshot_after(0);
    assert_went_on(now, &address);
    ch_sockets_snapshot_unref(now);
    now = ch_sockets_stop(sockets);
    assert_went_on(now, &address);
    ch_sockets_snapshot_unref(now);
    close(listener);
}

/* What a collector that is switched off was given goes on to the next process. */
static void test_counters_that_nobody_took_up_are_not_lost(void **state)
{
    struct ch_sockets_settings off = settings;
    struct ch_sockets_snapshot *before = ch_sockets_snapshot_empty(), *left;

    (void)state;
    off.enabled = false;
    before->events = 3;
    assert_int_equal(ch_sockets_new(&off, &sockets), 0);
    ch_sockets_resume(sockets, before);
    assert_int_equal(ch_sockets_start(sockets), 0);
    left = ch_sockets_stop(sockets);
    assert_ptr_equal(left, before);
    ch_sockets_snapshot_unref(left);
    ch_sockets_snapshot_unref(before);
}

static void test_never_started(void **state)
{
    struct ch_sockets *idle;

    (void)state;
    assert_int_equal(ch_sockets_new(&settings, &idle), 0);
    assert_null(ch_sockets_snapshot(idle));
    assert_int_equal(ch_sockets_turns(idle), 0);
    assert_null(ch_sockets_free(idle));
    assert_null(ch_sockets_free(NULL));
    assert_null(ch_sockets_snapshot(NULL));
    assert_null(ch_sockets_snapshot_unref(NULL));
    assert_null(ch_sockets_stop(NULL));
}

#define RUNNING(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUNNING(test_a_sweep_is_published),
        RUNNING(test_without_netlink_it_says_so_and_recovers),
        RUNNING(test_interrupted_dumps_are_counted_and_marked),
        RUNNING(test_a_dump_that_breaks_off_forgets_nobody),
        RUNNING(test_it_turns_while_it_waits),
        RUNNING(test_switched_off_it_publishes_nothing),
        cmocka_unit_test_teardown(test_counters_go_on_from_an_earlier_process, stop),
        cmocka_unit_test_teardown(test_counters_that_nobody_took_up_are_not_lost, stop),
        cmocka_unit_test(test_never_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
