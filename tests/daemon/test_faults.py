# SPDX-License-Identifier: Apache-2.0
"""What should never bring connhealthd down, and what must not outlive it."""

import os
import random
import resource
import signal
import socket
import threading
import time

import pytest

from daemon import CALM, ms, seconds, unused_port
from real_servers import Redis
from test_servers import PING, failures_of, group


def test_exhausted_descriptors_are_not_the_targets_fault(daemon, redis):
    """The limit falls below what is open, so that every new socket fails, and rises again."""
    watcher = daemon(group(redis, pace=CALM, connect={}, heartbeat=dict(PING)))
    for probe in ("connect", "heartbeat"):
        watcher.wait_success(probe)
    pid = watcher.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    mark = len(watcher.process.lines)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        # HTTP cannot be accepted now either: the log tells
        watcher.process.wait_line(lambda line: "local_resource" in line, seconds(40), mark)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    watcher.wait_success("connect")
    assert failures_of(watcher.target("connect")).keys() == {"local_resource"}
    assert failures_of(watcher.target("heartbeat")) == {}, "a held connection needs nothing new"
    causes = watcher.samples("connhealth_probe_causes_total", category="local_resource")
    assert {dict(labels)["cause"] for labels in causes} == {"local_limit"}


def test_success_keeps_its_value_while_this_host_is_short(daemon):
    """More targets than descriptors: those that got none are never called failed."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    port = listener.getsockname()[1]
    taken = []

    def accept():
        while True:
            try:
                taken.append(listener.accept()[0])
            except OSError:
                return

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    targets = [f"127.0.1.{number}:{port}" for number in range(1, 201)]
    watcher = daemon("groups: []\n")
    pid = watcher.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (120, limits[1]))
    watcher.configure({"groups": [{
        "name": "many", "interval": ms(500), "timeout": ms(500), "keepalive": {"idle": "30s"},
        "static_configs": [{"targets": targets}],
    }]})
    try:
        watcher.process.signal(signal.SIGHUP)
        watcher.process.wait_line(lambda line: "local_resource" in line, seconds(40))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        watcher.wait(lambda: all(t["success"] for t in watcher.targets()), 30, "all succeed")
        failures = watcher.samples("connhealth_probe_failures_total")
        wrong = {labels for labels, count in failures.items()
                 if count and ("category", "local_resource") not in labels}
        assert not wrong
        assert sum(failures.values()) > 0
    finally:
        watcher.stop()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(10)
        for connection in taken:
            connection.close()


def garbage():
    random.seed(10337)
    yield b""
    yield b"\x00" * 100
    yield b"GET"
    yield b"GET / HTTP/9.9\r\n\r\n"
    yield b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"
    yield b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"
    yield b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"
    yield b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"
    yield b"GET /%00%ff%zz?limit=%f HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # a TLS ClientHello
    for _ in range(50):
        yield random.randbytes(random.randrange(1, 3000))


def test_garbage_on_the_http_port(daemon, redis):
    address = ("127.0.0.1", unused_port())
    watcher = daemon(group(redis, connect={}), listen="127.0.0.1:%d" % address[1])
    for junk in garbage():
        with socket.create_connection(address, timeout=seconds(30)) as client:
            # what is no whole request may be waited for until its deadline: we do not
            client.settimeout(0.2)
            try:
                client.sendall(junk)
                while client.recv(65536):
                    pass
            except OSError:
                pass  # it may close on us at any point
        assert watcher.process.running(), junk[:80]
    assert watcher.get("/-/healthy").status == 200
    watcher.wait_success("connect")


def test_idle_clients_do_not_lock_others_out(daemon, redis):
    address = ("127.0.0.1", unused_port())
    watcher = daemon(group(redis, connect={}), listen="127.0.0.1:%d" % address[1])
    clients = []
    try:
        for _ in range(300):
            client = socket.create_connection(address, timeout=seconds(30))
            clients.append(client)
            try:
                client.sendall(b"GET /metrics HTT")
            except OSError:
                pass
        assert watcher.get("/metrics").status == 200
        watcher.wait_success("connect")
    finally:
        for client in clients:
            client.close()
    watcher.wait(lambda: watcher.process.descriptors() < 100, 40, "their descriptors are given back")


def test_killed_at_any_time_it_starts_again_at_once(daemon, redis):
    port, responder = unused_port(), unused_port()
    tree = group(redis, connect={}, heartbeat=dict(PING))
    tree["responder"] = {"listen": [f"127.0.0.1:{responder}"]}
    watcher = daemon(tree, listen=f"127.0.0.1:{port}")
    for pause in (0, 0.02, 0.1):
        with socket.create_connection(("127.0.0.1", port)), \
                socket.create_connection(("127.0.0.1", responder)):
            time.sleep(pause)  # to be at another point of its life, whichever
            watcher.kill()
        watcher.start()
    watcher.wait_success("heartbeat")


def test_sigterm_ends_it_within_a_second(daemon, redis):
    """The best of ten, so that a busy machine does not decide."""
    took = []
    for _ in range(10):
        watcher = daemon(group(redis, connect={}, heartbeat=dict(PING)))
        watcher.wait_success("heartbeat")
        took.append(watcher.stop())
        if took[-1] < seconds(1):
            return
    pytest.fail(f"it took {took} s")


def test_sigterm_under_load(daemon, server):
    service = server(Redis)
    targets = [f"127.0.0.1:{service.port}"] + [f"127.0.2.{n}:9" for n in range(1, 200)]
    port = unused_port()
    watcher = daemon({
        "responder": {"listen": [f"127.0.0.1:{port}"]},
        "groups": [
            {"name": "busy", "interval": ms(100), "timeout": ms(100), "connect": {},
             "heartbeat": dict(PING), "static_configs": [{"targets": targets}]},
            {"name": "own", "interval": ms(100), "timeout": ms(100), "heartbeat": {},
             "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
        ],
    })
    watcher.wait_success("heartbeat", group="own")
    halt = threading.Event()

    def scrape():
        while not halt.is_set():
            try:
                watcher.get("/metrics")
            except OSError:
                return

    scrapers = [threading.Thread(target=scrape) for _ in range(4)]
    for one in scrapers:
        one.start()
    try:
        watcher.wait(lambda: watcher.value("connhealth_probe_attempts_total", group="own") > 5)
        watcher.stop()
    finally:
        halt.set()
        for one in scrapers:
            one.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_end_it(daemon, number):
    watcher = daemon("groups: []\n")
    watcher.process.signal(number)
    assert watcher.process.status(seconds(40)) == 0


def test_signals_that_do_not(daemon):
    watcher = daemon("groups: []\n")
    watcher.process.signal(signal.SIGPIPE)
    assert watcher.get("/-/healthy").status == 200


def test_its_unix_socket_goes_with_it(daemon):
    watcher = daemon("groups: []\n")
    assert os.path.exists(watcher.socket)
    watcher.stop()
    assert not os.path.exists(watcher.socket)


def test_the_host_itself_without_any_group(daemon):
    watcher = daemon("")
    assert watcher.targets() == []
    assert watcher.value("connhealth_targets") == 0
    assert watcher.json("/api/v1/status")["version"]
