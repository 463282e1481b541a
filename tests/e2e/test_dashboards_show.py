# SPDX-License-Identifier: Apache-2.0
"""Each expression of the dashboards, put to Prometheus at the moment when everything failed: it has
something to show."""

import re

import pytest

import grafana


def shown(story, expression):
    """What the panel shows; of one target, what it shows of some target."""
    found = []
    for address in story.addresses.values():
        query = grafana.substituted(expression, target=f"{address}:7000",
                                    instance=f"127.0.0.1:{story.stack.daemon.port}")
        found += story.stack.prometheus.query(query, time=story.failing_at)
        if found or "$target" not in expression:
            break
    return found


@pytest.mark.parametrize("name,panel,expression", grafana.expressions())
def test_panel_has_data(story, name, panel, expression):
    assert shown(story, expression), expression


@pytest.mark.parametrize("name,variable,query", grafana.variables())
def test_variable_has_values(story, name, variable, query):
    metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    found = shown(story, f"count by ({label}) ({metric})")
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
    (expression,) = (expression for name, panel, expression in grafana.expressions()
                     if (name, panel) == ("target", "Evidence"))
    found = story.stack.prometheus.query(
        grafana.substituted(expression, target=f"{story.addresses['closed']}:7000"), time=story.failing_at)
    categories = {labels["category"] for labels, _ in found}
    assert "refused" in categories and "would_block" not in categories
