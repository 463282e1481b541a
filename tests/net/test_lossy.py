# SPDX-License-Identifier: Apache-2.0
"""A path that loses one packet in a hundred, and a machine with too much to do: no failure that is
not a real timeout.

CH_LOSSY_SECONDS says how long: half a minute unless told; before a release ten minutes (600).
"""

import contextlib
import os
import time

import faults
from inside import Findings

SECONDS = float(os.environ.get("CH_LOSSY_SECONDS", 30))
TARGETS = 6  # of each kind and family
PORT = 7000

KINDS = {
    "connect": {"connect": {}},
    "heartbeat": {"heartbeat": {"send": "PING\r\n", "expect": "^\\+PONG"}},
    "native": {"heartbeat": {}},
    "keepalive": {"keepalive": {"idle": "1s", "interval": "1s", "count": 5}},
    "udp": {"transport": "udp", "heartbeat": {"send": "PING\r\n", "expect": "^\\+PONG"}},
}


def really_lost(event):
    """The kernel had to repeat what was sent: the timeout was the path's. Over UDP nobody repeats."""
    info = event["tcp_info"] or {}
    return event["category"] == "timeout" and (
        event["group"] == "udp" or info.get("retransmits", 0) + info.get("total_retrans", 0)
        + info.get("probes", 0) > 0)


def counted_failures(targets):
    return sum(sum(target["failures"].values()) for target in targets)


def recorded_failures(findings):
    return [event for failures in findings.all_failures().values() for event in failures]


def test_nothing_but_real_timeouts(network, inside, serve, say):
    with contextlib.ExitStack() as stack:
        groups = []
        for name, settings in KINDS.items():
            targets = []
            for number in range(2 * TARGETS):
                address, _ = serve(6 if number % 2 else 4, native=name == "native",
                                   transport=settings.get("transport", "tcp"))
                stack.enter_context(faults.loss(network, address, 1))
                targets.append((f"[{address}]" if ":" in address else address) + f":{PORT}")
            groups.append({"name": name, "interval": "500ms", "timeout": "500ms", **settings,
                           "static_configs": [{"targets": targets}]})
            if name in ("connect", "heartbeat", "native"):  # room for a retransmission or two
                groups[-1].update(interval="4s" if name == "connect" else "2s",
                                  timeout="3900ms" if name == "connect" else "1900ms")
        daemon = inside({"groups": groups})
        for _ in range(os.cpu_count() + 1):
            stack.enter_context(network.client.spawn("servers:burn"))
        findings = Findings(daemon, period=1)
        stack.callback(findings.close)
        before = network.client.counters()
        time.sleep(SECONDS)  # the length of the run is the test
        after = network.client.counters()
        targets = daemon.targets()
        failed = counted_failures(targets)
        findings.wait(lambda: len(recorded_failures(findings)) >= failed, 30,
                      lambda: f"{len(recorded_failures(findings))} events of {failed} failures")
        events = recorded_failures(findings)
        assert len(events) <= counted_failures(daemon.targets()), "an event without a failure"
    lost = after["Tcp.RetransSegs"] - before["Tcp.RetransSegs"]
    attempts = sum(target["attempts"] for target in targets)
    say(f"\n1 % loss, {os.cpu_count() + 1} busy processes, {SECONDS:.0f} s: {attempts} attempts, "
        f"{lost} segments repeated, {failed} timeouts")
    assert attempts > SECONDS * 2 * TARGETS  # it did run
    assert lost > 0, "nothing was lost: this was no test"
    wrong = [event for event in events if not really_lost(event)]
    assert not wrong, "\n".join(f"{event['target']} {event['detail']}" for event in wrong)
