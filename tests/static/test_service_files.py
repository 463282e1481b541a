# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the programs: the unit and its sandbox, the capability profiles, the
default configuration."""

import configparser
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release"))
SYSTEMD = ROOT / "deploy/systemd"
UNITS = sorted([*SYSTEMD.glob("*.service"), *SYSTEMD.glob("*.socket")])
PROFILES = sorted((SYSTEMD / "profiles").glob("*.conf"))


def run(*command, **more):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **more
    )


def exposure(unit):
    report = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit).stdout
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)[1])


def test_the_sandbox_leaves_little_exposed():
    assert exposure(SYSTEMD / "connhealthd.service") <= 1.5


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_a_profile_gives_the_capability_of_its_name_and_no_other(profile, tmp_path):
    shutil.copy(SYSTEMD / "connhealthd.service", tmp_path)
    (tmp_path / "connhealthd.service.d").mkdir()
    shutil.copy(profile, tmp_path / "connhealthd.service.d")
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read(profile)
    capability = profile.stem.upper().replace("-", "_")
    assert dict(parser["Service"]) == {
        "PrivateUsers": "no",
        "CapabilityBoundingSet": capability,
        "AmbientCapabilities": capability,
    }
    assert exposure(tmp_path / "connhealthd.service") <= 2.0


@pytest.fixture(name="installed", scope="module")
def fixture_installed(tmp_path_factory):
    """Twice: the second installation finds a configuration that was changed."""
    tree = tmp_path_factory.mktemp("installed")
    command = ["cmake", "--install", BUILD, "--prefix", "/usr"]
    for _ in range(2):
        result = run(*command, env={**os.environ, "DESTDIR": str(tree)})
        assert result.returncode == 0, result.stderr
        with open(tree / "etc/default/connhealthd", "a", encoding="utf-8") as file:
            file.write("# changed\n")
    return tree


def test_an_installation_keeps_a_changed_configuration(installed):
    text = (installed / "etc/default/connhealthd").read_text()
    assert text.count("# changed\n") == 2


def test_the_installed_configuration_is_valid(installed):
    daemon, file = installed / "usr/bin/connhealthd", installed / "etc/connhealthd/connhealthd.yml"
    result = run(daemon, "--config.check", "--config.file", file)
    assert (result.returncode, result.stdout) == (0, "OK: 0 groups, 0 targets\n"), result.stderr
    schema = re.search(r"\$schema=(\S+)", file.read_text())[1]
    assert pathlib.Path(schema).name in os.listdir(installed / "usr/share/connhealthd")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_has_nothing_against_a_unit(unit, installed):
    """systemd-analyze looks for the programs on this host: those that the unit names are given."""
    there = installed / "usr/lib/systemd/system" / unit.name
    text = re.sub(
        r"=\S*/bin/(connhealth\w+) ", rf"={installed}/usr/bin/\1 ", there.read_text()
    )
    assert str(installed) in text or unit.suffix == ".socket"
    there.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    result = run("systemd-analyze", "verify", there)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_package_is_built_from_what_the_build_needs():
    """deploy/packages/build without what every build of a package has (build-essential)."""
    lines = (ROOT / "deploy/packages/build").read_text().splitlines()
    needed = {line for line in lines if line and not line.startswith("#")} - {"gcc", "libc6-dev"}
    field = (ROOT / "deploy/debian/control").read_text().partition("Build-Depends:\n")[2]
    listed = {re.split(r"[ ,(]", line.strip())[0] for line in
              field.partition("Standards-Version")[0].splitlines()}
    assert needed <= listed
