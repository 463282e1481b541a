# SPDX-License-Identifier: Apache-2.0
"""promtool test rules, fed from Python: series in, the alerts that fire at given times out."""

import json
import pathlib
import re
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/connhealth.rules.yml"
ALERTMANAGER = ROOT / "deploy/prometheus/alertmanager.yml"

SCRAPE = 15  # seconds between two samples of a series below
EVALUATION = 30  # seconds, as in the file of rules


def program(name):
    found = shutil.which(name)
    assert found, f"{name} is not installed: deploy/install-packages test"
    return found


def groups():
    return yaml.safe_load(RULES.read_text())["groups"]


def rules():
    """Every rule of the file, in its order."""
    return [rule for group in groups() for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def seconds(duration):
    """"1h30m" as seconds."""
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * unit[word] for number, word in re.findall(r"(\d+)([smhd])", duration))


def series(name, labels, values):
    """values: promtool's notation, or numbers, one a scrape."""
    if not isinstance(values, str):
        values = " ".join(f"{value:g}" for value in values)
    return {"series": name + "{" + ", ".join(f"{key}={json.dumps(value)}"
                                             for key, value in labels.items()) + "}",
            "values": values}


def run(tmp_path, tests):
    """What promtool has to object. Unless told, it evaluates the groups in any order, and what one
    group takes from another is then an evaluation older now and then."""
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)],
                                    "group_eval_order": [group["name"] for group in groups()],
                                    "evaluation_interval": f"{EVALUATION}s", "tests": tests},
                                   width=1000))
    done = subprocess.run([program("promtool"), "test", "rules", str(file)], capture_output=True,
                          text=True, timeout=500, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def firing(input_series, at):
    """A test that asks at each time of {time: set of alerts' names} which fire, and no others."""
    return {
        "interval": f"{SCRAPE}s",
        "input_series": input_series,
        "promql_expr_test": [
            {"expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
             "eval_time": time,
             "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)]}
            for time, names in at.items()],
    }


def told(at, alert):
    """For a test: promtool expects this alert not to be there, and prints it as it is, with its
    annotations rendered."""
    return {"alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": []}]}
