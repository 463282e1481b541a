# SPDX-License-Identifier: Apache-2.0
"""The package over its life: an upgrade keeps what was changed, a purge leaves nothing."""

import os
import shutil
import subprocess

import pytest

from service import CONFIGURATION

DEFAULTS = "/etc/default/connhealthd"
# What any installation changes: dpkg's own records, logs, caches, what a boot makes anew.
OTHERS = ("/var/lib/dpkg", "/var/log", "/var/cache", "/var/lib/systemd", "/run", "/proc", "/sys",
          "/dev", "/tmp", "/var/tmp", "/root")


@pytest.fixture(name="newer", scope="module")
def fixture_newer(package, tmp_path_factory):
    """The package with a higher version and another default configuration."""
    folder = tmp_path_factory.mktemp("newer")
    tree, made = folder / "tree", folder / "connhealthd.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    text = control.read_text()
    version = next(line for line in text.splitlines() if line.startswith("Version: "))
    control.write_text(text.replace(version, version + "+newer"))
    for path in (CONFIGURATION, DEFAULTS):
        with open(f"{tree}{path}", "a", encoding="utf-8") as file:
            file.write("# newer\n")
    sums = subprocess.run("find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | xargs -0 md5sum",
                          shell=True, cwd=tree, check=True, capture_output=True).stdout
    (tree / "DEBIAN/md5sums").write_bytes(sums)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, made], check=True)
    shutil.rmtree(tree)
    return made


def files_of(machine):
    found = set()
    for folder, folders, files in os.walk(machine.tree):
        inside = folder.removeprefix(str(machine.tree)) or "/"
        if inside.startswith(OTHERS):
            folders[:] = []
            continue
        found |= {os.path.join(inside, name) for name in folders + files}
    return {path for path in found if not path.startswith(OTHERS)}


def accounts_of(machine):
    return {name: machine.path(f"/etc/{name}").read_text() for name in ("passwd", "group", "shadow")}


@pytest.fixture(name="before", scope="module")
def fixture_before(machine):
    return files_of(machine), accounts_of(machine)


def test_an_upgrade_restarts_and_keeps_configuration_and_counters(before, service, newer):
    changed = """
groups:
  - name: kept
    interval: 100ms
    timeout: 100ms
    connect: {}
    static_configs: [{targets: ["127.0.0.1:7071"]}]
"""
    attempts = 'connhealth_probe_attempts_total{group="kept",target="127.0.0.1:7071",probe="connect"}'
    service.configure(changed)
    assert service.systemctl("reload").status == 0
    service.await_metric(attempts, lambda value: value and value > 100)
    old, counted = service.pid, service.metric(attempts)
    service.install(newer)
    assert service.machine.path(CONFIGURATION).read_text() == changed
    assert service.machine.path(DEFAULTS).read_text().endswith("# newer\n")  # was as shipped
    assert service.machine.ok("dpkg-query", "-W", "-f", "${Version}", "connhealthd").endswith("+newer")
    assert service.pid not in (0, old)
    assert service.show("UnitFileState")["UnitFileState"] == "enabled"
    assert service.metric(attempts) >= counted


def test_an_upgrade_leaves_a_disabled_service_disabled(service, package):
    machine = service.machine
    machine.ok("systemctl", "disable", "connhealthd.service")
    service.install(package)  # of a lower version, which changes nothing here
    assert service.show("UnitFileState")["UnitFileState"] == "disabled"
    machine.ok("systemctl", "enable", "connhealthd.service")


def test_a_purge_leaves_nothing(before, service):
    machine = service.machine
    machine.write("/etc/connhealthd/conf.d/10-mine.yml", "groups: []\n")
    machine.write("/etc/connhealthd/targets.d/mine.json", "[]\n")
    machine.ok("systemctl", "stop", "connhealthd.service")
    machine.ok("systemctl", "enable", "--now", "connhealthd-responder.socket")
    machine.ok("systemctl", "start", "connhealthd.service")
    machine.ok("dpkg", "--remove", "connhealthd")
    assert machine.path(CONFIGURATION).exists()  # a removal keeps configuration
    assert machine.run("systemctl", "is-active", "connhealthd.service").out.strip() == "inactive"
    machine.ok("dpkg", "--purge", "connhealthd")
    files, accounts = before
    assert files_of(machine) - files == set()
    assert accounts_of(machine) == accounts
    assert "connhealth" not in machine.ok("systemctl", "list-units", "--all", "--no-legend")
    assert "connhealth" not in machine.ok("ps", "-A", "-o", "comm=")
