# SPDX-License-Identifier: Apache-2.0
"""The native heartbeat between two connhealthd: one answers, one watches."""

import socket

import pytest

from daemon import CALM, seconds, unused_port
from test_servers import GONE, HUNG, REFUSED, failures_of, first_failure, has



def watching(address, transport="tcp", probe="heartbeat"):
    return {"groups": [{
        "name": "native", "transport": transport, "interval": CALM, "timeout": CALM,
        probe: {}, "static_configs": [{"targets": [address]}],
    }]}


@pytest.fixture
def pair(daemon):
    """(answering, watching) over tcp or udp."""

    def make(transport="tcp"):
        address = f"127.0.0.1:{unused_port()}"
        answering = daemon({"responder": {"listen": [address]}})
        watcher = daemon(watching(address, transport))
        watcher.wait_success("heartbeat")
        return answering, watcher

    return make


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_healthy(pair, transport):
    answering, watcher = pair(transport)
    before = answering.value("connhealth_responder_heartbeats_total")
    assert failures_of(watcher.wait_success("heartbeat")) == {}
    answering.wait(lambda: answering.value("connhealth_responder_heartbeats_total") > before)
    if transport == "tcp":
        assert watcher.value("connhealth_connection_opens_total") == 1
        assert answering.value("connhealth_responder_connections") == 1
        assert answering.value("connhealth_responder_accepts_total") == 1


def test_a_clean_stop_says_goodbye(pair):
    answering, watcher = pair()
    answering.stop()
    watcher.wait_failure("heartbeat", **REFUSED)
    first = first_failure(watcher, "heartbeat")
    assert has(first, {"category": "eof", "wire": "fin", "cause": "peer_shutdown", "certain": True})


def test_a_kill_does_not(pair):
    answering, watcher = pair()
    answering.kill()
    watcher.wait_failure("heartbeat", **REFUSED)
    assert has(first_failure(watcher, "heartbeat"), GONE)
    answering.start()
    watcher.wait_success("heartbeat")


def test_a_restart_is_told_by_the_instance(pair):
    """The watcher is held while the other restarts: its confirming connect meets the new instance."""
    answering, watcher = pair()
    watcher.process.freeze()
    answering.kill()
    answering.start()
    watcher.process.thaw()
    watcher.wait(lambda: failures_of(watcher.target("heartbeat")), what="the break is noticed")
    first = first_failure(watcher, "heartbeat")
    assert has(first, {"category": "eof", "cause": "peer_restarted", "certain": True}), first
    watcher.wait_success("heartbeat")


def test_a_hung_responder(pair):
    answering, watcher = pair()
    answering.process.freeze()
    watcher.wait_failure("heartbeat", **HUNG)
    answering.process.thaw()
    assert failures_of(watcher.wait_success("heartbeat")).keys() == {"timeout"}


def test_udp_killed_hung_and_restarted(pair):
    answering, watcher = pair("udp")
    answering.process.freeze()
    watcher.wait_failure("heartbeat", category="timeout", phase="receive", cause="no_answer")
    answering.process.thaw()
    watcher.wait_success("heartbeat")
    answering.kill()
    watcher.wait_failure("heartbeat", category="refused", wire="icmp", cause="port_closed")
    answering.start()
    assert failures_of(watcher.wait_success("heartbeat")).keys() == {"timeout", "refused"}


def test_the_responder_counts_how_its_clients_end(pair):
    answering, watcher = pair()
    watcher.kill()  # the kernel closes for it: a reset or a FIN, but never a heartbeat more
    answering.wait(lambda: answering.value("connhealth_responder_connections") == 0)


def test_the_responder_survives_garbage(daemon):
    address = ("127.0.0.1", unused_port())
    answering = daemon({"responder": {"listen": [f"127.0.0.1:{address[1]}"]}})
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagrams:
        datagrams.connect(address)
        for size in (0, 1, 71, 72, 73, 1400):
            for start in (b"", b"CHB1", b"CHB1\x01", b"CHB2\x01\x00\x00\x00"):
                datagrams.send((start + b"\xff" * size)[:size])
        datagrams.settimeout(0.3)
        # nothing but well-formed requests is answered: no amplifier, no reflector
        with pytest.raises(TimeoutError):
            datagrams.recv(2048)
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"CHB1" + b"\xff" * 200, b"\x00" * 4096):
        with socket.create_connection(address, timeout=seconds(30)) as client:
            client.sendall(junk)
            try:
                assert client.recv(100) == b""
            except ConnectionResetError:
                pass  # we had sent more than it cared to read
    watcher = daemon(watching("127.0.0.1:%d" % address[1]))
    watcher.wait_success("heartbeat")


def test_the_responder_caps_connections_of_one_address(daemon):
    address = ("127.0.0.1", unused_port())
    answering = daemon({"responder": {"listen": [f"127.0.0.1:{address[1]}"],
                                      "max_connections_per_address": 8}})
    clients = [socket.create_connection(address, timeout=seconds(30)) for _ in range(20)]
    try:
        answering.wait(lambda: answering.value("connhealth_responder_connections") == 8)
        closed = 0
        for client in clients[8:]:
            try:
                closed += client.recv(1) == b""
            except ConnectionResetError:
                closed += 1
        assert closed == 12
    finally:
        for client in clients:
            client.close()
    answering.wait(lambda: answering.value("connhealth_responder_connections") == 0)
    assert answering.process.running()
