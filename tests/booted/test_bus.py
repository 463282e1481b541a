# SPDX-License-Identifier: Apache-2.0
"""The service on the system bus and in the journal, right after its installation."""

import json

from process import poll_until
from service import WAIT

NAME, PATH, MANAGER = "org.connhealth1", "/org/connhealth1", "org.connhealth1.Manager"
CLOSED = """
groups:
  - name: closed
    interval: 200ms
    timeout: 200ms
    connect: {}
    static_configs: [{targets: ["127.0.0.1:7071"]}]
"""


def test_it_has_its_name_without_a_second_start(service):
    """The installation told the bus of the policy before it started the service."""
    poll_until(lambda: service.machine.run("busctl", "status", NAME).status == 0, WAIT, "the name")
    assert int(service.show("NRestarts")["NRestarts"]) == 0
    owner = service.machine.ok("busctl", "--json=short", "call", "org.freedesktop.DBus", "/",
                               "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", NAME)
    assert json.loads(owner)["data"] == [service.pid]


def test_it_can_be_looked_at_by_everybody_and_changed_by_root(service):
    machine = service.machine
    tree = machine.ok("busctl", "introspect", NAME, PATH)
    assert MANAGER in tree and ".Reload" in tree
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    version = machine.ok(*nobody, "busctl", "get-property", NAME, PATH, MANAGER, "Version")
    assert version == 's "0.1.0"\n'
    refused = machine.run(*nobody, "busctl", "call", NAME, PATH, MANAGER, "Reload")
    assert refused.status != 0 and "denied" in refused.err.lower(), refused
    service.configure(CLOSED)
    machine.ok("busctl", "call", NAME, PATH, MANAGER, "Reload")
    failing = ["busctl", "get-property", NAME, PATH, MANAGER, "NFailing"]
    poll_until(lambda: machine.ok(*failing).split()[1] == "1", WAIT, "one target fails")


def test_connhealthctl_asks_the_running_service(service):
    """Without an address: over D-Bus, which needs neither HTTP's lifecycle flag nor its port."""
    machine = service.machine
    service.configure(CLOSED)
    machine.ok("connhealthctl", "reload")
    row = poll_until(lambda: [line for line in machine.ok("connhealthctl", "targets").splitlines()
                              if "port_closed" in line], WAIT, "one target fails")
    assert "127.0.0.1:7071" in row[0]
    assert machine.run("connhealthctl", "status", "--check").status == 1
    assert "port_closed" in machine.ok("connhealthctl", "show", "127.0.0.1:7071")
    service.configure("colour: red\n")
    refused = machine.run("connhealthctl", "reload")
    assert refused.status == 2 and "colour: is no key" in refused.err, refused


def test_journalctl_explains_a_failure(service):
    service.configure(CLOSED)
    assert service.systemctl("restart").status == 0
    text = poll_until(
        lambda: service.machine.journal("-x", "-o", "short", "CONNHEALTH_CATEGORY=refused"),
        WAIT, "a failure in the journal")
    assert "probe failing" in text
    assert "Subject: A probe fails: refused" in text
