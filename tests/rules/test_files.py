# SPDX-License-Identifier: Apache-2.0
"""The files of rules: complete, correct, and about what the daemon exports."""

import re
import subprocess

import pytest

import promql
from promtool import ALERTMANAGER, ROOT, RULES, alerts, program, rules, seconds

SCOPES = {"target", "group", "fleet", "host", "unit", "daemon"}


def checked(*argv):
    done = subprocess.run([program(argv[0]), *map(str, argv[1:])], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_accepts_the_rules():
    status, said = checked("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert status == 0 and f"{len(rules())} rules found" in said, said


def test_amtool_accepts_the_alertmanager():
    status, said = checked("amtool", "check-config", ALERTMANAGER)
    assert status == 0 and "SUCCESS" in said, said


@pytest.mark.parametrize("name", alerts())
def test_alert_is_complete(name):
    rule = alerts()[name]
    assert re.fullmatch(r"Connhealth[A-Z][A-Za-z]+", name)
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["labels"]["scope"] in SCOPES
    assert "for" in rule or "keep_firing_for" in rule


@pytest.mark.parametrize("name", alerts())
def test_alert_has_its_page(name):
    path = alerts()[name]["annotations"]["runbook_url"]
    assert path == f"deploy/prometheus/runbooks/{name}.md"
    text = (ROOT / path).read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert headings == [name, "What it means", "Whose fault it is", "What to do"]
    causes = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert causes <= promql.words("cause"), "a cause that the daemon never says"
    assert set(re.findall(r"\bConnhealth[A-Z]\w+", text)) <= set(alerts())


def test_every_page_has_its_alert():
    pages = {path.stem for path in (ROOT / "deploy/prometheus/runbooks").glob("*.md")}
    assert pages == set(alerts())


def test_a_cause_has_a_page():
    """Whatever cause an alert names, somebody finds what to do."""
    text = "".join(path.read_text() for path in (ROOT / "deploy/prometheus/runbooks").glob("*.md"))
    not_a_failure_of_probes = {"unknown", "aborted_before_accept", "killed_locally"}
    assert {cause for cause in promql.words("cause") if f"`{cause}`" not in text} == not_a_failure_of_probes


@pytest.mark.parametrize("where,expression", promql.rule_expressions(),
                         ids=[where for where, _ in promql.rule_expressions()])
def test_rules_ask_for_what_is_there(where, expression):
    assert promql.mistakes(expression) == []


def test_the_check_of_names_finds_mistakes():
    assert promql.mistakes('sum by (unti) (rate(connhealth_probe_success{category="x"}[5m]))') == [
        "connhealth_probe_success has no label category", "category is never x", "by (unti): no such label"]
    assert promql.mistakes("connhealth_probe_succes == 0") == ["no metric connhealth_probe_succes"]
    assert promql.mistakes('connhealth_probe_failures_total{category=~"reset|rset"}') == [
        "category is never rset"]


def test_the_golden_files_have_every_family():
    sampled = {re.sub(r"_(bucket|sum|count)$", "", name) for name in promql.daemon_metrics()}
    assert len(promql.families()) > 60
    assert promql.families() - sampled == set()


def test_recorded_names():
    """level:metric:operations, the last with the window if there is one."""
    for rule in rules():
        if "record" not in rule:
            continue
        level, metric, operation = rule["record"].split(":")
        assert level in ("target", "host", "group", "unit")
        assert metric.startswith("connhealth_")
        window = re.fullmatch(r"(?:rate|increase)(\d+[mh])", operation)
        if window and "[" in rule["expr"] and not metric.endswith("_past"):
            assert seconds(window[1]) == max(map(seconds, re.findall(r"\[(\w+)\]", rule["expr"])))


@pytest.mark.parametrize("name", [n for n, rule in alerts().items() if rule["labels"]["scope"] == "target"])
def test_many_are_told_before_each(name):
    """While an alert of a target is pending the one for its host and its group fires, so that
    Alertmanager can hold the many back."""
    group = alerts()["ConnhealthGroupFailing"]
    first = seconds(alerts()[name].get("for", "0s"))
    assert first == 0 or seconds(group["for"]) <= first - 30


def test_the_readme_lists_every_alert():
    rows = re.findall(r"^\| (`Connhealth.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(alerts())
