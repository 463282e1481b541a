# SPDX-License-Identifier: Apache-2.0
"""Counters over a restart: systemd's file descriptor store is played by manager.py."""

import fcntl
import json
import os
import signal
import socket

import pytest

from daemon import ms, seconds, unused_port
from manager import Manager
from process import poll_until
from real_servers import Redis
from test_servers import PING

SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, SHRINK, GROW, WRITE


@pytest.fixture
def manager():
    one = Manager()
    yield one
    one.close()


@pytest.fixture
def run(daemon, manager):
    """run(configuration): the daemon under the manager, with what that has stored."""
    return lambda configuration, **options: daemon(configuration, **manager.options(), **options)


def configuration(*targets, interval=None, responder=None, labels=None):
    group = {
        "name": "service",
        "interval": interval or ms(400),
        "timeout": ms(400) if interval is None else ms(1000),
        "connect": {},
        "heartbeat": dict(PING),
        "static_configs": [{"targets": list(targets), "labels": labels or {}}],
    }
    found = {"groups": [group], "sockets": {"interval": "1h"}}
    if responder:
        found["responder"] = {"listen": [responder]}
    return found


def frozen(*targets, **options):
    """The same targets, and nothing is attempted any more."""
    return configuration(*targets, interval="24h", **options)


# what must go on, by metric; histograms by their parts
COUNTERS = (
    "connhealth_probe_attempts_total", "connhealth_probe_failures_total",
    "connhealth_probe_causes_total", "connhealth_probe_duration_seconds_bucket",
    "connhealth_probe_duration_seconds_sum", "connhealth_probe_duration_seconds_count",
    "connhealth_connection_opens_total", "connhealth_probe_icmp_errors_total",
    "connhealth_probe_syn_retransmits_total", "connhealth_probe_send_stalls_total",
    "connhealth_responder_accepts_total", "connhealth_responder_ends_total",
    "connhealth_responder_heartbeats_total",
)


def counters(watcher, **labels):
    return {
        (name, key): value
        for name in COUNTERS
        for key, value in watcher.samples(name, **labels).items()
    }


def checksum(text):
    value = 14695981039346656037
    for byte in text:
        value = (value ^ byte) * 1099511628211 % (1 << 64)
    return value


def finished(lines):
    text = "".join(line + "\n" for line in lines).encode()
    return text + b"[end] %016x\n" % checksum(text)


def kept_of(text, target, probe):
    """{name: value} of one section of the text."""
    section = text.split(f'[series group="service",target="{target}",probe="{probe}"')[1]
    lines = section.split("\n[")[0].splitlines()[1:]
    return {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}


def converse(port):
    """A client of the responder that says nonsense, and one that leaves."""
    for said in (b"GET / HTTP/1.1\r\n\r\n" * 8, b""):
        with socket.create_connection(("127.0.0.1", port), seconds(40)) as client:
            client.sendall(said)
            try:
                client.shutdown(socket.SHUT_WR)
                client.recv(1000)
            except OSError:
                pass  # it was reset meanwhile


def test_every_counter_goes_on(run, manager, server):
    service = server(Redis)
    closed = f"127.0.0.1:{unused_port()}"
    port = unused_port()
    responder = f"127.0.0.1:{port}"
    first = run(configuration(service.address, closed, responder=responder))
    for probe in ("connect", "heartbeat"):
        first.wait_success(probe, target=service.address)
        first.wait_failure(probe, target=closed)
    converse(port)
    first.wait(lambda: sum(first.samples("connhealth_responder_ends_total").values()) >= 1)
    before = counters(first)
    first.stop()
    assert [name for name, _ in manager.store] == ["counters"]
    assert fcntl.fcntl(manager.store[0][1], 1034) & SEALS == SEALS  # F_GET_SEALS
    text = manager.text()

    second = run(frozen(service.address, closed, responder=responder))
    now = counters(second)
    assert now.keys() >= {key for key, value in before.items() if value > 0}
    assert {key: value for key, value in before.items() if now.get(key, 0) < value} == {}
    for target in (service.address, closed):
        for probe in ("connect", "heartbeat"):
            kept = kept_of(text, target, probe)
            labels = {"target": target, "probe": probe}
            assert second.value("connhealth_probe_attempts_total", **labels) == kept["attempts"] > 0
    causes = second.samples("connhealth_probe_causes_total", target=closed, probe="connect")
    assert list(causes.values()) == [kept_of(text, closed, "connect")["failures.refused"]]
    # what works is only known after an attempt
    assert second.target("connect", target=service.address)["success"] is None
    said = second.process.wait_line(lambda line: "counters go on" in line, seconds(40))
    assert json.loads(said)["probes"] == "4"


def test_a_second_restart_changes_nothing(run, manager, server):
    service = server(Redis)
    first = run(configuration(service.address))
    first.wait_success("heartbeat")
    first.stop()
    series = lambda: [part for part in manager.text().split("\n[") if part.startswith("series")]
    texts = [series()]
    for _ in range(2):
        run(frozen(service.address)).stop()
        texts.append(series())
    assert texts[0] == texts[1] == texts[2]


def test_after_a_crash_all_begin_at_nothing(run, manager, server):
    """What was kept before is less than what was scraped last: no counter may return to it."""
    service = server(Redis)
    first = run(configuration(service.address))
    first.wait_success("connect")
    first.stop()
    second = run(configuration(service.address))
    second.wait_success("connect")
    poll_until(lambda: manager.store == [], seconds(40), "what was taken up is kept no longer")
    second.kill()
    assert manager.store == []
    third = run(frozen(service.address))
    assert set(counters(third).values()) <= {0}


