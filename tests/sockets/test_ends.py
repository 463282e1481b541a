# SPDX-License-Identifier: Apache-2.0
"""How connections ended: each way made on purpose, seen by a sweep before and not seen. Both ends of
a connection are in the namespace, so each case has the ends of both sides."""

import contextlib
import resource
import signal
import socket
import threading

import linux
import pytest
from collector import ends_of, trouble_of, unit_of
from daemon import seconds
from namespace import TCP_USER_TIMEOUT, reset_on_close
from process import poll_until

# linux/netlink.h, linux/sock_diag.h
NETLINK_SOCK_DIAG = 4
SKNLGRP_INET_TCP_DESTROY = 1


def state_is(sock, state):
    poll_until(lambda: linux.tcp_info(sock)["state"] == state, 60, state)


def unread_is(sock, count):
    poll_until(lambda: linux.unread(sock) == count, 60, f"{count} bytes have come")


def is_quiet(sock, long=1):
    quiet_ms = 1000 * seconds(long)
    poll_until(lambda: linux.tcp_info(sock)["last_ack_recv"] >= quiet_ms, seconds(60), "quiet")


def settled(pair, long=1):
    """Some time has passed since the last acknowledgement. That none came after the sweep is only
    proved if the last is older than the sweep and the time it took to read the record: longer
    where the end itself takes its time, and the daemon may stand still when it comes."""
    for sock in (pair.client, pair.server):
        is_quiet(sock, long)


def expect(collector, expected):
    """The kernel tells of ends from a work queue (sock_diag_broadcast_destroy): soon, not at once.
    What is not expected must not come with it."""
    try:
        collector.wait_for(lambda sweep: ends_of(sweep) == expected, limit=30)
    except AssertionError:
        assert ends_of(collector.seen()) == expected


# Each ends the connection of a pair, from both sides.

def close_client_first(_, pair):
    pair.client.close()
    state_is(pair.server, "CLOSE_WAIT")
    pair.server.close()


def close_server_first_with_data(_, pair):
    pair.client.send(b"x" * 1000)
    pair.server.recv(1000, socket.MSG_WAITALL)
    pair.server.send(b"y" * 10)
    pair.client.recv(10, socket.MSG_WAITALL)
    pair.server.close()
    state_is(pair.client, "CLOSE_WAIT")
    pair.client.close()


def client_resets(_, pair):
    reset_on_close(pair.client)
    pair.client.close()
    state_is(pair.server, "CLOSE")
    pair.server.close()


def server_resets(_, pair):
    reset_on_close(pair.server)
    pair.server.close()
    state_is(pair.client, "CLOSE")
    pair.client.close()


def killed(namespace, pair):
    namespace.run("ss", "-K", "-t", "sport", f"= :{pair.client_port}")
    state_is(pair.client, "CLOSE")
    state_is(pair.server, "CLOSE")
    pair.client.close()
    pair.server.close()


