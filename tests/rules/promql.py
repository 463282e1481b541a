# SPDX-License-Identifier: Apache-2.0
"""What may be named in a PromQL expression: the daemon's own metrics with their labels and the
words of those labels, and what the rules record. From the daemon's golden expositions (the unit
tests hold them against the code) and from the tables of words in its headers."""

import functools
import re

from promtool import ROOT, alerts, rules

GOLDEN = ("tests/unit/data/surface/metrics.txt", "tests/unit/data/sockets/metrics.txt")
TABLES = ("daemon/surface/families.c", "daemon/surface/sockets_metrics.c")
# The labels that the golden files' targets have been given by their configuration.
CONFIGURED = {"team", "city", "path"}
SCRAPED = {"job", "instance"}
OF_ALERTS = {"alertname", "alertstate", "scope", "severity"}
# The word of a label, and the table that has them all.
WORDS = {
    "category": ("vocabulary.h", "CH_CATEGORIES"), "phase": ("vocabulary.h", "CH_PHASES"),
    "wire": ("vocabulary.h", "CH_WIRES"), "cause": ("vocabulary.h", "CH_CAUSES"),
    "probe": ("vocabulary.h", "CH_PROBE_KINDS"), "trouble": ("probe.h", "CH_TROUBLES"),
    "state": ("sockets_words.h", "CH_SOCKET_STATES"), "end": ("sockets_words.h", "CH_SOCKET_ENDS"),
    "event": ("sockets_words.h", "CH_KERNEL_EVENTS"),
}
KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless",
            "offset", "bool"}
NAME = re.compile(r"(?<![\w:$.%])([a-zA-Z_:][\w:]*)(?![\w:]|\s*\()")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^{}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*(%q|"(?:[^"\\]|\\.)*")')
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@functools.cache
def words(label):
    """Every value that the label can have; None where there is no table."""
    if label == "icmp":
        text = (ROOT / "probes/diagnosis/icmp.c").read_text()
        return set(re.findall(r'\{"(\w+)", "', text))
    if label not in WORDS:
        return None
    header, table = WORDS[label]
    text = (ROOT / "include/connhealth" / header).read_text()
    body = re.search(rf"#define {table}\(X\)((?:.*\\\n)*.*)\n", text).group(1)
    index = 2 if label == "event" else 0  # after the kernel's own two names
    return {re.findall(r'"([^"]*)"', row)[index] for row in re.split(r"\bX\(", body)[1:]}


def daemon_metrics():
    """{name of a sample: its labels}."""
    found = {}
    for path in GOLDEN:
        # their values may stand open, so they are not parsed strictly
        for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", (ROOT / path).read_text(), re.MULTILINE):
            found.setdefault(name, set()).update(set(re.findall(r'(\w+)="', labels)) - CONFIGURED)
    return found


def families():
    """The names in the daemon's tables."""
    text = "".join((ROOT / table).read_text() for table in TABLES)
    return set(re.findall(r'"((?:connhealth|process)_[a-z0-9_]+)"', text))


@functools.cache
def known_metrics():
    """{name: labels it can have}; None: not known in detail."""
    known = {name: labels | SCRAPED for name, labels in daemon_metrics().items()}
    everything = set().union(*known.values()) | {"host"}
    known["up"] = SCRAPED | {"host"}
    known["ALERTS"] = everything | OF_ALERTS
    for rule in rules():
        if "record" in rule:
            known[rule["record"]] = everything
    return known


def mistakes(expression):
    """What in the expression the daemon does not have."""
    known = known_metrics()
    labels = set().union(*known.values())
    found = []
    for name, inside in SELECTOR.findall(expression):
        for label, operator, value in MATCHER.findall(inside):
            if label not in known.get(name, labels):
                found.append(f"{name} has no label {label}")
            found += [f"{label} is never {word}" for word in unknown_words(label, operator, value)]
    for keyword, names in GROUPING.findall(expression):
        found += [f"{keyword} ({label}): no such label" for label in re.findall(r"\w+", names)
                  if label not in labels]
    rest = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", STRING.sub(" ", expression))
    rest = re.sub(r"\{[^{}]*\}", " ", GROUPING.sub(" ", rest))
    found += [f"no metric {name}" for name in NAME.findall(rest)
              if name not in known and name not in KEYWORDS]
    return found


def unknown_words(label, operator, value):
    table = words(label)
    if table is None or "$" in value or not value.startswith('"'):
        return []
    asked = value[1:-1].split("|") if operator in ("=~", "!~") else [value[1:-1]]
    return [word for word in asked if word and word not in table]


def queries(template):
    """The expressions that an annotation asks."""
    return [re.sub(r'\\"', '"', text) for text in
            re.findall(r'query \(printf "((?:[^"\\]|\\.)*)"', template)]


def rule_expressions():
    for rule in rules():
        yield rule.get("record") or rule["alert"], rule["expr"]
    for name, rule in alerts().items():
        for text in rule["annotations"].values():
            for query in queries(text):
                yield f"{name}'s annotation", query
