# SPDX-License-Identifier: Apache-2.0
"""Real servers, healthy, then killed, stopped and restarted: each with the category, and where the
evidence proves it the cause, that the reference promises."""

import json

import pytest

from daemon import CALM, ms, run_ctl, seconds
from real_servers import (
    DNS_ANSWER_STARTS,
    DNS_QUERY,
    SSL_REQUEST,
    Dnsmasq,
    Nginx,
    Postgres,
    Redis,
    Sshd,
)

PING = {"send": "PING\r\n", "expect": r"^\+PONG"}
HEAD = {"send": "HEAD / HTTP/1.1\r\nHost: probe.test\r\n\r\n", "expect": r"^HTTP/1\.1 200 "}

TCP_SERVICES = [pytest.param(Redis, PING, id="redis"), pytest.param(Nginx, HEAD, id="nginx")]
ALL = ("connect", "heartbeat", "keepalive")

REFUSED = {"category": "refused", "phase": "connect", "wire": "rst", "cause": "port_closed"}
GONE = {"category": "eof", "wire": "fin", "cause": "process_gone", "certain": True}
HUNG = {"category": "timeout", "phase": "receive", "wire": "silence", "cause": "application_hung",
        "certain": True}


def group(server, transport="tcp", pace=ms(300), **probes):
    """One group with one target; every probe at the same interval, which is its timeout, too."""
    for options in probes.values():
        options.setdefault("interval", pace)
        options.setdefault("timeout", pace)
    static = [{"targets": [server.address]}]
    return {"groups": [{"name": "service", "transport": transport, **probes, "static_configs": static}]}


def holding(**options):
    """A keepalive probe: its interval is the kernel's, so it gets its own by the group."""
    return {"idle": "30s", **options}


def tcp_group(server, heartbeat, pace=ms(300)):
    tree = group(server, pace=pace, connect={}, heartbeat=dict(heartbeat))
    tree["groups"][0] |= {"interval": pace, "timeout": pace, "keepalive": holding()}
    return tree


def failures_of(target):
    return {category: count for category, count in target["failures"].items() if count}


def first_failure(daemon, probe):
    def found():
        """The state tells of a failure a moment before there is an event."""
        failures = (e for e in daemon.events() if e["probe"] == probe and not e["success"])
        return next(failures, None)

    return daemon.wait(found, what=f"an event of {probe}")


def has(event, expected):
    return expected.items() <= event.items()


