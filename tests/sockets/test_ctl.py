# SPDX-License-Identifier: Apache-2.0
"""connhealthctl sockets shows an operator what the kernel's sockets are in."""

import socket

import linux
import pytest
from collector import listener_of, trouble_of, unit_of
from daemon import run_ctl
from process import poll_until
from system_bus import Bus


def report(collector):
    """The lines of the report, their words single-spaced."""
    result = run_ctl("sockets", "--address", f"unix:{collector.socket}")
    assert (result.status, result.stderr) == (0, "")
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_a_close_wait_leak_is_shown_with_its_connection(namespace, collector):
    pair = namespace.pair()
    pair.client.shutdown(socket.SHUT_WR)
    # the FIN was acknowledged
    poll_until(lambda: linux.tcp_info(pair.client)["state"] == "FIN_WAIT2", 60, "FIN_WAIT2")
    unit = unit_of(collector.sweep())
    assert trouble_of(unit, "close_wait")["sockets"] == 1
    lines = report(collector)
    where = f"127.0.0.1:{pair.port} to 127.0.0.1:{pair.client_port}"
    for owner in ("(no unit)", f"listener 127.0.0.1:{pair.port}"):
        assert any(line.startswith(f"{owner} close_wait 1 for ") and line.endswith(where)
                   for line in lines), lines
    assert any(line.startswith("(no unit) 0 B ") and "1 close_wait" in line for line in lines), lines
    assert any(line.startswith("ipv4 tcp") and "1 close_wait" in line for line in lines), lines


def test_a_full_accept_queue_is_shown_with_its_drops(namespace, collector):
    listener = namespace.listen(backlog=2)
    port = listener.getsockname()[1]
    clients = [namespace.connect(("127.0.0.1", port), wait=False) for _ in range(6)]
    poll_until(lambda: sum(linux.tcp_info(one)["state"] == "ESTABLISHED" for one in clients) >= 3,
               60, "three are made")
    collector.wait_for(lambda sweep: listener_of(sweep, port)["drops"] > 0)
    # SYNs are still sent again, and dropped
    with namespace.silence(port):
        drops = listener_of(collector.sweep(), port)["drops"]
        lines = report(collector)
    assert (f"listener 127.0.0.1:{port} accept_queue 3 full: limit 2, {drops} dropped so far"
            in lines), lines
    assert f"127.0.0.1:{port} 3 2 {drops} (no unit)" in lines, lines



def test_without_an_address_the_default_port_is_asked(namespace, collect):
    """In a namespace of its own the port is certainly free, or certainly ours."""
    no_bus = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    nobody = run_ctl("sockets", prefix=namespace.prefix, environment=no_bus)
    assert nobody.status == 1
    assert nobody.stderr == ("connhealthctl sockets: 127.0.0.1:10337: Connection refused: "
                             "is connhealthd running there?\n")
    collect(listen="127.0.0.1:10337")
    result = run_ctl("sockets", prefix=namespace.prefix, environment=no_bus)
    assert (result.status, result.stderr) == (0, "")


@pytest.fixture
def bus():
    made = Bus().start()
    yield made
    made.close()


def test_a_bus_where_nobody_has_the_name(namespace, bus, collect):
    """Then it is looked for elsewhere; what was tried is said."""
    nobody = run_ctl("sockets", prefix=namespace.prefix, environment=bus.environment)
    assert nobody.status == 1
    assert nobody.stderr == (
        "connhealthctl sockets: org.connhealth1 on the system bus: nobody has that name; "
        "127.0.0.1:10337: Connection refused: is connhealthd running there?\n")
    collect(listen="127.0.0.1:10337")
    assert run_ctl("sockets", prefix=namespace.prefix, environment=bus.environment).status == 0


def test_a_daemon_that_hangs_is_not_waited_for(namespace, bus, collect):
    daemon = collect(environment=bus.environment)
    bus.wait_name(daemon)
    assert run_ctl("sockets", prefix=namespace.prefix, environment=bus.environment).status == 0
    daemon.process.freeze()
    try:
        result = run_ctl("sockets", "--timeout=300ms", prefix=namespace.prefix,
                         environment=bus.environment)
    finally:
        daemon.process.thaw()
    assert result.status == 1
    assert "org.connhealth1 on the system bus: " in result.stderr and "timed out" in result.stderr
