# SPDX-License-Identifier: Apache-2.0
"""Socket activation: a restart refuses no scrape."""

import json
import pathlib
import subprocess
import sys

SCRAPER = pathlib.Path(__file__).resolve().parent / "scraper.py"
RESTARTS = 20


def test_no_scrape_is_refused_over_restarts(service):
    machine = service.machine
    machine.write("/etc/default/connhealthd", 'ARGS="--web.systemd-socket"\n')
    machine.ok("systemctl", "stop", "connhealthd.service")
    machine.ok("systemctl", "enable", "--now", "connhealthd.socket")
    machine.ok("systemctl", "start", "connhealthd.service")
    scraper = subprocess.Popen(
        machine.argv(sys.executable, "-B", SCRAPER, "10337", network_only=True),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        for _ in range(RESTARTS):
            before = service.pid
            service.restart()
            assert service.pid != before
            service.get("/-/ready")  # so that each start has answered the scraper's neighbour
        out, _ = scraper.communicate("", timeout=120)
    finally:
        scraper.kill()
        scraper.wait()
    result = json.loads(out)
    assert result["errors"] == []
    assert result["answered"] > RESTARTS
    assert result["starts"] > 1


def test_a_scrape_starts_a_service_that_is_stopped(service):
    service.machine.ok("systemctl", "stop", "connhealthd.service")
    assert service.show("ActiveState")["ActiveState"] == "inactive"
    assert "connhealth_build_info" in service.get("/metrics")
    assert service.show("ActiveState")["ActiveState"] == "active"


def test_the_responders_ports_are_held_as_well(service):
    machine = service.machine
    service.configure('responder: {listen: [":10338"]}\n')
    machine.ok("systemctl", "stop", "connhealthd.service")
    machine.ok("systemctl", "enable", "--now", "connhealthd-responder.socket")
    machine.ok("systemctl", "start", "connhealthd.service")
    before = {name: socket_on(machine, name) for name in ("tcp6", "udp6")}
    service.restart()
    for transport in ("tcp", "udp"):
        result = machine.run("connhealthctl", "probe", "127.0.0.1:10338", "--probe=heartbeat",
                             f"--transport={transport}")
        assert result.status == 0, result
    assert {name: socket_on(machine, name) for name in before} == before


def socket_on(machine, table):
    """The kernel's number of the socket that is bound to port 10338."""
    rows = [line.split() for line in machine.ok("cat", f"/proc/net/{table}").splitlines()[1:]]
    (found,) = [row[9] for row in rows if row[1].endswith(f":{10338:04X}") and row[3] in "0A07"]
    return found
