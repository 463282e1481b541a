# SPDX-License-Identifier: Apache-2.0
"""The dashboards: as their source says, complete, and about what the daemon exports."""

import re
import subprocess

import pytest

import grafana
import promql

EACH = pytest.mark.parametrize("name", grafana.dashboards())
EXPRESSIONS = pytest.mark.parametrize("name,panel,expression", grafana.expressions())


def test_the_committed_files_are_what_the_command_makes(tmp_path):
    subprocess.run([grafana.DIRECTORY / "generate", tmp_path], check=True, timeout=60)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.name for path in grafana.PATHS} == set(made)
    for path in grafana.PATHS:
        assert path.read_text() == made[path.name], "run dashboards/generate"


def test_there_are_three():
    assert set(grafana.dashboards()) == {"fleet", "target", "sockets"}
    assert len({dashboard["uid"] for dashboard in grafana.dashboards().values()}) == 3


@EACH
def test_variables(name):
    listed = [variable["name"] for variable in grafana.dashboards()[name]["templating"]["list"]]
    assert listed[:3] == ["datasource", "job", "instance"]
    assert listed[3:] == {"fleet": ["group"], "target": ["group", "target"], "sockets": ["unit"]}[name]


@EACH
def test_every_panel_is_complete(name):
    panels = grafana.panels(grafana.dashboards()[name])
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"] and len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


@EACH
def test_panels_lie_side_by_side(name):
    taken = set()
    for panel in grafana.dashboards()[name]["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


@EACH
def test_links_between_them(name):
    dashboard = grafana.dashboards()[name]
    assert "connhealth" in dashboard["tags"]
    (link,) = dashboard["links"]
    assert link["tags"] == ["connhealth"] and link["keepTime"] and link["includeVars"]
    known = {other["uid"] for other in grafana.dashboards().values()}
    asked = {uid for panel in grafana.panels(dashboard)
             for link in panel["fieldConfig"]["defaults"].get("links", ())
             for uid in re.findall(r"^/d/([\w-]+)", link["url"])}
    assert asked <= known
    assert name != "fleet" or asked == {"connhealth-target"}


@EXPRESSIONS
def test_it_asks_for_what_is_there(name, panel, expression):
    assert promql.mistakes(grafana.substituted(expression)) == []


@EXPRESSIONS
def test_rates_follow_the_view(name, panel, expression):
    """A window of one's own is too short or too coarse for some scrape interval and some view."""
    for window in re.findall(r"\b(?:rate|increase)\([^()]*\[(.*?)\]", expression):
        assert window == "$__rate_interval" or "table" in {
            one["type"] for one in grafana.panels(grafana.dashboards()[name]) if one["title"] == panel}


@EXPRESSIONS
def test_it_heeds_the_variables(name, panel, expression):
    for selector in re.findall(r"\b(?:connhealth_\w+|ALERTS)(\{[^}]*\})?", expression):
        assert 'job=~"$job"' in selector, "a metric that is not narrowed to what was chosen"


@EXPRESSIONS
def test_one_value_is_no_regular_expression(name, panel, expression):
    """Grafana escapes the values of a variable that may have many, and no others."""
    many = {variable["name"]: variable.get("multi") for variable in
            grafana.dashboards()[name]["templating"]["list"]}
    for operator, variable in re.findall(r'\w+(=~?)"\$(\w+)"', expression):
        assert operator == ("=~" if many[variable] else "="), variable


@pytest.mark.parametrize("name,variable,query", grafana.variables())
def test_its_variables_list_what_is_there(name, variable, query):
    metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    assert label == variable
    assert promql.mistakes(f"count by ({label}) ({grafana.substituted(metric)})") == []
