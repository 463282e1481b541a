# SPDX-License-Identifier: Apache-2.0
"""Each expression of the dashboards, put to Prometheus at the moment when everything failed: it has
something to show."""

import re

import pytest

import grafana


@pytest.mark.parametrize("name,panel,expression", grafana.expressions())
def test_panel_has_data(story, name, panel, expression):
    found = story.stack.prometheus.query(grafana.substituted(expression), time=story.failing_at)
    assert found, expression


@pytest.mark.parametrize("name,variable,query", grafana.variables())
def test_variable_has_values(story, name, variable, query):
    metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    found = story.stack.prometheus.query(f"count by ({label}) ({grafana.substituted(metric)})",
                                         time=story.failing_at)
    assert found, query
    assert variable == "unit" or all(labels.get(label) for labels, _ in found)


def test_the_fleet_shows_each_cause(story):
    """By the causes, an operator tells the failing targets apart."""
    (expression,) = (expression for name, panel, expression in grafana.expressions()
                     if (name, panel) == ("fleet", "What fails now, and why"))
    found = {(labels["group"], labels["cause"]) for labels, _ in story.stack.prometheus.query(
        grafana.substituted(expression), time=story.failing_at)}
    assert {("closed", "port_closed"), ("unread", "peer_not_reading"),
            ("routed", "router_unreachable"), ("hole", "no_answer")} <= found


def test_one_target_is_shown_alone(story):
    target = f"{story.addresses['closed']}:7000"
    for name, panel, expression in grafana.expressions():
        if (name, panel) == ("target", "Evidence"):
            found = story.stack.prometheus.query(grafana.substituted(
                expression, target=target.replace(".", "\\\\.")), time=story.failing_at)
            assert ("refused", "port_closed") in {(labels["category"], labels["cause"]) for labels, _ in found}
            assert "would_block" not in {labels["category"] for labels, _ in found}
