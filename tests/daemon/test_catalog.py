# SPDX-License-Identifier: Apache-2.0
"""The catalog that journalctl -x reads: each category is explained, in systemd's own words for
how."""

import json
import re
import subprocess

import pytest

from daemon import BUILD, run_ctl, seconds

CATALOG = BUILD / "daemon/connhealthd.catalog"
ENTRY = re.compile(r"^-- ([0-9a-f]{32})\n((?:[A-Z][A-Za-z-]+: .+\n)+)\n((?:.|\n)*?)(?=^-- |\Z)", re.MULTILINE)


@pytest.fixture(scope="module")
def categories():
    done = run_ctl("explain", "--json")
    assert done.status == 0, done.stderr
    return {c["category"]: c for c in json.loads(done.stdout)["categories"]}


def entries():
    """{id: (subject, text)}"""
    return {
        found[1]: (re.search(r"^Subject: (.+)$", found[2], re.MULTILINE)[1], found[3])
        for found in ENTRY.finditer(CATALOG.read_text())
    }


def test_every_entry_is_well_formed():
    text = CATALOG.read_text()
    assert len(entries()) == len(re.findall(r"^-- ", text, re.MULTILINE)) > 14
    assert max(map(len, text.splitlines())) < 100
    for subject, body in entries().values():
        assert body.strip() and not subject.endswith(".")
        assert set(re.findall(r"@([^@\s]+)@", body)) <= {
            f"CONNHEALTH_{name}" for name in (
                "GROUP", "TARGET", "PROBE", "DETAIL", "CAUSE", "PHASE", "WIRE", "FILE", "GROUPS",
                "TARGETS", "PROBES", "DROPPED", "THREAD", "REASON")
        }


def test_every_category_is_explained(categories):
    explained = {
        subject.removeprefix("A probe fails: "): re.sub(r"\s+", " ", body)
        for subject, body in entries().values()
        if subject.startswith("A probe fails: ")
    }
    assert explained.keys() == categories.keys()
    for name, category in categories.items():
        assert category["meaning"][1:] in explained[name]
        assert category["advice"][1:] in explained[name]


def test_journalctl_takes_the_catalog(tmp_path):
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (place / "connhealthd.catalog").write_bytes(CATALOG.read_bytes())
    journalctl = ["journalctl", f"--root={tmp_path}"]
    options = {"capture_output": True, "text": True, "timeout": seconds(30), "check": True}
    made = subprocess.run([*journalctl, "--update-catalog"], **options)
    assert not made.stderr, made.stderr
    for message_id, (subject, body) in entries().items():
        shown = subprocess.run([*journalctl, "--dump-catalog", message_id], **options).stdout
        assert shown.startswith(f"-- {message_id}\nSubject: {subject}\n")
        assert body.strip() in shown
