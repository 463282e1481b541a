# SPDX-License-Identifier: Apache-2.0
"""What needs a daemon, a responder or a stretch of time of its own: descriptors that run out, the
real responder's life, what it sees of its clients, trouble before the end, the life of idle flows."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import faults
import linux
import servers
from daemon import DAEMON
from inside import Findings, verdict_of
from process import poll_until

PORT = 7000
RESPONDER = 10338
OTHER_BOOT = "00000000-0000-4000-8000-000000000001"
BOTH = pytest.mark.parametrize("family", (4, 6))


def host(address):
    return f"[{address}]" if ":" in address else address


def one_group(address, port=PORT, interval="1s", timeout="900ms", **probe):
    return {"groups": [{"name": "g", "interval": interval, "timeout": timeout, **probe,
                        "static_configs": [{"targets": [f"{host(address)}:{port}"]}]}]}


def verdict(*words, certain):
    return (*words, certain)


@contextlib.contextmanager
def findings_of(daemon):
    found = Findings(daemon)
    try:
        yield found
    finally:
        found.close()


def first_failure(found, daemon, seconds=60):
    key, = {(t["group"], t["target"], t["probe"]) for t in daemon.targets()}
    found.wait(lambda: found.failures(key), seconds, lambda: f"a failure; {found.target(key)}")
    return found.failures(key)[0]


# -- descriptors

@BOTH
def test_descriptors_exhausted(inside, serve, family):
    """The limit falls below what is open: not the target's fault, and it recovers by itself."""
    address, _ = serve(family)
    daemon = inside(one_group(address, connect={}))
    daemon.wait_success("connect", limit=60)
    mark = len(daemon.process.lines)
    daemon.limit_descriptors(3)
    # HTTP cannot be accepted now either: the log tells
    daemon.wait(lambda: any("local_resource" in line for line in daemon.process.lines[mark:]), 60)
    daemon.limit_descriptors(1024)
    daemon.wait_success("connect", limit=60)
    events = [event for event in daemon.events() if event["success"] is False]
    assert {verdict_of(event) for event in events} == {
        verdict("connect", "local_resource", "none", "local_limit", certain=True)}
    assert {event["errno_name"] for event in events} == {"EMFILE"}


# -- the real responder

@contextlib.contextmanager
def responder(network, tmp_path, boot=None, idle_timeout="5m"):
    """connhealthd on the server's host, as a responder; boot: the boot id it shall see."""
    config = tmp_path / "responder.yml"
    config.write_text(f"responder: {{listen: ['[::]:{RESPONDER}'], idle_timeout: {idle_timeout}}}\n"
                      "sockets: {enabled: false}\n")
    argv = [str(DAEMON), f"--config.file={config}",
            f"--web.listen-address=unix:{tmp_path}/responder.sock"]
    if boot:
        (tmp_path / "boot_id").write_text(boot + "\n")
        argv = ["unshare", "--mount", "sh", "-c",
                f"mount --bind {tmp_path}/boot_id /proc/sys/kernel/random/boot_id && exec \"$@\"",
                "sh", *argv]
    with open(tmp_path / "responder.log", "ab") as log:
        task = network.server.execute(argv, log, log)
    with task:
        yield task


def until_listening(network):
    deadline = time.monotonic() + 60
    while not network.server.run("ss", "-Hltn", "sport", "=", f":{RESPONDER}"):
        assert time.monotonic() < deadline, "the responder does not listen"
        time.sleep(0.02)


def metric(daemon_socket, name, **labels):
    """The sample's value, 0 if there is none."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(daemon_socket)
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    for line in text.splitlines():
        found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
        if found and found[1] == name:
            have = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
            if labels.items() <= have.items():
                return float(found[3])
    return 0.0


@BOTH
@pytest.mark.parametrize("ending,expected", [
    ("stopped", verdict("idle", "eof", "fin", "peer_shutdown", certain=True)),
    ("killed", verdict("idle", "eof", "fin", "peer_restarted", certain=True)),
    ("rebooted", verdict("receive", "reset", "rst", "host_rebooted", certain=True)),
])
def test_the_real_responder_ends(network, inside, tmp_path, family, ending, expected):
    """It is there again at once. Its own ids say what has happened."""
    address = network.address(family)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(responder(network, tmp_path))
        until_listening(network)
        # the successor is there before the next request
        daemon = inside(one_group(address, RESPONDER, interval="5s", timeout="4s", heartbeat={}))
        found = stack.enter_context(findings_of(daemon))
        daemon.wait_success("heartbeat", limit=60)
        # what it says while it goes is repeated until its successor is there
        with faults.drop(network, address):
            first.kill(signal.SIGTERM if ending == "stopped" else signal.SIGKILL)
            first.wait()
            if ending == "rebooted":
                forget_the_dead(network)
            stack.enter_context(responder(network, tmp_path, boot=OTHER_BOOT
                                          if ending == "rebooted" else None))
            until_listening(network)
        assert verdict_of(first_failure(found, daemon)) == expected


def forget_the_dead(network):
    """The kernel goes on with what a dead process left open; a host that crashed does not."""
    network.server.run("ss", "-HKtn", "sport", "=", f":{RESPONDER}")


@BOTH
def test_the_responder_counts_how_its_clients_ended(network, tmp_path, family):
    address, path = network.address(family), f"{tmp_path}/responder.sock"
    frame = servers.FRAME.pack(b"CHB1", servers.REQUEST, 1, 0, 0, 0, b"i" * 16, b"b" * 16)

    def client():
        sock = network.client.socket(servers.family_of(address), socket.SOCK_STREAM)
        sock.settimeout(60)
        sock.connect((address, RESPONDER))
        return sock

    def reset(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, servers.LINGER_RESET)
        sock.close()

    def spoken():
        sock = client()
        sock.sendall(frame)
        assert len(sock.recv(200)) == servers.FRAME.size
        return sock

    def ended(phase, category, count=1):
        deadline = time.monotonic() + 60
        while metric(path, "connhealth_responder_ends_total", phase=phase,
                     category=category) < count:
            assert time.monotonic() < deadline, f"no {phase} {category}"
            time.sleep(0.05)

    with responder(network, tmp_path, idle_timeout="2s") as task:
        until_listening(network)
        reset(spoken())
        ended("idle", "reset")
        with spoken() as sock:
            sock.sendall(frame[:10])
        ended("receive", "eof")
        sock = spoken()
        sock.sendall(frame[:10])
        reset(sock)
        ended("receive", "reset")
        task.kill(signal.SIGSTOP)
        for number in range(3):
            sock = client()
            # a reset that overtakes the last acknowledgement would end what nobody has seen
            poll_until(lambda: waiting(network) > number, 60, "it waits to be accepted")
            reset(sock)
        poll_until(lambda: not established(network, address), 60, "the resets have arrived")
        task.kill(signal.SIGCONT)
        ended("accept", "aborted", 3)
        with spoken() as sock:  # and says nothing more
            ended("idle", "timeout")
            assert sock.recv(1) == b""
        # an answer that is never acknowledged
        with spoken() as sock, faults.drop_answers(network, address):
            sock.sendall(frame)
            ended("send", "timeout")
        spoken().close()  # it goes on


def established(network, address):
    """The server's connections at that address."""
    return network.server.run("ss", "-Htn", "state", "established", "src", host(address))


def waiting(network):
    """How many the responder has not accepted yet."""
    lines = network.server.run("ss", "-Hltn", "sport", "=", f":{RESPONDER}").splitlines()
    return sum(int(line.split()[1]) for line in lines)


# -- trouble, while it is failing

def trouble_of(daemon, kind, seconds=60):
    def there():
        asked = time.time()
        trouble = daemon.targets()[0]["trouble"]
        return {**trouble, "asked": asked} if trouble and trouble["trouble"] == kind else None
    return daemon.wait(there, seconds, f"trouble {kind}")


def until_no_trouble(daemon):
    daemon.wait(lambda: daemon.targets()[0]["trouble"] is None, 60, "no more trouble")


def test_trouble_retransmitting(network, inside, serve):
    """It says how long is left until the kernel gives up, and that is about right."""
    address, server = serve(4)
    # no confirming connect, so that the event is as old as the end itself
    daemon = inside(one_group(address, interval="3s", timeout="2s", confirm=False,
                              heartbeat={"send": "PING\n", "expect": "PONG"}))
    daemon.wait_success("heartbeat", limit=60)
    server.tell("tell_answered")
    server.hear("answered")
    server.do("quiet")
    with findings_of(daemon) as found, faults.drop(network, address):
        trouble = trouble_of(daemon, "retransmitting")
        said = time.time()
        assert trouble["stage"] >= 1
        key = ("g", f"{address}:{PORT}", "heartbeat")

        def given_up():
            return [f for f in found.failures(key) if f["errno_name"] == "ETIMEDOUT"]

        found.wait(given_up, 60, lambda: found.told_verdicts(key))
        ended = given_up()[0]["time"]
        # the kernel's model of the time is coarse: it starts at the first retransmission
        assert ended - said - 2.0 < trouble["until_give_up_seconds"] < ended - trouble["asked"] + 2.0
        until_no_trouble(daemon)


