# SPDX-License-Identifier: Apache-2.0
"""The files of deploy/prometheus with every duration divided by one factor, so that minutes pass in
seconds: intervals, windows, offsets and for:. Nothing else is changed; what a rule counts within its
window stays as it is, and the test's probes are as much quicker."""

import re

import yaml

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
IN_EXPRESSION = re.compile(r"(\[|\boffset )(\d+(?:ms|[smhd]))(?=\]|\W|$)")


def duration(text, factor):
    number, unit = re.fullmatch(r"(\d+)(ms|[smhd])", text).groups()
    return f"{int(number) * UNITS[unit] // factor}ms"


def rules(text, factor):
    tree = yaml.safe_load(text)
    for group in tree["groups"]:
        group["interval"] = duration(group["interval"], factor)
        for rule in group["rules"]:
            rule["expr"] = IN_EXPRESSION.sub(
                lambda found: found[1] + duration(found[2], factor), rule["expr"])
            for key in {"for", "keep_firing_for"} & set(rule):
                rule[key] = duration(rule[key], factor)
    return yaml.safe_dump(tree, sort_keys=False, width=1000)


def alertmanager(text, factor, webhook):
    tree = yaml.safe_load(text)
    for route in (tree["route"], *tree["route"]["routes"]):
        for key in {"group_wait", "group_interval", "repeat_interval"} & set(route):
            route[key] = duration(route[key], factor)
    (receiver,) = tree["receivers"]
    receiver["webhook_configs"][0]["url"] = webhook
    return yaml.safe_dump(tree, sort_keys=False)