def test_a_changed_configuration_keeps_what_is_still_there(run, manager, server):
    service = server(Redis)
    closed = [f"127.0.0.1:{unused_port()}" for _ in range(3)]
    first = run(configuration(service.address, *closed[:2]))
    for target in closed[:2]:
        first.wait_failure("connect", target=target)
    first.stop()
    kept = kept_of(manager.text(), closed[0], "connect")["attempts"]
    second = run(frozen(closed[2], closed[0]))
    attempts = second.samples("connhealth_probe_attempts_total", probe="connect")
    assert {dict(key)["target"]: value for key, value in attempts.items()} == {
        closed[0]: kept, closed[2]: 0}
    second.stop()
    third = run(frozen(closed[0], labels={"team": "other"}))  # another series, to Prometheus too
    assert third.value("connhealth_probe_attempts_total", probe="connect") == 0


def test_a_start_that_fails_gives_them_back(run, manager, daemon, redis):
    first = run(configuration(redis.address))
    first.wait_success("connect")
    first.stop()
    kept = kept_of(manager.text(), redis.address, "connect")["attempts"]
    with socket.create_server(("127.0.0.1", unused_port())) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        second = run(frozen(redis.address), listen=address, start=False)
        assert second.start(wait=False).process.status() == 1
    third = run(frozen(redis.address))
    assert third.value("connhealth_probe_attempts_total", probe="connect") == kept


def good_text(run, manager, service):
    first = run(configuration(service.address))
    first.wait_success("connect")
    first.stop()
    return manager.text().encode()


SPOILT = {
    "empty": lambda text: b"",
    "cut off": lambda text: text[: len(text) // 2],
    "without its last byte": lambda text: text[:-1],
    "one bit": lambda text: text.replace(b"attempts ", b"attempt3 ", 1),
    "longer": lambda text: text + b"x\n",
    "binary": lambda text: os.urandom(5000),
    "another version": lambda text: text.replace(b"counters 1", b"counters 2", 1),
    "not a number": lambda text: finished(["connhealth-counters 1", "[responder]", "accepts -3"]),
    "too large a number": lambda text: finished(
        ["connhealth-counters 1", "[responder]", "accepts 99999999999999999999"]),
    "outside of a section": lambda text: finished(["connhealth-counters 1", "accepts 3"]),
    "a NUL byte": lambda text: finished(["connhealth-counters 1", "[responder]", "acc\0epts 3"]),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_what_is_no_good_is_refused_with_one_line(run, manager, redis, spoil):
    manager.replace(spoil(good_text(run, manager, redis)))
    second = run(frozen(redis.address))
    assert set(counters(second).values()) <= {0}
    second.process.wait_line(lambda line: "kept counters" in line, seconds(40))
    lines = [line for line in second.log() if "kept counters" in line["msg"]]
    assert len(lines) == 1 and lines[0]["level"] == "warn" and lines[0]["reason"]
    poll_until(lambda: manager.store == [], seconds(40), "it is kept no longer")


def test_what_is_no_file_is_refused(run, manager, redis):
    reading, writing = os.pipe()
    os.close(writing)
    manager.store.append(("counters", reading))
    second = run(frozen(redis.address))
    second.process.wait_line(lambda line: "kept counters" in line, seconds(40))


def test_a_later_version_is_read_as_far_as_it_is_known(run, manager, redis):
    series = f'[series group="service",target="{redis.address}",probe="connect"]'
    manager.replace(finished([
        "connhealth-counters 1", series, "attempts 41", "novelty 7", "novelty.of.words 1 2 3",
        "failures.refused 5", "failures.bewitched 6", "bucket.77 8", "a b c d e f g h i j k",
        "cause connect refused rst port_closed 1 4", "cause connect refused rst goblins 1 1",
        "icmp 4 3 1 3 2 0 0a000001000000000000000000000000 9",
        "[novelties of all kinds]", "whatever that is", "attempts 1000",
    ]))
    watcher = run(frozen(redis.address))
    labels = {"probe": "connect"}
    assert watcher.value("connhealth_probe_attempts_total", **labels) == 41
    assert watcher.value("connhealth_probe_failures_total", category="refused", **labels) == 5
    assert list(watcher.samples("connhealth_probe_causes_total", **labels).values()) == [4]
    (icmp,) = watcher.samples("connhealth_probe_icmp_errors_total", **labels).items()
    assert dict(icmp[0])["offender"] == "10.0.0.1" and icmp[1] == 9


def test_a_stop_that_takes_long_asks_for_time(run, manager, redis):
    run(configuration(redis.address)).stop()
    said = [list(message) for message in manager.messages]
    stopping = said.index(["STOPPING", "EXTEND_TIMEOUT_USEC"])
    assert said[stopping + 1:] == [
        ["EXTEND_TIMEOUT_USEC"], ["FDSTOREREMOVE", "FDNAME"], ["FDSTORE", "FDNAME"], ["BARRIER"]]


def test_an_end_by_a_signal_that_is_no_crash_keeps_them(run, manager, redis):
    first = run(configuration(redis.address))
    first.wait_success("connect")
    first.process.signal(signal.SIGINT)
    assert first.process.status() == 0
    assert [name for name, _ in manager.store] == ["counters"]