def udp_sockets(server):
    """The local ends of the host's UDP sockets that are connected to the server."""
    remote = f"0100007F:{server.port:04X}"
    with open("/proc/net/udp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return {row[1] for row in rows if row[2] == remote}


# --- TCP services that answer again and again on one connection


@pytest.mark.parametrize("kind,heartbeat", TCP_SERVICES)
def test_killed_and_restarted(daemon, server, kind, heartbeat):
    service = server(kind)
    watcher = daemon(tcp_group(service, heartbeat, CALM))
    for probe in ALL:
        assert failures_of(watcher.wait_success(probe)) == {}
    assert watcher.value("connhealth_connection_opens_total", probe="heartbeat") == 1

    service.kill()
    for probe in ALL:
        last = watcher.wait_failure(probe, **REFUSED)
        assert last["certain"], last
    for probe in ("heartbeat", "keepalive"):
        assert has(first_failure(watcher, probe), GONE), first_failure(watcher, probe)
        assert watcher.value("connhealth_connection_established", probe=probe) == 0
    assert first_failure(watcher, "keepalive")["phase"] == "idle"
    assert failures_of(watcher.target("heartbeat"))["eof"] == 1

    service.start()
    for probe in ALL:
        watcher.wait_success(probe)
        assert failures_of(watcher.target(probe)).keys() <= {"eof", "refused"}
    assert failures_of(watcher.target("connect")).keys() == {"refused"}
    assert watcher.value("connhealth_connection_opens_total", probe="heartbeat") == 2
    assert watcher.value("connhealth_connection_opens_total", probe="keepalive") == 2


@pytest.mark.parametrize("kind,heartbeat", TCP_SERVICES)
def test_stopped_and_continued(daemon, server, kind, heartbeat):
    service = server(kind)
    watcher = daemon(tcp_group(service, heartbeat))
    for probe in ALL:
        watcher.wait_success(probe)

    service.freeze()
    watcher.wait_failure("heartbeat", **HUNG)
    # its kernel still takes connections and answers keepalives
    for probe in ("connect", "keepalive"):
        assert failures_of(watcher.wait_success(probe)) == {}

    service.thaw()
    assert failures_of(watcher.wait_success("heartbeat")).keys() == {"timeout"}
    assert failures_of(watcher.target("connect")) == {}


def test_a_server_that_closes_after_some_requests(daemon, server):
    """nginx ends a connection after keepalive_requests: closed, but not gone."""
    service = server(Nginx, settings="keepalive_requests 3;")
    watcher = daemon(group(service, pace=CALM, heartbeat=dict(HEAD)))
    last = watcher.wait_failure("heartbeat", category="eof", wire="fin", cause="connection_closed")
    assert not last["certain"]
    watcher.wait_success("heartbeat")
    assert failures_of(watcher.target("heartbeat")).keys() == {"eof"}


def test_an_answer_that_is_not_the_expected_one(daemon, server):
    service = server(Nginx)
    wrong = {**HEAD, "expect": r"^HTTP/1\.1 204 "}
    watcher = daemon(group(service, heartbeat=wrong))
    last = watcher.wait_failure("heartbeat", category="bad_reply", phase="receive",
                                cause="unexpected_reply", certain=True)
    assert "200" in last["detail"]


# --- sshd: greets once, then waits for its client


def test_the_greeting_of_sshd(daemon, server):
    """Without send the server speaks first: a connection for each exchange."""
    service = server(Sshd)
    watcher = daemon(group(service, pace=CALM, heartbeat={"expect": r"^SSH-2\.0-OpenSSH"}))
    for _ in range(3):
        assert failures_of(watcher.wait_success("heartbeat")) == {}

    service.freeze()
    # nothing was asked, so nothing was acknowledged: no proof
    last = watcher.wait_failure("heartbeat", **{**HUNG, "certain": False})
    assert last["detail"]
    service.thaw()
    assert failures_of(watcher.wait_success("heartbeat")).keys() == {"timeout"}

    service.kill()
    watcher.wait_failure("heartbeat", **REFUSED)
    service.start()
    watcher.wait_success("heartbeat")


def test_sshd_is_held_through_its_greeting(daemon, server):
    service = server(Sshd)
    tree = group(service, connect={})
    tree["groups"][0] |= {"interval": ms(300), "timeout": ms(300), "keepalive": holding()}
    watcher = daemon(tree)
    for probe in ("connect", "keepalive"):
        watcher.wait_success(probe)
        assert failures_of(watcher.wait_success(probe)) == {}

    service.freeze()
    for probe in ("connect", "keepalive"):
        assert failures_of(watcher.wait_success(probe)) == {}
    service.thaw()

    service.kill()
    watcher.wait_failure("connect", **REFUSED)
    watcher.wait_failure("keepalive", **REFUSED)
    assert has(first_failure(watcher, "keepalive"), {**GONE, "phase": "idle"})

    service.start()
    for probe in ("connect", "keepalive"):
        watcher.wait_success(probe)


def test_sshd_ends_a_connection_that_does_not_log_in(daemon, server):
    service = server(Sshd, grace=1)
    tree = group(service, connect={})
    tree["groups"][0] |= {"interval": ms(300), "timeout": ms(300), "keepalive": holding()}
    watcher = daemon(tree)
    last = watcher.wait_failure("keepalive", category="eof", phase="idle", wire="fin",
                                cause="connection_closed")
    assert not last["certain"]
    assert failures_of(watcher.target("connect")) == {}


# --- dnsmasq: datagrams


@pytest.mark.parametrize("way", ["expect", "expect_hex"])
def test_dns_over_udp(daemon, server, way):
    service = server(Dnsmasq)
    expected = {"expect": DNS_ANSWER_STARTS, "expect_hex": service.ask().hex()}[way]
    heartbeat = {"send_hex": DNS_QUERY, way: expected}
    watcher = daemon(group(service, "udp", CALM, heartbeat=heartbeat))
    assert failures_of(watcher.wait_success("heartbeat")) == {}

    service.freeze()
    watcher.wait_failure("heartbeat", category="timeout", phase="receive", wire="silence",
                         cause="no_answer")
    service.thaw()
    assert failures_of(watcher.wait_success("heartbeat")).keys() == {"timeout"}
    socket = udp_sockets(service)
    assert len(socket) == 1

    service.kill()
    watcher.wait_failure("heartbeat", category="refused", wire="icmp", cause="port_closed",
                         certain=True)
    service.start()
    assert failures_of(watcher.wait_success("heartbeat")).keys() == {"timeout", "refused"}
    assert udp_sockets(service) == socket, "the socket was not kept"


# --- postgresql: answers SSLRequest once a connection


def test_postgres_refuses_a_second_ssl_request(daemon, server):
    service = server(Postgres)
    watcher = daemon(group(service, pace=CALM, connect={},
                           heartbeat={"send_hex": SSL_REQUEST, "expect": "^[NS]$"}))
    watcher.wait_success("heartbeat")
    watcher.wait_failure("heartbeat", category="bad_reply", phase="receive",
                         cause="unexpected_reply")
    watcher.wait_success("heartbeat")
    assert failures_of(watcher.target("heartbeat")).keys() == {"bad_reply"}

    service.freeze()
    watcher.wait_failure("heartbeat", **HUNG)
    assert failures_of(watcher.wait_success("connect")) == {}
    service.thaw()
    watcher.wait_success("heartbeat")

    service.kill()
    watcher.wait_failure("heartbeat", **REFUSED)
    watcher.wait_failure("connect", **REFUSED)
    service.start()
    watcher.wait_success("heartbeat")
    watcher.wait_success("connect")


# --- one attempt by hand


ONE_SHOTS = [
    pytest.param(Redis, ["--send", "PING\\r\\n", "--expect", r"^\+PONG"], "tcp", id="redis"),
    pytest.param(Sshd, ["--send", "SSH-2.0-connhealth\\r\\n", "--expect", r"^SSH-2\.0-"], "tcp",
                 id="sshd"),
    pytest.param(Nginx, ["--send", "HEAD / HTTP/1.0\\r\\n\\r\\n", "--expect", "^HTTP/1.[01] 200"],
                 "tcp", id="nginx"),
    pytest.param(Postgres, ["--send_hex", SSL_REQUEST, "--expect", "^[NS]$"], "tcp", id="postgres"),
    pytest.param(Dnsmasq, ["--send_hex", DNS_QUERY, "--expect", DNS_ANSWER_STARTS], "udp",
                 id="dnsmasq"),
]


def probe_by_hand(service, arguments, transport, timeout=f"{seconds(20)}s"):
    result = run_ctl("probe", "--json", "--probe=heartbeat", f"--transport={transport}",
                     f"--timeout={timeout}", *arguments, service.address)
    return result.status, json.loads(result.stdout)


@pytest.mark.parametrize("kind,arguments,transport", ONE_SHOTS)
def test_one_attempt_by_hand(server, kind, arguments, transport):
    service = server(kind)
    status, outcome = probe_by_hand(service, arguments, transport)
    assert status == 0 and outcome["success"], outcome

    service.freeze()
    status, outcome = probe_by_hand(service, arguments, transport, ms(500))
    cause = "application_hung" if transport == "tcp" else "no_answer"
    assert status == 1
    assert has(outcome, {"category": "timeout", "phase": "receive", "cause": cause}), outcome
    service.thaw()

    service.kill()
    status, outcome = probe_by_hand(service, arguments, transport)
    assert status == 1
    wire = "rst" if transport == "tcp" else "icmp"
    assert has(outcome, {"category": "refused", "wire": wire, "cause": "port_closed"}), outcome

    service.start()
    assert probe_by_hand(service, arguments, transport)[0] == 0
