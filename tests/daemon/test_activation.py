# SPDX-License-Identifier: Apache-2.0
"""Sockets passed by systemd's protocol (sd_listen_fds(3)): they are served, outlive the daemon, and
what cannot be used is an error that says what would be right."""

import contextlib
import http.client
import os
import socket
import struct
import threading

import pytest

from daemon import DAEMON, sanitizer_environment, seconds, unused_port
from process import Process, poll_until

# Becomes its arguments with the descriptors of the first, named by the second, as 3, 4, …
PASS = """
import os, sys
given = [int(word) for word in sys.argv[1].split(",") if word]
for index, one in enumerate(given):
    os.dup2(one, 100 + index)
for index in range(len(given)):
    os.dup2(100 + index, 3 + index)
if given:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)))
if sys.argv[2]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execvp(sys.argv[3], sys.argv[3:])
"""
# A stop waits so long for who has asked already, and then cuts him off: it cannot wait for ever on
# a machine that is too busy to answer.
DRAIN_S = 0.5
CUT_OFF = (http.client.IncompleteRead, ConnectionResetError)
REQUEST = b"CHB1\x01\0\0\0" + struct.pack(">Q", 7) + bytes(56)


def passing(sockets, names):
    numbers = ",".join(str(one.fileno()) for one in sockets)
    return {
        "prefix": ["/usr/bin/python3", "-c", PASS, numbers, ":".join(names)],
        "descriptors": [one.fileno() for one in sockets],
    }


@pytest.fixture
def opened():
    """opened(port): a TCP socket that listens on loopback; kind=SOCK_DGRAM: a UDP one."""
    with contextlib.ExitStack() as stack:

        def make(port=0, kind=socket.SOCK_STREAM):
            one = stack.enter_context(socket.socket(socket.AF_INET, kind))
            one.bind(("127.0.0.1", port))
            if kind == socket.SOCK_STREAM:
                one.listen(64)
            return one

        yield make


def ask(address):
    connection = http.client.HTTPConnection(*address, timeout=seconds(40))
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_restarts_refuse_no_scrape(daemon, opened):
    listener = opened()
    address = listener.getsockname()
    one = daemon("groups: []\n", arguments=["--web.systemd-socket"], **passing([listener], ["http"]))
    done, failures, scrapes = threading.Event(), [], []

    def scrape():
        while not done.is_set():
            try:
                status, body = ask(address)
                assert status == 200 and b"connhealth_build_info" in body
                scrapes.append(len(body))
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        for _ in range(20):
            excused = CUT_OFF if one.stop() >= DRAIN_S else ()
            before = len(scrapes)
            one.start()
            one.wait(lambda: len(scrapes) > before + 1, what="scrapes go on")
            assert all(isinstance(error, excused) for error in failures), failures
            failures.clear()
    finally:
        done.set()
        thread.join()
    assert not failures
    assert len(scrapes) >= 40


def test_who_asks_while_it_is_down_is_answered_when_it_is_up(daemon, opened):
    listener = opened()
    one = daemon("groups: []\n", arguments=["--web.systemd-socket"], **passing([listener], ["http"]))
    one.stop()
    with socket.create_connection(listener.getsockname(), seconds(40)) as client:
        client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
        one.start()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def responder_sockets(opened):
    port = unused_port()
    return [opened(port), opened(port, socket.SOCK_DGRAM)], f"127.0.0.1:{port}"


def test_sockets_of_the_responder_are_used_instead_of_bound_again(daemon, opened):
    sockets, address = responder_sockets(opened)
    configuration = {"responder": {"listen": [address]}}
    one = daemon(configuration, arguments=["--web.systemd-socket"],
                 **passing([opened(), *sockets], ["http", "responder", "responder"]))
    one.stop()
    # both wait in the kernel until it is back
    with socket.create_connection(sockets[0].getsockname(), seconds(40)) as stream, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(seconds(40))
        datagrams.connect(sockets[1].getsockname())
        stream.sendall(REQUEST)
        datagrams.send(REQUEST)
        one.start()
        reply = b"CHB1\x02\0\0\0" + struct.pack(">Q", 7)
        assert stream.recv(72, socket.MSG_WAITALL).startswith(reply)
        assert datagrams.recv(100).startswith(reply)
        # and over a reload that starts the responder anew
        one.configure({"responder": {"listen": [address], "max_connections": 7}})
        assert one.reload()
        datagrams.send(REQUEST)
        assert datagrams.recv(100).startswith(reply)
    assert "is not served" not in one.log_text


def test_one_stream_socket_is_completed_by_a_bound_datagram_socket(daemon, opened):
    port = unused_port()
    daemon({"responder": {"listen": [f"127.0.0.1:{port}"]}}, arguments=["--web.systemd-socket"],
           **passing([opened(), opened(port)], ["http", "responder"]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(seconds(40))
        datagrams.connect(("127.0.0.1", port))
        datagrams.send(REQUEST)
        assert datagrams.recv(100).startswith(b"CHB1\x02")


@pytest.mark.parametrize("listen", [[], ["127.0.0.2:0"]])
def test_a_socket_of_the_responder_that_no_address_matches_is_told(daemon, opened, listen):
    sockets, address = responder_sockets(opened)
    listen = [text.replace(":0", f":{unused_port()}") for text in listen]
    one = daemon({"responder": {"listen": listen}} if listen else "groups: []\n",
                 arguments=["--web.systemd-socket"],
                 **passing([opened(), *sockets], ["http", "responder", "responder"]))

    def lines():
        return [line for line in one.log() if "is not served" in line["msg"]]

    poll_until(lambda: len(lines()) >= 2, seconds(40), "both are told")
    told = lines()
    assert [line["address"] for line in told] == [address, address]
    assert "responder.listen" in told[0]["remedy"]


@pytest.fixture
def run(tmp_path):
    """run(sockets, names): connhealthd run to its end; (status, what it said)."""
    (tmp_path / "connhealthd.yml").write_text("groups: []\n")

    def once(sockets, names, *arguments):
        process = Process([DAEMON, f"--config.file={tmp_path}/connhealthd.yml",
                           "--web.systemd-socket", *arguments],
                          environment=sanitizer_environment(), **passing(sockets, names))
        try:
            return process.status(seconds(40)), process.text
        finally:
            process.close()

    return once


def test_nothing_passed_is_an_error(run):
    status, text = run([], [])
    assert status == 2
    assert "no socket named http or https was passed" in text and len(text.splitlines()) == 1


def test_an_unknown_name_is_an_error_that_names_the_known(run, opened):
    status, text = run([opened(), opened()], ["http", "web"])
    assert status == 2
    assert '"web"' in text and "known: http, https, responder" in text
    assert "FileDescriptorName=" in text


def test_unnamed_sockets_are_an_error(run, opened):
    status, text = run([opened()], [])
    assert status == 2 and "FileDescriptorName=" in text


def test_a_socket_of_the_wrong_kind_is_an_error(run, opened):
    status, text = run([opened(0, socket.SOCK_DGRAM)], ["http"])
    assert status == 2 and "ListenStream=" in text
    with socket.socket() as deaf:
        status, text = run([opened(), deaf], ["http", "responder"])
    assert status == 2 and "ListenStream= or ListenDatagram=" in text


def test_without_the_flag_nothing_is_taken(daemon, opened):
    listener = opened()
    listener.setblocking(True)
    one = daemon("groups: []\n", **passing([listener], ["web"]))
    assert one.ready()
    assert os.get_blocking(listener.fileno())
