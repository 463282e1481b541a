# SPDX-License-Identifier: Apache-2.0
"""Connections that are in trouble now: what is said of them, of their unit and of their listener."""

import contextlib
import pathlib
import select
import socket
import time

import linux
import pytest
from collector import listener_of, states_of, trouble_of, unit_of
from namespace import TCP_USER_TIMEOUT
from process import poll_until


def address_of(sock):
    return "{}:{}".format(*sock.getsockname()[:2])


def unit_trouble(sweep, kind):
    return trouble_of(unit_of(sweep), kind)


def fill(sock):
    """Writes until nothing more goes in and the peer's window is closed."""
    sock.setblocking(False)

    def full():
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.send(b"x" * 65536)
        return linux.tcp_info(sock)["snd_wnd"] == 0 and not select.select([], [sock], [], 0)[1]

    poll_until(full, 60, "the window closes")


def state_is(sock, state):
    poll_until(lambda: linux.tcp_info(sock)["state"] == state, 60, state)


def test_a_service_that_never_closes(namespace, collector):
    leaking = namespace.pair()
    pairs = [namespace.pair(listener=leaking.listener) for _ in range(2)]
    closing = time.monotonic()
    for pair in pairs:
        pair.client.shutdown(socket.SHUT_WR)
    for pair in pairs:
        state_is(pair.server, "CLOSE_WAIT")
    closed = time.monotonic()
    sweep = collector.sweep()
    assert states_of(sweep)["ipv4", "close_wait"] == 2
    first = unit_trouble(sweep, "close_wait")
    assert first["sockets"] == 2
    assert first["worst"]["local"].endswith(f":{leaking.port}")

    # The age is kept from sweep to sweep, even while the connection is used.
    time.sleep(1)
    pair.server.send(b"still here")
    known = time.monotonic() - closed
    sweep = collector.sweep()
    aged = unit_trouble(sweep, "close_wait")["worst"]["age_seconds"]
    assert known - 0.2 < aged <= time.monotonic() - closing + 0.5
    assert unit_of(sweep)["close_wait_oldest_seconds"] == aged
    assert trouble_of(listener_of(sweep, leaking.port), "close_wait")["sockets"] == 2


def test_close_wait_is_as_old_as_it_is_to_a_daemon_that_comes_later(namespace, collect):
    pair = namespace.pair()
    closing = time.monotonic()
    pair.client.close()
    state_is(pair.server, "CLOSE_WAIT")
    poll_until(lambda: linux.tcp_info(pair.server)["last_ack_recv"] > 1000, 60, "a second")
    sweep = collect().seen()
    age = unit_trouble(sweep, "close_wait")["worst"]["age_seconds"]
    assert 1 <= age <= time.monotonic() - closing + 0.5


def test_retransmitting_with_its_stage(namespace, collector):
    pair = namespace.pair()
    begun = time.monotonic()
    collector.sweep()
    retries = int(namespace.run("cat", "/proc/sys/net/ipv4/tcp_retries2").stdout)
    with namespace.silence(pair.port):
        pair.client.send(b"x" * 1000)
        collector.wait_for(lambda sweep: unit_trouble(sweep, "retransmitting"))
        poll_until(lambda: linux.tcp_info(pair.client)["retransmits"] >= 3, 60, "three rounds")
        sweep = collector.sweep()
        found = unit_trouble(sweep, "retransmitting")
        assert found["sockets"] == 1
        assert found["worst"]["rounds"] >= 3
        assert found["worst"]["limit"] == retries
        assert found["worst"]["local"] == address_of(pair.client)
        assert found["worst"]["remote"] == f"127.0.0.1:{pair.port}"
        unacknowledged = unit_trouble(sweep, "unacknowledged")["worst"]
        assert unacknowledged["bytes"] == 1000
        assert 1 < unacknowledged["age_seconds"] <= time.monotonic() - begun + 0.5
        assert unit_of(sweep)["send_queue_bytes"] == 1000
        assert unit_of(sweep)["retransmitted_segments"] >= 3
        # it is the client that retransmits, not what the listener accepted
        assert trouble_of(listener_of(sweep, pair.port), "retransmitting") is None
    # The path heals, and with it the connection.
    collector.wait_for(lambda sweep: not unit_trouble(sweep, "retransmitting"))
    assert unit_of(collector.sweep())["send_queue_bytes"] == 0


def test_a_peer_that_does_not_read(namespace, collector):
    pair = namespace.pair()
    fill(pair.server)
    sweep = collector.wait_for(
        lambda sweep: unit_trouble(sweep, "zero_window") and sweep)
    window = unit_trouble(sweep, "zero_window")
    assert window["sockets"] == 1
    assert window["worst"]["local"] == f"127.0.0.1:{pair.port}"
    assert window["worst"]["bytes"] > 10000
    full = unit_trouble(sweep, "send_buffer_full")
    assert full["sockets"] == 1
    assert full["worst"]["bytes"] >= window["worst"]["bytes"]
    # the one that does not write is the listener's: it sees it too
    assert trouble_of(listener_of(sweep, pair.port), "zero_window")["sockets"] == 1
    assert unit_of(sweep)["receive_queue_bytes"] > 10000
    before = window["worst"]["age_seconds"]
    sweep = collector.wait_for(lambda sweep: unit_trouble(
        sweep, "zero_window")["worst"]["age_seconds"] > before and sweep)
    while unit_trouble(sweep, "zero_window"):
        with contextlib.suppress(BlockingIOError):
            pair.client.setblocking(False)
            while pair.client.recv(1 << 20):
                pass
        sweep = collector.sweep()