def test_trouble_after_a_long_silence_is_no_older_than_the_request(network, inside, serve):
    """A connection that was idle for long has its whole time left when a request meets silence."""
    address, server = serve(4)
    daemon = inside(one_group(address, interval="6s", timeout="2s",
                              heartbeat={"send": "PING\n", "expect": "PONG"}))
    daemon.wait_success("heartbeat", limit=60)
    server.do("quiet")
    with faults.drop(network, address):
        trouble = trouble_of(daemon, "retransmitting")
    assert trouble["until_give_up_seconds"] > 1.0, trouble


def test_trouble_keepalive_unanswered(network, inside, serve):
    address, _ = serve(4)
    daemon = inside(one_group(address, interval="500ms", timeout="400ms",
                              keepalive={"idle": "1s", "interval": "1s", "count": 5}))
    daemon.wait_success("keepalive", limit=60)
    with findings_of(daemon) as found, faults.drop(network, address):
        trouble = trouble_of(daemon, "keepalive_unanswered")
        said = time.time()
        left = trouble["until_give_up_seconds"]
        assert 1 <= trouble["stage"] < 5
        assert 5 - trouble["stage"] - 1 <= left <= 5 - trouble["stage"] + 1.5  # one probe a second
        event = first_failure(found, daemon)
        assert abs(left - (event["time"] - said)) < 5  # the moment, as far as a busy machine tells


def test_trouble_zero_window(inside, serve):
    address, server = serve(4, receive_buffer=65536)
    daemon = inside(one_group(address, interval="1s", timeout="900ms", heartbeat={
        "send": "x" * 300_000 + "\n", "expect": "PONG", "send_buffer": 8192}))
    daemon.wait_success("heartbeat", limit=60)
    server.do("stop_reading")
    assert trouble_of(daemon, "zero_window")["until_give_up_seconds"] is None
    server.do("read")
    until_no_trouble(daemon)


def test_trouble_reply_overdue(inside, serve):
    address, server = serve(4)
    daemon = inside(one_group(address, heartbeat={"send": "PING\n", "expect": "PONG"}))
    daemon.wait_success("heartbeat", limit=60)
    server.kill(signal.SIGSTOP)
    trouble_of(daemon, "reply_overdue")
    until_metric_says(daemon, 1)  # it comes again with each request
    server.kill(signal.SIGCONT)
    until_no_trouble(daemon)
    until_metric_says(daemon, 0)


def until_metric_says(daemon, value):
    daemon.wait(lambda: metric(daemon.socket, "connhealth_connection_trouble",
                               trouble="reply_overdue") == value, 60, f"the metric is {value}")


# -- the life of an idle flow

@BOTH
def test_the_idle_timeout_of_a_middlebox_is_measured(network, inside, serve, family):
    """Between the greatest age that survived and the smallest that did not lies its timeout, 4 s."""
    address, _ = serve(family)
    with faults.forgets_idle_flows(network, address, 4):
        daemon = inside(one_group(address, keepalive={
            "idle": "1s", "interval": "1s", "count": 3, "verify_after": ["2s", "3s", "6s"]}))

        def measured():
            idle = daemon.target("keepalive")["idle"]
            return idle if idle["survived_seconds"] == 3 and idle["died_seconds"] else None

        assert daemon.wait(measured, 120, "both ages")["died_seconds"] == 6
        assert metric(daemon.socket, "connhealth_probe_idle_survived_seconds") == 3
        assert metric(daemon.socket, "connhealth_probe_idle_died_seconds") == 6
        # the probe itself keeps its connection alive
        assert not any(daemon.target("keepalive")["failures"].values())


def test_an_open_path_kills_no_idle_flow(inside, serve):
    address, _ = serve(4)
    daemon = inside(one_group(address, keepalive={"idle": "30s", "verify_after": ["1s", "2s"]}))
    daemon.wait(lambda: daemon.target("keepalive")["idle"]["survived_seconds"] == 2, 60, "2 s")
    assert daemon.target("keepalive")["idle"]["died_seconds"] is None
