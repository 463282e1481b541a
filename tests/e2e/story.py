# SPDX-License-Identifier: Apache-2.0
"""Targets that go wrong each in its own way, all at once, and get well again."""

import contextlib
import json
import threading
import time

import faults
from process import poll_until
from stack import LIMIT, Stack, name_of

PORT = 7000
PING = {"send": "PING\r\n", "expect": "^\\+PONG"}
# more than the two socket buffers hold
BULK = {"send": "x" * 400_000 + "\n", "expect": "^\\+PONG", "send_buffer": 8192}
RESETS_EVERY = 4  # seconds: well again in between, so that it is not a lost heartbeat

# What the operator is told, by the group of the target it is about.
EXPECTED = {
    "resets": "ConnhealthResetSpike",
    "hole": "ConnhealthTargetDown",
    "closed": "ConnhealthRefused",
    "unread": "ConnhealthBackpressure",
    "routed": "ConnhealthUnreachable",
}


class Story:
    """run() tells it to the end; then look at what was kept."""

    def __init__(self, network, directory):
        self.network = network
        self.directory = directory
        self.undo = contextlib.ExitStack()
        self.servers = {}
        self.addresses = {name: network.address(4) for name in (*EXPECTED, "well", "pair")}
        self.stack = None
        self.failing_at = None  # when everything that was to fail had been told
        self.suppressed = {}  # of the host that is down: {target: alerts that hold it back}

    # -- the targets

    def serve(self, name, port=PORT):
        server = self.network.server.spawn(
            "servers:serve", address=self.addresses[name], port=port,
            receive_buffer=65536 if name == "unread" else 0)
        self.undo.callback(server.close)
        self.servers[name, port] = server
        return server

    def configuration(self):
        def group(name, ports=(PORT,), **probes):
            return {"name": name, "interval": "1s", "timeout": "1s", "connect": {}, **probes,
                    "static_configs": [{"targets": [f"{self.addresses[name]}:{port}" for port in ports],
                                        "labels": {"team": "storage"}}]}

        keepalive = {"idle": "30s", "interval": "10s", "count": 3}
        return json.dumps({  # which is YAML
            "groups": [group("resets", heartbeat=PING, keepalive=keepalive),
                       group("hole", heartbeat=PING), group("closed", heartbeat=PING),
                       group("unread", heartbeat=BULK), group("routed", heartbeat=PING),
                       group("well", heartbeat=PING, keepalive=keepalive),
                       group("pair", ports=(PORT, PORT + 1))],
            "sockets": {"interval": "1s"}})

    # -- what happens

    def run(self):
        for name in self.addresses:
            self.serve(name)
        self.serve("pair", PORT + 1)
        self.stack = Stack(self.network, self.directory, self.configuration())
        self.undo.callback(self.stack.close)
        self.wait(lambda: self.all_well(), "every probe succeeds")
        with contextlib.ExitStack() as healing:
            self.strike(healing)
            self.wait(lambda: self.expected() <= self.stack.webhook.of("firing"), "the alerts arrive")
            self.wait(self.host_holds_back, "the host's alert holds its ports' back")
            self.failing_at = self.wait(self.whole_moment, "scrapes that are all answered")
        self.heal()
        self.wait(lambda: self.expected() <= self.stack.webhook.of("resolved"), "the alerts resolve")

    def strike(self, healing):
        self.servers["unread", PORT].do("stop_reading")
        self.servers["closed", PORT].kill()
        for name in ("hole", "pair"):
            healing.enter_context(faults.drop(self.network, self.addresses[name]))
        healing.enter_context(faults.router_rejects(self.network, self.addresses["routed"], "host"))
        ended = threading.Event()
        resets = threading.Thread(target=self.reset_now_and_then, args=(ended,), daemon=True)
        resets.start()
        healing.callback(resets.join, LIMIT)
        healing.callback(ended.set)

    def reset_now_and_then(self, ended):
        while not ended.wait(RESETS_EVERY):
            self.servers["resets", PORT].do("end", how="reset")

    def heal(self):
        self.servers["unread", PORT].do("read")
        self.serve("closed")

    # -- what is seen

    def expected(self):
        pairs = {(alert, group) for group, alert in EXPECTED.items()}
        return pairs | {("ConnhealthHostDown", self.addresses["pair"])}

    def all_well(self):
        well = self.stack.prometheus.query("count(connhealth_probe_success == 1)")
        failed = self.stack.prometheus.query("count(connhealth_probe_success == 0)")
        return well and well[0][1] == 16 and not failed

    def host_holds_back(self):
        """Whether Alertmanager holds back the alerts of both ports."""
        for alert in self.stack.alertmanager.alerts():
            if name_of(alert) == ("ConnhealthTargetDown", "pair"):
                self.suppressed[alert["labels"]["target"]] = alert["status"]["inhibitedBy"]
        return len(self.suppressed) == 2 and all(self.suppressed.values())

    def whole_moment(self):
        """Now, if all scrapes of the last seconds were answered: after one that was not, Prometheus
        takes every series for gone."""
        now = time.time()
        time.sleep(3)  # one that began before is written down by then
        answered = "min_over_time(up[10s]) == 1 and count_over_time(up[10s]) >= 8"
        return now if self.stack.prometheus.query(answered, time=now) else None

    def wait(self, question, what):
        try:
            return poll_until(question, LIMIT, what, every=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.state()}") from None

    def state(self):
        """For a failure: what is where."""
        told = [(alert["status"], *name_of(alert)) for alert in self.stack.webhook.alerts]
        alerts = [(labels["alertname"], labels.get("group"), labels["alertstate"])
                  for labels, _ in self.stack.prometheus.query("ALERTS")]
        failing = [(labels["group"], labels["probe"]) for labels, _ in
                   self.stack.prometheus.query("connhealth_probe_success == 0")]
        return f"told: {told}\nalerts: {alerts}\nfailing: {failing}"

    def close(self):
        self.undo.close()
