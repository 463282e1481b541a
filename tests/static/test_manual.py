# SPDX-License-Identifier: Apache-2.0
"""The manual pages: well formed, and complete. What is not in them does not exist for an operator."""

import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release"))
MAN = BUILD / "deploy/man"
PAGES = ["connhealthctl.1", "connhealthd.yml.5", "connhealth-categories.7", "connhealthd.8"]


def output(*command):
    result = subprocess.run([str(word) for word in command], check=True, capture_output=True,
                            text=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
    assert result.stderr == ""
    return result.stdout


def bold_of(page):
    """All that is set in bold: names of options, keys and commands."""
    text = (MAN / page).read_text().replace("\\-", "-").replace("\\&", "")
    return set(re.findall(r"\\fB(.*?)\\fR", text))


def flags_of(program, *arguments):
    """Those that have a line of their own in the usage."""
    usage = output(BUILD / "daemon" / program, *arguments, "--help")
    return set(re.findall(r"^  (--[a-z][a-z_.-]*[a-z])", usage, re.MULTILINE))


def words(bold):
    return {word.strip(":") for text in bold for word in text.split()}


@pytest.mark.parametrize("page", PAGES)
def test_man_has_nothing_against_a_page(page):
    text = output("man", "--local-file", "--warnings", "--encoding=UTF-8", MAN / page)
    assert "SEE ALSO" in text


def test_every_flag_of_the_daemon_is_described():
    assert len(flags_of("connhealthd")) >= 9
    assert flags_of("connhealthd") <= words(bold_of("connhealthd.8"))


def commands():
    usage = output(BUILD / "daemon/connhealthctl", "--help")
    return re.findall(r"^  ([a-z][a-z-]+) ", usage, re.MULTILINE)


def test_every_command_and_its_flags_are_described():
    described = words(bold_of("connhealthctl.1"))
    assert len(commands()) >= 9 and set(commands()) <= described
    for command in commands():
        assert flags_of("connhealthctl", command) <= {word.rstrip(";,.") for word in described}


def sections(source):
    """Headings of a page's source, in the order they stand, with the keys set in bold below."""
    found = {}
    for line in source.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").replace("\\", "").lower()
        elif match := re.match(r"\*([a-z_]+):\*", line):
            found.setdefault(heading, set()).add(match[1])
    return found


def test_every_key_of_the_configuration_is_described_where_it_belongs():
    described = sections((ROOT / "deploy/man/connhealthd.yml.5.scd").read_text())
    schema = json.loads((ROOT / "deploy/connhealthd.schema.json").read_text())

    def keys_below(node, heading):
        yield heading, set(node["properties"])
        for key, below in node["properties"].items():
            for inner in (below, below.get("items", {})):
                if "properties" in inner:
                    yield from keys_below(inner, key)

    wanted = dict(keys_below(schema, "top level"))
    assert described == wanted


def test_every_category_and_cause_is_explained():
    """The page and connhealthctl explain come from the same tables."""
    known = json.loads(output(BUILD / "daemon/connhealthctl", "explain", "--json"))
    text = (MAN / "connhealth-categories.7.scd").read_text().replace("\\", "")
    for kind in ("categories", "causes"):
        assert len(known[kind]) > 10
        for row in known[kind]:
            name = row.get("category") or row.get("cause") or row.get("name") or row.get("slug")
            assert f"\n## {name}\n" in text
            assert row["meaning"] in text
