# SPDX-License-Identifier: Apache-2.0
"""What a server sees of its clients: connhealth_responder_ends_total, one client an end."""

import re
import socket
import struct

import pytest

from daemon import seconds, unused_port
from process import poll_until

REQUEST = b"CHB1\x01\0\0\0" + struct.pack(">Q", 7) + bytes(56)


@pytest.fixture
def responder(daemon):
    """responder(settings): (daemon, address)."""

    def make(**settings):
        address = ("127.0.0.1", unused_port())
        return daemon({"responder": {"listen": ["%s:%d" % address], **settings}}), address

    return make


def connect(address):
    return socket.create_connection(address, timeout=seconds(30))


def heartbeat(client):
    client.sendall(REQUEST)
    reply = client.recv(72, socket.MSG_WAITALL)
    assert reply[:16] == b"CHB1\x02\0\0\0" + struct.pack(">Q", 7)
    return reply


def close_by_reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def ends_of(daemon):
    return {(labels["phase"], labels["category"]): value for labels, value in (
        (dict(labels), value)
        for labels, value in daemon.samples("connhealth_responder_ends_total").items()) if value}


def reset_while_idle(client):
    heartbeat(client)
    close_by_reset(client)


def end_in_the_middle(client):
    client.sendall(REQUEST[:40])
    client.close()


def reset_in_the_middle(client):
    client.sendall(REQUEST[:40])
    close_by_reset(client)


def leave_the_reply_unread(client):
    client.sendall(REQUEST)
    client.recv(1, socket.MSG_PEEK)
    client.close()


def send_garbage(client):
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert client.recv(1) == b""
    client.close()


@pytest.mark.parametrize("end,phase,category", [
    (reset_while_idle, "idle", "reset"),
    (end_in_the_middle, "receive", "eof"),
    (reset_in_the_middle, "receive", "reset"),
    (leave_the_reply_unread, "idle", "reset"),
    (send_garbage, "receive", "bad_reply"),
])
def test_each_end_has_its_phase_and_category(responder, end, phase, category):
    answering, address = responder()
    client = connect(address)
    answering.wait(lambda: answering.value("connhealth_responder_connections") == 1)
    end(client)
    answering.wait(lambda: ends_of(answering) == {(phase, category): 1},
                   what=f"one end in {phase} as {category}")
    with connect(address) as client:
        heartbeat(client)


def test_a_clean_end_is_no_failure(responder):
    answering, address = responder()
    with connect(address) as client:
        heartbeat(client)
    answering.wait(lambda: answering.value("connhealth_responder_connections") == 0)
    assert answering.value("connhealth_responder_accepts_total") == 1
    assert ends_of(answering) == {}


def test_an_idle_client_is_dropped(responder):
    answering, address = responder(idle_timeout="2s")
    with connect(address) as client:
        heartbeat(client)
        assert client.recv(1) == b""
    assert ends_of(answering) == {("idle", "timeout"): 1}


def listed(address, port):
    """Whether the kernel lists a connection between the two ports."""
    with open("/proc/net/tcp") as table:
        return any(re.search(f":{address[1]:04X} ", row) and re.search(f":{port:04X} ", row)
                   for row in table)


def test_a_reset_that_overtakes_accept_is_aborted(responder):
    """The responder is held while a client comes and goes: accept then hands out a dead socket."""
    answering, address = responder()
    answering.process.freeze()
    client = connect(address)
    port = client.getsockname()[1]
    close_by_reset(client)
    poll_until(lambda: not listed(address, port), seconds(40), "the reset has arrived")
    answering.process.thaw()
    answering.wait(lambda: ends_of(answering) == {("accept", "aborted"): 1})
    with connect(address) as again:
        heartbeat(again)
    assert answering.value("connhealth_responder_accepts_total") == 2


def test_sigterm_says_goodbye(responder):
    answering, address = responder()
    with connect(address) as spoken, connect(address) as silent:
        ids = heartbeat(spoken)[40:]
        answering.stop()
        goodbye = spoken.recv(72, socket.MSG_WAITALL)
        assert goodbye[:8] == b"CHB1\x03\0\0\0" and goodbye[40:] == ids
        assert spoken.recv(1) == b"" and silent.recv(1) == b""
