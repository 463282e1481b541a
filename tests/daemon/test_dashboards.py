# SPDX-License-Identifier: Apache-2.0
"""Dashboards ask only for what the daemon exports."""

import json
import pathlib
import re

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = sorted((SOURCE / "dashboards").glob("*.json"))
# A family without a sample yet is not on /metrics; its row in the tables is.
TABLES = ("daemon/surface/families.c", "daemon/surface/self.c", "daemon/surface/sockets_metrics.c")
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def families():
    text = "".join((SOURCE / table).read_text() for table in TABLES)
    return set(re.findall(r'"(connhealth_[a-z0-9_]+)"', text))


def expressions(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_every_metric_exists(path):
    known = families()
    assert len(known) > 40
    asked = {name for text in expressions(json.loads(path.read_text()))
             for name in re.findall(r"\bconnhealth_[a-z0-9_]+", text)}
    assert asked
    assert {name for name in asked if name not in known and SUFFIX.sub("", name) not in known} == set()


def test_there_is_a_dashboard():
    assert DASHBOARDS
