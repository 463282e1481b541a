# SPDX-License-Identifier: Apache-2.0
"""Units by cgroup: sockets made by processes in cgroups of the test's own, in the hierarchy that the
host has (unified or hybrid), or in one mounted for the test."""

import contextlib
import itertools
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import pytest
from collector import ends_of, listener_of, needs_of_root, trouble_of, unit_of

# Does what it is told line by line, and answers each with a line.
WORKER = """
import socket, sys
kept = []
for line in sys.stdin:
    word, *rest = line.split()
    if word == "listen":
        kept.append(socket.create_server(("127.0.0.1", int(rest[0]))))
    elif word == "accept":
        kept.append(kept[0].accept()[0])
    elif word == "connect":
        kept.append(socket.create_connection(("127.0.0.1", int(rest[0]))))
    elif word == "close":
        kept.pop().close()
    elif word == "udp":
        kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        kept[-1].bind(("127.0.0.1", 0))
    print("done", flush=True)
"""


class Worker:
    """A process in a cgroup and in the namespace."""

    def __init__(self, namespace, cgroup):
        def enter():
            (cgroup / "cgroup.procs").write_text("0")

        with namespace.entered():
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", WORKER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=enter)

    def tell(self, *words):
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n", "the worker failed"

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def mounted_cgroup2():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] == "cgroup2" and fields.split()[3] == "/":
            return pathlib.Path(fields.split()[4])
    return None


class Cgroups:
    """A slice of the test's own: connhealth<pid>.slice."""

    def __init__(self, root):
        self.top = root / f"connhealth{os.getpid()}.slice"
        self.top.mkdir()

    def make(self, path):
        made = self.top / path
        made.mkdir(parents=True)
        return made

    def close(self):
        for directory, _, _ in os.walk(self.top, topdown=False):
            os.rmdir(directory)


@pytest.fixture
def cgroups():
    with contextlib.ExitStack() as undo:
        root = mounted_cgroup2()
        if root is None:
            root = pathlib.Path(undo.enter_context(tempfile.TemporaryDirectory()))
            subprocess.run(["mount", "-t", "cgroup2", "none", root], check=True)
            undo.callback(subprocess.run, ["umount", root], check=True)
        made = Cgroups(root)
        undo.callback(made.close)
        yield made


