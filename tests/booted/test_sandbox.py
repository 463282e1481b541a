# SPDX-License-Identifier: Apache-2.0
"""The sandbox as the kernel holds it, not as the unit describes it; and what each profile buys."""

import re

import pytest

from process import poll_until
from service import WAIT

CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN = 2, 10, 12
WRITABLE = {"/run/connhealthd", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"}


# A service that moves itself into a cgroup below one that only root may enter.
CLOSED = """#!/bin/sh -eu
tree=/sys/fs/cgroup/unified
test -d $tree || tree=/sys/fs/cgroup
cgroup=$tree$(sed -n s/^0:://p /proc/self/cgroup)
mkdir -p $cgroup/below/inner.service
echo $$ >$cgroup/below/inner.service/cgroup.procs
chmod 0700 $cgroup/below
exec perl -MIO::Socket::INET -e \\
    '$socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1:7072", Listen => 8); sleep'
"""


def status_of(service):
    text = service.machine.ok("cat", f"/proc/{service.pid}/status")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def capabilities(service):
    status = status_of(service)
    return {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def missing(service):
    return {one["what"] for one in service.json("/api/v1/status")["sockets"]["missing"]}


def inside(service, script, user="root"):
    """Runs a shell script in the mounts of the service, without its system call filter."""
    enter = ["nsenter", "--mount", "--target", service.pid]
    if user == "root":
        enter += ["--"]
    else:
        enter += ["--user", "--", "setpriv", f"--reuid={user}", f"--regid={user}", "--keep-groups"]
    return service.machine.run(*enter, "sh", "-c", script)


def test_it_has_no_capability_and_can_get_none(service):
    status = status_of(service)
    assert set(capabilities(service).values()) == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # a filter: seccomp(2)


def test_it_is_a_user_without_a_shell_in_a_user_namespace(service):
    machine = service.machine
    uid = machine.ok("id", "-u", "connhealthd").strip()
    assert status_of(service)["Uid"].split() == [uid] * 4
    assert uid != "0"
    assert machine.ok("getent", "passwd", "connhealthd").strip().endswith(":/:/usr/sbin/nologin")
    ours = machine.ok("readlink", "/proc/1/ns/user")
    assert machine.ok("readlink", f"/proc/{service.pid}/ns/user") != ours


def test_it_can_write_nowhere(service):
    """Not even root could, in its mounts: no file system but its own small ones is writable."""
    mounts = service.machine.ok("cat", f"/proc/{service.pid}/mountinfo")
    points = {line.split()[4] for line in mounts.splitlines()}
    assert {"/", "/tmp"} <= points
    for folder in ("/", "/etc", "/etc/connhealthd", "/usr", "/var", "/var/lib", "/run", "/home", "/root"):
        result = inside(service, f"touch {folder}/written")
        assert result.status != 0 and "Read-only file system" in result.err, (folder, result)
    found = inside(service, "find / -xdev -type d -writable; "
                   "for m in /proc /sys /dev; do find $m -maxdepth 2 -type d -writable; done",
                   user="connhealthd").out.split()
    outside = {path for path in found if not any(
        path == place or path.startswith(place + "/") for place in WRITABLE | {"/proc"})}
    assert not outside


def test_what_it_could_write_is_its_own(service):
    """Its /tmp is not the host's."""
    service.machine.write("/tmp/of-the-host", "")
    assert inside(service, "test -e /tmp/of-the-host").status != 0
    assert inside(service, "touch /tmp/of-the-service").status == 0
    assert service.machine.run("test", "-e", "/tmp/of-the-service").status != 0


def test_it_cannot_see_the_processes_of_others(service):
    pids = set(re.findall(r"\d+", inside(service, "cd /proc; echo [0-9]*", user="connhealthd").out))
    assert str(service.pid) in pids and "1" not in pids
    everybody = set(service.machine.ok("ps", "-A", "-o", "pid=").split())
    others = everybody - set(
        service.machine.ok("ps", "-u", "connhealthd", "-o", "pid=").split())
    assert len(others) > 3 and not pids & others


def test_its_system_calls_are_filtered(service):
    """A shell under the unit's own filter and namespaces, as a drop-in runs it before the start."""
    service.drop_in("try", "ExecStartPre=/bin/sh -c 'unshare --user true && exit 1; "
                           "chroot / true && exit 1; exit 0'")
    try:
        service.restart()
        journal = service.machine.journal("-u", "connhealthd")
        assert "unshare failed: Operation not permitted" in journal
        assert "cannot change root directory to '/': Operation not permitted" in journal
    finally:
        service.drop_in("try", "")


def test_its_configuration_is_not_for_everybody(service):
    machine = service.machine
    assert machine.ok("stat", "-c", "%A %U %G", "/etc/connhealthd").strip() == (
        "drwxr-x--- root connhealthd")
    assert machine.run("setpriv", "--reuid=nobody", "--clear-groups", "cat",
                       "/etc/connhealthd/connhealthd.yml").status != 0


@pytest.fixture(name="profile")
def fixture_profile(service):
    """profile(NAME): the service with this one profile."""
    names = []

    def use(name):
        names.append(name)
        service.drop_in(name, service.machine.path(
            f"/usr/share/connhealthd/profiles/{name}.conf").read_text().partition("[Service]")[2])
        service.restart()

    yield use
    for name in names:
        service.drop_in(name, "")
    service.restart()


def test_cap_net_admin_buys_the_buffer(service, profile):
    assert "event_buffer" in missing(service)
    profile("cap-net-admin")
    assert set(capabilities(service).values()) == {1 << CAP_NET_ADMIN}
    poll_until(lambda: service.json("/api/v1/sockets")["time"], WAIT, "a sweep")
    assert "event_buffer" not in missing(service)


def test_cap_dac_read_search_buys_closed_cgroups(service, profile):
    machine = service.machine
    machine.write("/usr/local/bin/closed", CLOSED, mode=0o755)
    machine.ok("systemd-run", "--unit=closed", "--property=Delegate=yes", "/usr/local/bin/closed")
    listening = 'connhealth_listener_backlog{address="127.0.0.1",port="7072",unit="%s"}'
    poll_until(lambda: f":{7072:04X} " in machine.ok("cat", "/proc/net/tcp"), WAIT, "it listens")
    service.restart()
    service.await_metric(listening % "", lambda value: value is not None)
    assert "cgroup_read" in missing(service)
    profile("cap-dac-read-search")
    assert set(capabilities(service).values()) == {1 << CAP_DAC_READ_SEARCH}
    service.await_metric(listening % "closed.service", lambda value: value is not None)
    assert "cgroup_read" not in missing(service)


def test_cap_net_bind_service_buys_low_ports(service, profile):
    machine = service.machine
    machine.write("/etc/default/connhealthd", 'ARGS="--web.listen-address=127.0.0.1:443"\n')
    try:
        assert service.systemctl("restart").status != 0
        assert "Permission denied" in machine.journal("-u", "connhealthd", "--lines=20")
        machine.run("systemctl", "stop", "connhealthd")  # it would be tried again and again
        profile("cap-net-bind-service")
        assert set(capabilities(service).values()) == {1 << CAP_NET_BIND_SERVICE}
        machine.ok("curl", "-sS", "--fail", "http://127.0.0.1:443/-/ready")
    finally:
        machine.write("/etc/default/connhealthd", 'ARGS=""\n')
