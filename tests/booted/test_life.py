# SPDX-License-Identifier: Apache-2.0
"""The installed service's life under systemd: start, probes, reload, the watchdog, stop."""

import json
import pathlib
import sys

import pytest

from process import Process, poll_until
from service import CONFIGURATION, UNIT, WAIT

HERE = pathlib.Path(__file__).resolve().parent
GREETER = """
responder: {listen: ["127.0.0.1:10338"]}
groups:
  - name: greeter
    interval: 200ms
    timeout: 200ms
    connect: {}
    heartbeat: {expect: "^hello"}
    static_configs: [{targets: ["127.0.0.1:7070"]}]
  - name: responder
    interval: 200ms
    timeout: 200ms
    heartbeat: {}
    static_configs: [{targets: ["127.0.0.1:10338"]}]
  - name: closed
    interval: 200ms
    timeout: 200ms
    connect: {}
    static_configs: [{targets: ["127.0.0.1:7071"]}]
"""
GREETER_SUCCESS = (
    'connhealth_probe_success{group="greeter",target="127.0.0.1:7070",probe="heartbeat"}'
)
RELOADED = "connhealth_config_last_reload_successful"


@pytest.fixture(name="greeter", scope="module")
def fixture_greeter(machine):
    """A service of the machine that says hello on port 7070."""
    machine.ok("systemd-run", "--unit=greeter", "perl", "-MIO::Socket::INET", "-e", """
        $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1:7070", Listen => 64, ReuseAddr => 1);
        while ($client = $socket->accept) { print $client "hello\\n"; close $client }
    """)


@pytest.fixture(name="probing", scope="module")
def fixture_probing(service, greeter):
    service.configure(GREETER)
    result = service.systemctl("reload")
    assert result.status == 0, result
    return service


def test_it_was_started_and_enabled_by_its_installation(service):
    state = service.show("ActiveState", "SubState", "Type", "UnitFileState", "StatusText")
    assert state == {
        "ActiveState": "active", "SubState": "running", "Type": "notify",
        "UnitFileState": "enabled",
        "StatusText": "0 targets, 0 of 0 probes failing; configuration loaded",
    }


def test_a_service_of_the_host_is_probed_from_within_the_sandbox(probing):
    probing.await_metric(GREETER_SUCCESS, lambda value: value == 1)
    responder = GREETER_SUCCESS.replace("greeter", "responder").replace("7070", "10338")
    probing.await_metric(responder, lambda value: value == 1)
    closed = GREETER_SUCCESS.replace("greeter", "closed").replace("7070", "7071")
    probing.await_metric(closed.replace("heartbeat", "connect"), lambda value: value == 0)

    def failing():
        return [(one["group"], one["last"]["cause"])
                for one in probing.json("/api/v1/targets?failing=true")["targets"]]

    # on a busy machine the greeter may miss one of its 200 ms
    poll_until(lambda: failing() == [("closed", "port_closed")], WAIT, "no other target fails")


def test_the_hosts_sockets_are_seen_with_their_units(probing):
    listener = (
        'connhealth_listener_backlog_limit{address="127.0.0.1",port="7070",unit="greeter.service"}'
    )
    probing.machine.ok("systemctl", "restart", UNIT)  # a sweep now
    probing.await_metric(listener, lambda value: value)
    missing = probing.json("/api/v1/status")["sockets"]["missing"]
    assert [one["what"] for one in missing] == ["event_buffer"]


def test_a_change_is_in_the_journal_with_its_fields(probing):
    probing.await_metric(GREETER_SUCCESS, lambda value: value == 1)
    entries = [
        json.loads(line)
        for line in probing.machine.journal(
            "-o", "json", "-u", UNIT, "CONNHEALTH_GROUP=closed"
        ).splitlines()
    ]
    assert entries[-1]["CONNHEALTH_CATEGORY"] == "refused"


def test_the_counters_survive_a_restart(probing):
    """Five attempts a second: a restart that lost them could not have caught up."""
    attempts = GREETER_SUCCESS.replace("probe_success", "probe_attempts_total")
    before = probing.await_metric(attempts, lambda value: value and value > 50) and (
        probing.metric(attempts))
    probing.restart()
    assert probing.metric(attempts) >= before
    assert "counters" in probing.machine.journal("-u", UNIT, "--grep", "counters")