def test_keepalive_probes_unanswered(namespace, collector):
    pair = namespace.pair()
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, 100)):
        pair.client.setsockopt(socket.IPPROTO_TCP, option, value)
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert unit_trouble(collector.sweep(), "keepalive_unanswered") is None
    with namespace.silence(pair.port):
        found = collector.wait_for(lambda sweep: unit_trouble(sweep, "keepalive_unanswered"))
    assert found["sockets"] == 1
    assert found["worst"]["probes"] >= 1
    assert found["worst"]["age_seconds"] >= 1
    assert found["worst"]["local"] == address_of(pair.client)


def test_a_connect_that_gets_no_answer(namespace, collector):
    port = namespace.listen().getsockname()[1]
    retries = sum(int(namespace.run("cat", path).stdout) for path in (
        "/proc/sys/net/ipv4/tcp_syn_retries", "/proc/sys/net/ipv4/tcp_syn_linear_timeouts")
        if pathlib.Path(path).exists())
    with namespace.silence(port):
        namespace.connect(("127.0.0.1", port), wait=False)
        collector.sweep()
        # its age begins with the first sweep that saw it, maybe after the first round
        found = collector.wait_for(
            lambda sweep: (lambda t: t["worst"]["rounds"] >= 1 and
                           t["worst"]["age_seconds"] > 0.5 and t)(unit_trouble(sweep, "syn_sent")))
    assert found["sockets"] == 1
    assert found["worst"]["limit"] == retries
    assert found["worst"]["remote"] == f"127.0.0.1:{port}"


def test_half_closed_and_orphaned(namespace, collector):
    half = namespace.pair()
    half.client.shutdown(socket.SHUT_WR)
    state_is(half.client, "FIN_WAIT2")
    orphan = namespace.pair()
    with namespace.silence(orphan.port):
        orphan.client.send(b"x" * 10)
        orphan.client.close()
        sweep = collector.sweep()
        found = unit_trouble(sweep, "orphan")
        assert found["sockets"] == 1
        assert found["worst"]["bytes"] == 11  # and its FIN
        assert unit_trouble(sweep, "fin_wait2")["worst"]["local"] == address_of(half.client)


def test_an_accept_queue_that_is_full(namespace, collector):
    listener = namespace.listen(backlog=2)
    port = listener.getsockname()[1]
    assert listener_of(collector.sweep(), port)["full"] is False
    clients = [namespace.connect(("127.0.0.1", port), wait=False) for _ in range(6)]
    poll_until(lambda: sum(linux.tcp_info(one)["state"] == "ESTABLISHED" for one in clients) >= 3,
               60, "three are made")
    found = collector.wait_for(lambda sweep: (lambda one: one["drops"] > 0 and one)(
        listener_of(sweep, port)))
    assert found["backlog"] == 3  # one more than its limit: tcp(7), sk_acceptq_is_full()
    assert found["backlog_limit"] == 2
    assert found["full"] is True
    labels = {"address": "127.0.0.1", "port": str(port), "unit": found["unit"]}
    assert collector.value("connhealth_listener_backlog", **labels) == 3
    assert collector.value("connhealth_listener_backlog_limit", **labels) == 2
    assert collector.value("connhealth_listener_drops_total", **labels) >= found["drops"]
    assert collector.value("connhealth_kernel_tcp_events_total", event="listen_overflows") >= 1


def test_dead_and_held(namespace, collector):
    """The owner sits on a connection that is over: no row, and no record of its end."""
    pair = namespace.pair()
    collector.sweep()
    pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 300)
    with namespace.silence(pair.port):
        pair.client.send(b"x")
        state_is(pair.client, "CLOSE")
        collector.sweep()
        found = collector.wait_for(lambda sweep: unit_trouble(sweep, "dead"))
        assert found["sockets"] == 1
        pair.client.close()
        collector.wait_for(lambda sweep: not unit_trouble(sweep, "dead"))


@pytest.mark.parametrize("name", ["EstabResets", "OutRsts"])
def test_the_kernels_counters_are_those_of_the_namespace(namespace, collector, name):
    slug = {"EstabResets": "estab_resets", "OutRsts": "out_rsts"}[name]
    before = collector.sweep()["kernel_events"][slug]
    pair = namespace.pair()
    pair.client.send(b"unread")
    poll_until(lambda: linux.unread(pair.server), 60, "it has come")
    pair.server.close()
    state_is(pair.client, "CLOSE")
    after = collector.sweep()["kernel_events"][slug]
    assert after > before
    text = namespace.run("cat", "/proc/net/snmp").stdout.splitlines()
    names, numbers = (line.split() for line in text if line.startswith("Tcp:"))
    assert int(numbers[names.index(name)]) == after
    assert pathlib.Path("/proc/net/snmp").read_text().splitlines() != text, "another namespace's"
