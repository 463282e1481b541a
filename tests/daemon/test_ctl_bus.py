# SPDX-License-Identifier: Apache-2.0
"""connhealthctl without --address, on a private system bus: the daemon serves HTTP nowhere that it
would look, so that what answers came over the bus."""

import json
import signal
import socket

import pytest

from daemon import CTL, ms, run_ctl, sanitizer_environment, seconds, unused_port
from process import Process
from system_bus import STRICT

DENYING = STRICT.replace("</busconfig>", """
  <policy user="{user}">
    <deny send_destination="org.connhealth1" send_interface="org.connhealth1.Manager"
      send_member="Reload"/>
  </policy>
</busconfig>""")


def group(*targets, name="bad"):
    return {"name": name, "interval": ms(100), "timeout": ms(100), "connect": {},
            "static_configs": [{"targets": list(targets)}]}


@pytest.fixture
def start(daemon, bus):
    """start(groups..., template): a daemon that owns its name on a bus, and the bus."""

    def make(*groups, template=None):
        system = bus(template) if template else bus()
        made = daemon({"groups": list(groups), "sockets": {"interval": "1h"}},
                      environment=system.environment)
        system.wait_name(made)
        return made, system

    return make


def ctl(system, *arguments):
    return run_ctl(*arguments, environment=system.environment)


def test_everything_is_answered_over_the_bus(start):
    target = f"127.0.0.1:{unused_port()}"
    made, system = start(group(target, name="a&b=c+d%41"))
    made.wait_failure("connect")
    made.wait(lambda: made.json("/api/v1/sockets")["time"], what="a sweep")
    status = ctl(system, "status")
    assert status.status == 0 and status.stderr == ""
    assert "1 of 1 probe failing" in status.stdout and "refused: port_closed" in status.stdout
    assert ctl(system, "targets", "--names").stdout == f"{target}\n"
    assert len(json.loads(ctl(system, "targets", "--failing", "--json").stdout)["targets"]) == 1
    shown = json.loads(ctl(system, "show", target, "--json", "--group=a&b=c+d%41").stdout)
    assert len(shown["targets"]) == 1 and shown["events"]
    assert ctl(system, "show", target, "--group=none").status == 2
    assert ctl(system, "sockets").stdout.startswith("Sockets of this host ")


def test_reload_over_the_bus(start):
    made, system = start()
    made.configure({"groups": [group("127.0.0.1:9")]})
    assert ctl(system, "reload") == (0, "reloaded\n", "")
    assert len(made.targets()) == 1
    made.configure("groups: [{name: 7}, {frobnicate: 1}]\n")
    result = ctl(system, "reload")
    assert result.status == 2 and result.stdout == ""
    assert "frobnicate" in result.stderr and len(result.stderr.splitlines()) > 1


def test_reload_that_is_denied_says_what_to_do(start):
    _, system = start(template=DENYING)
    result = ctl(system, "reload")
    assert result.status == 1
    assert "as root use systemctl reload connhealthd" in result.stderr


@pytest.fixture
def watch():
    """watch(system, ...): connhealthctl watch, running."""
    made = []

    def start_watch(system, *arguments):
        made.append(Process([CTL, "watch", "--interval=20ms", *arguments],
                            environment={**sanitizer_environment(), **system.environment}))
        return made[-1]

    yield start_watch
    for one in made:
        one.close()


def test_watch_over_the_bus(start, watch):
    listening = unused_port()
    made, system = start(group(f"127.0.0.1:{listening}"))
    process = watch(system)
    process.wait_line(lambda line: "FAILING" in line, seconds(40))
    with socket.create_server(("127.0.0.1", listening)):
        process.wait_line(lambda line: "  ok  " in line, seconds(40))
    process.signal(signal.SIGINT)
    assert process.status(seconds(40)) == 0, process.text


def test_watch_ends_at_once_while_it_waits_for_an_answer(start, watch):
    made, system = start(group(f"127.0.0.1:{unused_port()}"))
    process = watch(system, "--timeout=1h")
    process.wait_line(lambda line: "FAILING" in line, seconds(40))
    made.process.freeze()
    try:
        process.signal(signal.SIGINT)
        assert process.status(seconds(40)) == 0, process.text
    finally:
        made.process.thaw()