WAYS = {  # what to do, the ends when it was seen, the ends when it was not
    "client first": (close_client_first, {"closed": 2}, {"closed": 2}),
    "server first": (close_server_first_with_data, {"closed": 2}, {"closed": 2}),
    "SO_LINGER 0 of the client": (client_resets, {"aborted": 1, "reset": 1},
                                  {"aborted": 1, "reset_or_aborted": 1}),
    "SO_LINGER 0 of the server": (server_resets, {"aborted": 1, "reset": 1},
                                  {"aborted": 1, "reset_or_aborted": 1}),
    "ss -K": (killed, {"aborted": 1, "reset": 1}, {"reset_or_aborted": 2}),
}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_a_sweep_saw(namespace, collector, way, address):
    act, expected, _ = WAYS[way]
    pair = namespace.pair(address)
    settled(pair)
    collector.sweep()
    act(namespace, pair)
    expect(collector, expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_between_two_sweeps(namespace, collector, way):
    act, _, expected = WAYS[way]
    act(namespace, namespace.pair())  # its listener is new, too
    expect(collector, expected)


def test_closed_with_unread_input(namespace, collector):
    pair = namespace.pair()
    pair.client.send(b"unread")
    unread_is(pair.server, 6)
    settled(pair)
    collector.sweep()
    pair.server.close()
    state_is(pair.client, "CLOSE")
    pair.client.close()
    expect(collector, {"aborted": 1, "reset": 1})


def test_a_listener_that_closes_on_those_who_wait(namespace, collector):
    listener = namespace.listen()
    client = namespace.connect(listener.getsockname())
    is_quiet(client)
    collector.sweep()
    listener.close()
    state_is(client, "CLOSE")
    client.close()
    expect(collector, {"aborted": 1, "reset": 1})


def test_a_listener_that_came_and_went(namespace, collector):
    """Which side accepted is not known then, but for where the sums leave no choice."""
    pair = namespace.pair()
    records = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    records.bind((0, 1 << (SKNLGRP_INET_TCP_DESTROY - 1)))
    close_client_first(namespace, pair)
    pair.listener.close()
    for _ in range(3):  # no sweep between them
        records.recv(65536)
    expect(collector, {"closed": 1, "unknown": 1})


def test_connects_that_fail(namespace, collector):
    blocking = namespace.socket()
    blocking.setblocking(True)  # the kernel wipes the record then
    with contextlib.suppress(ConnectionRefusedError):
        blocking.connect(("127.0.0.1", 9))
    blocking.close()
    expect(collector, {"connect_failed": 1})
    refused = namespace.connect(("127.0.0.1", 9), wait=False)
    state_is(refused, "CLOSE")
    refused.close()
    expect(collector, {"connect_failed": 1, "refused": 1})
    listener = namespace.listen()
    with namespace.silence(listener.getsockname()[1]):
        silent = namespace.connect(listener.getsockname(), wait=False)
        silent.close()
        expect(collector, {"connect_failed": 1, "refused": 1, "unanswered": 1})


def test_what_was_no_connection_has_no_end(namespace, collector):
    namespace.socket().close()
    bound = namespace.socket()
    bound.bind(("127.0.0.1", 0))
    bound.close()
    listener = namespace.listen()
    listener.close()
    listener = namespace.listen()
    collector.sweep()
    listener.close()
    sweep = collector.wait_for(lambda seen: seen["collector"]["events"] >= 4 and seen)
    assert ends_of(sweep) == {}


def test_data_that_nobody_answers(namespace, collector):
    pair = namespace.pair()
    collector.sweep()
    with namespace.silence(pair.port):
        pair.client.send(b"x")
        collector.wait_for(lambda sweep: trouble_of(unit_of(sweep), "retransmitting"))
        pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)
        state_is(pair.client, "CLOSE")
        pair.client.close()
        expect(collector, {"timeout": 1})


def test_data_that_nobody_answers_between_two_sweeps(namespace, collector):
    pair = namespace.pair()
    pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 300)
    with namespace.silence(pair.port):
        pair.client.send(b"x")
        state_is(pair.client, "CLOSE")
        pair.client.close()
        expect(collector, {"timeout_or_reset": 1})


def test_a_reset_in_the_midst_of_retransmissions(namespace, collector):
    pair = namespace.pair()
    settled(pair, 4)
    with contextlib.ExitStack() as silence:
        silence.enter_context(namespace.silence(pair.port))
        pair.client.send(b"x")
        collector.wait_for(lambda sweep: trouble_of(unit_of(sweep), "retransmitting"))
        # first this, so that no retransmission comes through
        with namespace.rules(f"tcp dport {pair.port} reject with tcp reset"):
            silence.close()
            state_is(pair.client, "CLOSE")
    pair.client.close()
    expect(collector, {"reset": 1})


def keep_alive(sock, count):
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, count)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def test_keepalive_that_nobody_answers(namespace, collector):
    pair = namespace.pair()
    with namespace.silence(pair.port):
        collector.sweep()
        keep_alive(pair.client, 2)
        state_is(pair.client, "CLOSE")
        pair.client.close()
        expect(collector, {"keepalive_timeout": 1})


def test_keepalive_that_is_answered_with_a_reset(namespace, collector):
    pair = namespace.pair()
    settled(pair, 4)
    with namespace.rules(f"tcp dport {pair.port} reject with tcp reset"):
        collector.sweep()
        keep_alive(pair.client, 5)
        state_is(pair.client, "CLOSE")
        pair.client.close()
    expect(collector, {"reset": 1})


def test_a_peer_that_never_read(namespace, collector):
    pair = namespace.pair()
    pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)
    pair.client.setblocking(False)
    with contextlib.suppress(BlockingIOError, TimeoutError):
        while True:
            pair.client.send(b"x" * 65536)
    state_is(pair.client, "CLOSE")
    pair.client.close()
    expect(collector, {"window_closed": 1})


