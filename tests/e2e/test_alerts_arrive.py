# SPDX-License-Identifier: Apache-2.0
"""From the packet to the operator: connhealthd, Prometheus, Alertmanager and a webhook, with the
rules and the routing that are shipped (quicker, see scaled.py)."""

import pytest

import scaled
from stack import name_of
from story import EXPECTED

OF_TARGETS = {"target", "group", "fleet", "host"}


def firing(story, alert, of):
    return [sent for sent in story.stack.webhook.alerts
            if sent["status"] == "firing" and name_of(sent) == (alert, of)]


@pytest.mark.parametrize("group,alert", EXPECTED.items())
def test_the_right_alert_arrives(story, group, alert):
    """And no other alert of that target."""
    about = {name_of(sent)[0] for sent in story.stack.webhook.alerts
             if sent["labels"].get("group") == group}
    assert about == {alert}


def test_nothing_else_arrives(story):
    of_targets = {name_of(sent) for sent in story.stack.webhook.alerts
                  if sent["labels"]["scope"] in OF_TARGETS}
    pair = {("ConnhealthTargetDown", "pair")}  # see below
    assert of_targets - pair == story.expected()


@pytest.mark.parametrize("group,alert", EXPECTED.items())
def test_it_says_what_is_wrong(story, group, alert):
    sent = firing(story, alert, group)[0]
    target = f"{story.addresses[group]}:7000"
    assert sent["labels"]["target"] == target
    assert sent["labels"]["team"] == "storage", "the target's own labels are for routing"
    assert target in sent["annotations"]["summary"]
    assert sent["annotations"]["runbook_url"] == f"deploy/prometheus/runbooks/{alert}.md"
    cause = {"resets": "reset/", "hole": "timeout/", "closed": "refused/port_closed",
             "unread": "would_block/peer_not_reading", "routed": "host_unreachable/router_unreachable"}
    assert cause[group] in sent["annotations"]["description"]


def test_the_router_is_named(story):
    sent = firing(story, "ConnhealthUnreachable", "routed")[0]
    assert sent["labels"]["offender"] == "10.76.0.1"
    assert sent["annotations"]["summary"].startswith("10.76.0.1 says that")


def test_a_host_that_is_down_holds_its_ports_back(story):
    """How soon it does so depends on two evaluations; in production there is half a minute between
    them, here are seconds: so Alertmanager is asked, and not the webhook."""
    assert set(story.suppressed) == {f"{story.addresses['pair']}:{port}" for port in (7000, 7001)}
    assert all(story.suppressed.values())


def test_they_resolve(story):
    assert story.expected() <= story.stack.webhook.of("resolved")


def test_every_duration_is_scaled_and_nothing_else():
    text = ('groups: [{name: g, interval: 30s, rules: [{alert: A, for: 1m, keep_firing_for: 2h, '
            'expr: "rate(a[5m] offset 1h) > 5 and b{c=\\"5m\\"} >= 60", annotations: {a: "5m"}}]}]')
    assert scaled.yaml.safe_load(scaled.rules(text, 10)) == {"groups": [{
        "name": "g", "interval": "3000ms", "rules": [{
            "alert": "A", "for": "6000ms", "keep_firing_for": "720000ms",
            "expr": 'rate(a[30000ms] offset 360000ms) > 5 and b{c="5m"} >= 60', "annotations": {"a": "5m"}}]}]}
