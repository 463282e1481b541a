# SPDX-License-Identifier: Apache-2.0
"""How soon the daemon has on record what happened to a connection that it holds."""

import select
import socket
import statistics
import threading
import time

import servers
from inside import Findings

SERVERS = 12
PORT = 7000
LIMIT = 0.050  # from the packet to the record


class Bystander:
    """Plain sockets beside the daemon's: what this machine, this busy, allows at all."""

    def __init__(self, network, addresses):
        self.noticed = {}
        self.sockets = {}
        for address in addresses:
            sock = network.client.socket(servers.family_of(address), socket.SOCK_STREAM)
            sock.connect((address, PORT))
            self.sockets[sock] = address
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        waiting = dict(self.sockets)
        deadline = time.monotonic() + 120  # all are struck by then
        while waiting and time.monotonic() < deadline:
            for sock in select.select(list(waiting), [], [], 1)[0]:
                self.noticed[waiting.pop(sock)] = time.time()

    def close(self):
        self.thread.join(130)
        for sock in self.sockets:
            sock.close()


def spread(values):
    values = sorted(values)
    return (f"median {statistics.median(values) * 1e3:6.2f} ms, "
            f"90 % {values[len(values) * 9 // 10] * 1e3:6.2f} ms, worst {values[-1] * 1e3:6.2f} ms")


def first_failures(findings, keys, since):
    """{address: when}, once all are there."""
    def all_there():
        found = {key: findings.failures(key, since[key]) for key in keys}
        return found if all(found.values()) else None

    found = findings.wait(all_there, 60, lambda: {k: findings.failures(k) for k in keys})
    return {key: failures[0] for key, failures in found.items()}


def noticed_after(network, inside, serve, probe, settings, strike):
    """(daemon's delays, bystander's delays) over SERVERS connections that end one by one."""
    served = dict(serve(4 if number % 2 else 6) for number in range(SERVERS))
    target = {address: (f"[{address}]" if ":" in address else address) + f":{PORT}"
              for address in served}
    daemon = inside({"groups": [{"name": "held", "interval": "2s", "timeout": "1s", probe: settings,
                                 "static_configs": [{"targets": list(target.values())}]}]})
    findings = Findings(daemon)
    bystander = Bystander(network, served)
    try:
        keys = {address: ("held", target[address], probe) for address in served}
        findings.wait(lambda: all((findings.target(key) or {}).get("success")
                                  for key in keys.values()), 60, lambda: "all healthy")
        struck = {}
        for address, server in served.items():
            if probe == "heartbeat":
                server.tell("tell_answered")
                server.hear("answered")
            server.do("quiet")
            struck[keys[address]] = strike(server)
        failures = first_failures(findings, keys.values(), struck)
        bystander.close()
        return ([failures[key]["time"] - struck[key] for key in keys.values()],
                [bystander.noticed[address] - struck[keys[address]] for address in served],
                {(f["category"], f["cause"]) for f in failures.values()})
    finally:
        findings.close()


def ends(how):
    return lambda server: server.do("end", how=how)["time"]


def killed(server):
    now = time.time()
    server.kill()
    return now


def check(network, inside, serve, say, name, strike, expected):
    for probe, settings in (("heartbeat", {"send": "PING\n", "expect": "PONG"}),
                            ("keepalive", {"idle": "30s"})):
        ours, plain, verdicts = noticed_after(network, inside, serve, probe, settings, strike)
        say(f"{name:8} {probe:10} on record after {spread(ours)}; a plain socket {spread(plain)}")
        assert verdicts == expected
        # a socket that does nothing else needs this long here and now: that is the machine's share
        assert statistics.median(ours) - statistics.median(plain) < LIMIT


def test_reset_is_on_record_within_50_ms(network, inside, serve, say):
    say()
    check(network, inside, serve, say, "reset", ends("reset"), {("reset", "connection_aborted")})


def test_fin_is_on_record_within_50_ms(network, inside, serve, say):
    check(network, inside, serve, say, "fin", ends("fin"), {("eof", "connection_closed")})


def test_a_killed_process_is_on_record_within_50_ms(network, inside, serve, say):
    """And that its port refuses connections now."""
    check(network, inside, serve, say, "killed", killed, {("eof", "process_gone")})


def test_refused_datagrams_are_on_record_within_50_ms(network, inside, serve, say):
    """On a socket that was answered before; from the request that meets the closed port."""
    served = dict(serve(4 if number % 2 else 6, transport="udp") for number in range(SERVERS))
    targets = [(f"[{address}]" if ":" in address else address) + f":{PORT}" for address in served]
    daemon = inside({"groups": [{"name": "held", "interval": "1s", "timeout": "1s",
                                 "transport": "udp",
                                 "heartbeat": {"send": "PING\n", "expect": "PONG"},
                                 "static_configs": [{"targets": targets}]}]})
    findings = Findings(daemon)
    try:
        keys = [("held", target, "heartbeat") for target in targets]
        findings.wait(lambda: all((findings.target(key) or {}).get("success") for key in keys), 60,
                      lambda: "all healthy")
        since = {key: time.time() for key in keys}
        for server in served.values():
            server.do("unlisten")
        failures = first_failures(findings, keys, since)
    finally:
        findings.close()
    took = [failure["duration_seconds"] for failure in failures.values()]
    say(f"refused  datagrams  on record after {spread(took)}")
    assert {failure["cause"] for failure in failures.values()} == {"port_closed"}
    assert statistics.median(took) < LIMIT