@pytest.fixture
def worker(namespace, cgroups):
    """worker(path): a Worker in that cgroup."""
    made = []

    def make(path):
        made.append(Worker(namespace, cgroups.make(path)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def ports():
    return itertools.count(21000)


def test_sockets_belong_to_the_unit_of_their_cgroup(collect, worker, ports):
    port = next(ports)
    server = worker("web.service/workers")
    client = worker("user-7.slice/user@7.service/app.slice/browser.service")
    container = worker("docker-0123456789abcdef.scope/init")
    server.tell("listen", port)
    client.tell("connect", port)
    server.tell("accept")
    container.tell("udp")
    collector = collect()
    sweep = collector.seen()
    assert unit_of(sweep, "web.service")["sockets"] == {"listen": 1, "established": 1}
    assert unit_of(sweep, "user@7.service/browser.service")["sockets"] == {"established": 1}
    assert unit_of(sweep, "docker-0123456789abcdef.scope")["sockets"] == {"unconnected": 1}
    assert unit_of(sweep, "")["sockets"] == {}
    listener = listener_of(sweep, port)
    assert listener["unit"] == "web.service"
    assert listener["connections"] == {"established": 1}
    assert collector.value("connhealth_unit_sockets", unit="web.service", state="established") == 1
    assert collector.value("connhealth_listener_backlog", address="127.0.0.1", port=str(port),
                           unit="web.service") == 0
    assert collector.value("connhealth_unit_rtt_seconds_count", unit="web.service") == 1


def test_a_unit_that_comes_later_is_found(collect, worker):
    collector = collect()
    worker("early.service").tell("udp")
    collector.wait_for(lambda sweep: unit_of(sweep, "early.service"))
    worker("late.service").tell("udp")
    collector.wait_for(lambda sweep: unit_of(sweep, "late.service"))


def test_ends_and_troubles_are_the_units(collect, worker, ports):
    port = next(ports)
    server, client = worker("leaky.service"), worker("client.service")
    server.tell("listen", port)
    client.tell("connect", port)
    server.tell("accept")
    collector = collect()
    client.tell("close")
    found = collector.wait_for(
        lambda sweep: trouble_of(unit_of(sweep, "leaky.service"), "close_wait"))
    assert found["sockets"] == 1
    sweep = collector.wait_for(lambda seen: ends_of(seen) and seen)
    assert unit_of(sweep, "client.service")["ends"] == {"closed": 1}
    server.tell("close")
    collector.wait_for(
        lambda sweep: unit_of(sweep, "leaky.service")["ends"] == {"closed": 1})
    # One that nobody saw: its listener's unit is known, its client's is not.
    client.tell("connect", port)
    server.tell("accept")
    client.tell("close")
    server.tell("close")
    sweep = collector.wait_for(
        lambda seen: unit_of(seen, "leaky.service")["ends"] == {"closed": 2} and
        unit_of(seen)["ends"] and seen)
    assert unit_of(sweep, "")["ends"] == {"closed": 1}
    labels = {"unit": "leaky.service", "end": "closed"}
    assert collector.value("connhealth_socket_ends_total", **labels) == 2


def test_more_units_than_the_limit(collect, worker):
    for number in range(5):
        worker(f"unit{number}.service").tell("udp")
    collector = collect(units={"limit": 2})
    sweep = collector.seen()
    named = [unit["unit"] for unit in sweep["units"]]
    assert named[:2] == ["", "other"] and len(named) == 4
    assert unit_of(sweep, "other")["sockets"] == {"unconnected": 3}
    assert sweep["units_folded"] == 3
    assert collector.value("connhealth_sockets_units_folded") == 3
    assert collector.value("connhealth_unit_sockets", unit="other", state="unconnected") == 3
    # With room for all, each gets its own.
    collector.configure({"sockets": {"interval": "1h", "units": {"limit": 10}}})
    sweep = collector.wait_for(lambda seen: seen["units_folded"] == 0 and seen)
    assert unit_of(sweep, "unit4.service")["sockets"] == {"unconnected": 1}


def test_units_switched_off(collect, worker):
    worker("web.service").tell("udp")
    collector = collect(units={"enabled": False})
    sweep = collector.seen()
    assert [unit["unit"] for unit in sweep["units"]] == ["", "other"]
    assert unit_of(sweep, "")["sockets"] == {"unconnected": 1}
    assert collector.samples("connhealth_unit_sockets") == {}
    assert collector.value("connhealth_socket_ends_total", unit="", end="closed") == 0


def test_another_cgroup2_mount_will_do(collect, worker, tmp_path):
    """The mount is found by its type, wherever it is."""
    worker("web.service").tell("udp")
    mount = tmp_path / "somewhere else"
    mount.mkdir()
    script = ('for m in $(findmnt -rno TARGET -t cgroup2); do umount -l "$m"; done; '
              'mount -t cgroup2 none "$0" && exec "$@"')
    collector = collect(prefix=["unshare", "-m", "sh", "-c", script, str(mount)])
    assert unit_of(collector.seen(), "web.service")["sockets"] == {"unconnected": 1}


def test_no_cgroup2_mount_is_said(collect, worker):
    worker("web.service").tell("udp")
    script = ('for m in $(findmnt -rno TARGET -t cgroup2); do umount -l "$m"; done; exec "$0" "$@"')
    collector = collect(prefix=["unshare", "-m", "sh", "-c", script])
    assert unit_of(collector.seen(), "")["sockets"] == {"unconnected": 1}
    assert collector.missing() == [*needs_of_root(), "cgroup_mount"]