def test_a_host_that_does_not_transmit(namespace, collector):
    pair = namespace.pair()
    pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 500)
    with namespace.rules(f"tcp dport {pair.port} drop", hook="output"):
        pair.client.send(b"x")
        state_is(pair.client, "CLOSE")
        pair.client.close()
        expect(collector, {"never_sent": 1})


def test_retransmissions_of_the_short_are_counted(namespace, collector):
    pair = namespace.pair()
    pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)
    with namespace.silence(pair.port):
        pair.client.send(b"x")
        state_is(pair.client, "CLOSE")
        sent_again = linux.tcp_info(pair.client)["total_retrans"]
        pair.client.close()
    assert sent_again >= 2
    expect(collector, {"timeout_or_reset": 1})
    assert unit_of(collector.seen())["retransmitted_segments"] == sent_again


# --- many

def make_short_connections(namespace, count):
    """Connections that are opened, used and closed at once, from both sides."""
    listener = namespace.listen(backlog=1000)
    answered = threading.Semaphore(0)

    def serve():
        for _ in range(count):
            server, _ = listener.accept()
            with server:
                server.recv(10)
            answered.release()

    server = threading.Thread(target=serve)
    server.start()
    with namespace.entered():
        for _ in range(count):
            with socket.create_connection(listener.getsockname()) as client:
                client.send(b"x")
                client.shutdown(socket.SHUT_WR)
                client.recv(1)
            answered.acquire()
    server.join()


def all_told(sweep, count):
    """The sweep, if the ends that were counted and the records that were lost are count."""
    lost = sweep["collector"]["events_lost"]
    return sum(ends_of(sweep).values()) + lost == count and sweep


def test_ten_thousand_between_two_sweeps(namespace, collector):
    make_short_connections(namespace, 10000)
    sweep = collector.wait_for(lambda seen: all_told(seen, 20000))
    assert set(ends_of(sweep)) == {"closed"}
    assert collector.value("connhealth_sockets_events_lost_total") == \
        sweep["collector"]["events_lost"]


def dropped(namespace):
    """Records that found no room in the daemon's buffer, by the kernel's own account."""
    head, *lines = namespace.run("cat", "/proc/net/netlink").stdout.splitlines()
    rows = [dict(zip(head.split(), line.split())) for line in lines]
    return sum(int(row["Drops"]) for row in rows if int(row["Eth"]) == NETLINK_SOCK_DIAG)


def test_what_is_lost_is_counted_and_nothing_stops(namespace, collect):
    """Nobody reads the records for a while: the kernel drops those beyond the buffer, which is
    smaller without CAP_NET_ADMIN."""
    collector = collect(prefix=["setpriv", "--bounding-set=-net_admin"])
    assert [one["what"] for one in collector.seen()["collector"]["missing"]] == ["event_buffer"]
    collector.process.signal(signal.SIGSTOP)
    for _ in range(2):
        make_short_connections(namespace, 12000)
    # the work queue may be far behind: woken now, the daemon would keep up with it
    poll_until(lambda: dropped(namespace), 60, "the buffer runs over")
    collector.process.signal(signal.SIGCONT)
    sweep = collector.wait_for(lambda seen: all_told(seen, 48000))
    lost = sweep["collector"]["events_lost"]
    assert lost > 0
    before = ends_of(sweep)["closed"]
    make_short_connections(namespace, 100)
    sweep = collector.wait_for(lambda seen: ends_of(seen)["closed"] == before + 200 and seen)
    assert sweep["collector"]["events_lost"] == lost
    assert trouble_of(unit_of(sweep), "dead") is None


def test_memory_follows_the_sockets(namespace, collector):
    before = collector.sweep()["collector"]["remembered"]
    listener = namespace.listen(backlog=4096)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        pairs = [namespace.pair(listener=listener) for _ in range(2000)]
        sweep = collector.sweep()["collector"]
        assert sweep["remembered"] == before + 4001
        assert sweep["remembered_bytes"] <= 64 * sweep["remembered"]
        for pair in pairs:
            pair.client.close()
            pair.server.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    sweep = collector.wait_for(
        lambda seen: seen["collector"]["remembered"] == before + 1 and seen["collector"])
    assert sweep["remembered_bytes"] < 64 * 1024
