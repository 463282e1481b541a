# SPDX-License-Identifier: Apache-2.0
"""The Ansible role: nothing that ansible-lint has against it, and a run that only looks."""

import os
import pathlib
import re
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ANSIBLE = ROOT / "deploy/ansible"
ROLE = ANSIBLE / "roles/connhealthd"


def run(tmp_path, *command):
    home = {"HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_REMOTE_TEMP": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    return subprocess.run([str(word) for word in command], cwd=ANSIBLE, capture_output=True, text=True,
                          check=False, env={**os.environ, **home})


def test_ansible_lint_passes_the_role(tmp_path):
    result = run(tmp_path, "ansible-lint", "--offline", "--nocolor", "--strict")
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_variable_is_specified_and_has_its_default():
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    specified = options["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert {name: option["default"] for name, option in specified.items()} == defaults
    used = set()
    for path in [*ROLE.glob("tasks/*"), *ROLE.glob("handlers/*"), *ROLE.glob("templates/*")]:
        used |= set(re.findall(r"\bconnhealthd_[a-z_]+", path.read_text()))
    assert used == set(defaults)


def test_the_profiles_of_the_role_are_those_of_the_package():
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    specified = options["argument_specs"]["main"]["options"]["connhealthd_profiles"]["choices"]
    assert set(specified) == {path.stem for path in (ROOT / "deploy/systemd/profiles").glob("*.conf")}


VARIABLES = """
connhealthd_deb: %s
connhealthd_args: [--log.level=debug]
connhealthd_socket_activation: true
connhealthd_profiles: [cap-net-admin]
connhealthd_targets: {redis.json: [{targets: ["10.0.0.1:6379"], labels: {team: storage}}]}
connhealthd_config: {groups: [{name: redis, connect: {}}]}
"""


def play(tmp_path, variables):
    (tmp_path / "variables.yml").write_text(variables)
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  connection: local\n  roles: [connhealthd]\n")
    return run(tmp_path, "ansible-playbook", "--check", "--diff", "--inventory", "localhost,",
               "--extra-vars", f"@{tmp_path}/variables.yml", tmp_path / "play.yml")


def test_a_run_that_only_looks_says_what_it_would_do(tmp_path):
    package = tmp_path / "connhealthd.deb"
    package.write_bytes(b"laid down, not installed")
    result = play(tmp_path, VARIABLES % package)
    assert result.returncode == 0, result.stdout + result.stderr
    assert '+ARGS="--web.systemd-socket --log.level=debug"' in result.stdout
    assert "failed=0" in result.stdout and not pathlib.Path("/var/cache/connhealthd.deb").exists()


def test_a_misspelt_profile_is_refused(tmp_path):
    result = play(tmp_path, "connhealthd_profiles: [cap-net-amdin]\n")
    assert result.returncode != 0
    assert "cap-net-amdin" in result.stdout
