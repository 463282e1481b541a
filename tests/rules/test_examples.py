# SPDX-License-Identifier: Apache-2.0
"""deploy/examples: each is accepted by the program that it is for, put where it says."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml

from promtool import ALERTMANAGER, ROOT, RULES, program

EXAMPLES = ROOT / "deploy/examples"
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release"))
CONFIGURATIONS = {"connhealthd.yml": "1 group, 0 targets, and those of 1 file_sd pattern",
                  "mesh/connhealthd.yml": "3 groups, 0 targets, and those of 3 file_sd patterns"}
EACH = pytest.mark.parametrize("name", CONFIGURATIONS)


def said(*argv):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_scrape_configuration(tmp_path):
    """Put together as it is in /etc/prometheus."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    shutil.copy(RULES, tmp_path)
    text = said(program("promtool"), "check", "config", tmp_path / "prometheus.yml")
    assert "1 rule files found" in text and "WARNING" not in text, text


def test_the_job_is_found_by_the_rules():
    (job,) = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())["scrape_configs"]
    for pattern in set(re.findall(r'job=~"([^"]*)"', RULES.read_text())):
        assert re.fullmatch(pattern, job["job_name"])


def test_amtool_accepts_the_alertmanager():
    assert "SUCCESS" in said(program("amtool"), "check-config", EXAMPLES / "alertmanager.yml")


def test_the_alertmanager_inhibits_as_the_shipped_one():
    ours, shipped = (yaml.safe_load(path.read_text()) for path in (EXAMPLES / "alertmanager.yml", ALERTMANAGER))
    assert ours["inhibit_rules"] == shipped["inhibit_rules"]
    assert ours["route"]["group_by"] == shipped["route"]["group_by"]


@pytest.mark.parametrize("labels,receiver", [
    (("severity=critical", "scope=target", "team=storage"), "storage"),
    (("severity=critical", "scope=target", "team=web"), "pager"),
    (("severity=critical", "scope=fleet"), "pager"),
    (("severity=warning", "scope=unit"), "chat"),
])
def test_alerts_go_where_it_says(labels, receiver):
    text = said(program("amtool"), "config", "routes", "test",
                f"--config.file={EXAMPLES / 'alertmanager.yml'}", *labels)
    assert text.strip() == receiver


@EACH
def test_connhealthd_accepts_it(name):
    daemon = said(BUILD / "daemon/connhealthd", "--config.check", f"--config.file={EXAMPLES / name}")
    ctl = said(BUILD / "daemon/connhealthctl", "check-config", EXAMPLES / name)
    assert f"OK: {CONFIGURATIONS[name]}" in daemon
    assert f"OK: {CONFIGURATIONS[name]}" in ctl


@EACH
def test_the_schema_accepts_it(name):
    schema = json.loads((ROOT / "deploy/connhealthd.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((EXAMPLES / name).read_text()), schema)


def test_every_file_is_in_the_table():
    text = (EXAMPLES / "README.md").read_text()
    linked = [EXAMPLES / path for path in re.findall(r"\]\(([^)]*)\)", text)]
    for path in linked:
        assert path.exists(), path
    for path in EXAMPLES.rglob("*.yml"):
        assert any(path == one or one in path.parents for one in linked), path


def test_what_the_readme_names_is_there():
    paths = re.findall(r"\b(?:deploy/(?:examples|prometheus)|dashboards)/[\w./-]*\w", (ROOT / "README.md").read_text())
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []
