# SPDX-License-Identifier: Apache-2.0
"""The dashboards as Grafana will read them, and their expressions as Prometheus will."""

import json
import re

from promtool import ROOT

DIRECTORY = ROOT / "dashboards"
PATHS = sorted(DIRECTORY.glob("*.json"))
# Grafana's own, and what they are in a view of a few minutes.
BUILT_IN = {"__rate_interval": "10s", "__range": "2m"}


def dashboards():
    return {path.stem: json.loads(path.read_text()) for path in PATHS}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions():
    """(dashboard, panel, expression) of each."""
    return [(name, panel["title"], target["expr"]) for name, dashboard in dashboards().items()
            for panel in panels(dashboard) for target in panel["targets"]]


def variables():
    """(dashboard, variable, the query that lists its values)"""
    return [(name, variable["name"], variable["query"]["query"]) for name, dashboard in dashboards().items()
            for variable in dashboard["templating"]["list"] if variable["type"] == "query"]


def substituted(text, **values):
    """The variables in their places: every value unless one is given."""
    def value(found):
        name = found[1]
        return BUILT_IN.get(name) or values.get(name, ".*")

    return re.sub(r"\$(?!\{)(\w+)", value, text)