def test_a_reload_takes_the_new_configuration(probing):
    before = probing.pid
    probing.configure(GREETER + "global: {interval: 10s}\n")
    result = probing.systemctl("reload")
    assert result.status == 0, result
    probing.await_metric(RELOADED, lambda value: value == 1)
    assert "10s" in probing.get("/config")
    assert probing.pid == before


def test_a_bad_configuration_fails_the_reload_and_changes_nothing(probing):
    before = probing.pid
    probing.configure(GREETER + "colour: red\n")
    assert probing.systemctl("reload").status == 1
    probing.await_metric(RELOADED, lambda value: value == 0)
    probing.await_metric(GREETER_SUCCESS, lambda value: value == 1)
    assert "NOT reloaded" in probing.show("StatusText")["StatusText"]
    line = GREETER.count("\n") + 1
    assert f"{CONFIGURATION}:{line}:1: colour: is no key" in probing.machine.journal("-u", UNIT)
    probing.configure(GREETER)
    assert probing.systemctl("reload").status == 0
    probing.await_metric(RELOADED, lambda value: value == 1)
    assert probing.pid == before


def test_an_unusable_configuration_is_not_tried_again(service):
    service.configure("colour: red\n")
    assert service.systemctl("restart").status != 0
    state = service.show("ActiveState", "SubState", "ExecMainStatus", "Result")
    assert state == {
        "ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "2", "Result": "exit-code",
    }
    service.configure(GREETER)
    service.restart()


def test_a_stop_takes_less_than_a_second(probing):
    """By systemd's own clock, with held connections and clients of the responder."""
    took = []
    for _ in range(3):
        probing.await_metric(GREETER_SUCCESS, lambda value: value == 1)
        assert probing.systemctl("stop").status == 0
        state = probing.show("ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic",
                             "Result", "ExecMainStatus", "ExecMainCode")
        took.append(int(state["InactiveEnterTimestampMonotonic"])
                    - int(state["ActiveExitTimestampMonotonic"]))
        assert (state["Result"], state["ExecMainStatus"]) == ("success", "0")
        assert probing.systemctl("start").status == 0
    assert min(took) < 1_000_000


def test_a_killed_daemon_is_started_again(probing):
    before = probing.show("MainPID", "ActiveEnterTimestampMonotonic")
    probing.machine.ok("kill", "-KILL", before["MainPID"])
    probing.await_started_after(int(before["ActiveEnterTimestampMonotonic"]))
    probing.await_metric(GREETER_SUCCESS, lambda value: value == 1)


def test_the_watchdog_ends_a_daemon_of_which_a_thread_hangs(probing):
    probing.drop_in("watchdog", "WatchdogSec=5")
    probing.restart()
    before = probing.show("MainPID", "ActiveEnterTimestampMonotonic")
    outside = host_pid(probing.machine.leader, before["MainPID"])
    stopper = Process([sys.executable, "-B", HERE / "thread_stopper.py", outside, "prober"])
    try:
        stopper.wait_line(lambda line: line == "stopped")
        probing.await_started_after(int(before["ActiveEnterTimestampMonotonic"]))
        assert stopper.status(WAIT) == 0
    finally:
        stopper.close()
        probing.drop_in("watchdog", "")
    # and each time before, if the machine itself stood still
    assert set(probing.machine.journal("CONNHEALTH_THREAD=prober").splitlines()) == {"a thread hangs"}
    assert "Watchdog timeout" in probing.machine.journal("-u", UNIT)
    probing.await_metric(GREETER_SUCCESS, lambda value: value == 1)


def host_pid(leader, inside):
    """The number that a process of the machine has outside."""
    namespace = pathlib.Path(f"/proc/{leader}/ns/pid").readlink()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").readlink() != namespace:
                continue
            status = (process / "status").read_text()
        except OSError:
            continue  # gone meanwhile
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if numbers[-1] == inside:
            return process.name
    raise AssertionError(f"the machine has no process {inside}")
