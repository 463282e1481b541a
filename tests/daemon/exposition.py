# SPDX-License-Identifier: Apache-2.0
"""A strict parser of Prometheus' text format 0.0.4 and of OpenMetrics 1.0: it refuses what a lenient
one lets pass, because a mistake in an exposition shows only much later, as a wrong graph."""

import dataclasses
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?|NaN|[-+]Inf")
CANONICAL = re.compile(r"-?\d+\.\d+([eE][-+]?\d+)?|-?\d(\.\d+)?e[-+]\d+|[-+]Inf")

TEXT_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
OPENMETRICS_TYPES = {"counter", "gauge", "histogram", "summary", "unknown", "info", "stateset"}


class ExpositionError(ValueError):
    """What is wrong, with the number of the line."""


@dataclasses.dataclass
class Sample:
    name: str
    labels: dict
    value: float


@dataclasses.dataclass
class Family:
    name: str
    type: str = None
    help: str = None
    unit: str = None
    samples: list = dataclasses.field(default_factory=list)


def parse(text, openmetrics=False):
    """{name of the family: Family}. text is str, or bytes in UTF-8."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ExpositionError(f"not UTF-8: {error}") from error
    return _Parser(openmetrics).run(text)


class _Parser:
    def __init__(self, openmetrics):
        self.openmetrics = openmetrics
        self.families = {}
        self.family = None  # the one whose lines are read
        self.line = 0
        self.seen = set()

    def fail(self, why):
        raise ExpositionError(f"line {self.line}: {why}")

    def run(self, text):
        if "\r" in text:
            self.fail("a carriage return")
        if text and not text.endswith("\n"):
            self.fail("the last line does not end")
        lines = text.split("\n")[:-1]
        if self.openmetrics:
            if not lines or lines.pop() != "# EOF":
                self.fail("no # EOF at the end")
        for line in lines:
            self.line += 1
            self.read(line)
        self.end_family()
        return self.families

    def read(self, line):
        if line.startswith("# "):
            self.read_comment(line)
        elif line.startswith("#") or not line:
            self.fail("neither a sample nor a comment of a known kind")
        else:
            self.read_sample(line)

    # --- families

    def read_comment(self, line):
        words = line.split(" ", 3)
        if len(words) != 4:
            self.fail(f"an incomplete comment: {line}")
        _, keyword, name, rest = words
        if keyword not in ("HELP", "TYPE", *(["UNIT"] if self.openmetrics else [])):
            self.fail(f"an unknown comment: {keyword}")
        if not NAME.fullmatch(name):
            self.fail(f"not a metric's name: {name}")
        if self.family is None or self.family.name != name:
            self.end_family()
            if name in self.families:
                self.fail(f"the family {name} is split")
            self.family = self.families[name] = Family(name)
        if self.family.samples:
            self.fail(f"{keyword} of {name} comes after its samples")
        attribute = keyword.lower()
        if getattr(self.family, attribute) is not None:
            self.fail(f"{name} has two lines of {keyword}")
        setattr(self.family, attribute, getattr(self, f"check_{attribute}")(name, rest))

    def check_help(self, name, text):
        if not text.strip():
            self.fail(f"{name} has an empty HELP")
        special = {"\\": "\\", "n": "\n", **({'"': '"'} if self.openmetrics else {})}
        if self.openmetrics and re.search(r'(?<!\\)(\\\\)*"', text):
            self.fail("an unescaped quote in HELP")
        return self.unescape(text, special)

    def check_type(self, name, kind):
        if kind not in (OPENMETRICS_TYPES if self.openmetrics else TEXT_TYPES):
            self.fail(f"{name} has the unknown type {kind}")
        total = name.endswith("_total")
        if kind == "counter" and total == self.openmetrics:
            self.fail(f"the family of a counter {'ends' if total else 'does not end'} in _total")
        if kind != "counter" and total:
            self.fail(f"{name} ends in _total and is no counter")
        return kind

    def check_unit(self, name, unit):
        if not name.endswith("_" + unit):
            self.fail(f"{name} does not end in its unit {unit}")
        return unit

    def end_family(self):
        family, self.family = self.family, None
        if family is None:
            return
        if family.help is None:
            self.fail(f"{family.name} has no HELP")
        if family.type is None:
            self.fail(f"{family.name} has no TYPE")
        if not family.samples:
            self.fail(f"{family.name} has no samples")
        if family.type == "histogram":
            self.check_histogram(family)
        if family.type == "summary":
            self.check_summary(family)

    # --- samples

    def read_sample(self, line):
        match = NAME.match(line)
        if not match:
            self.fail(f"not a metric's name: {line[:40]}")
        name, rest = match[0], line[match.end():]
        labels = {}
        if rest.startswith("{"):
            labels, rest = self.read_labels(rest[1:])
        if not rest.startswith(" ") or not NUMBER.fullmatch(rest[1:]):
            self.fail(f"not one space and a number: {rest!r}")
        self.add(Sample(name, labels, float(rest[1:])))

    def read_labels(self, rest):
        labels = {}
        while True:
            match = LABEL.match(rest)
            if not match or rest[match.end():match.end() + 2] != '="':
                self.fail(f"not a label: {rest[:40]!r}")
            name, rest = match[0], rest[match.end() + 2:]
            value = re.match(r'([^"\\]|\\.)*', rest)[0]
            if rest[len(value):len(value) + 1] != '"':
                self.fail("a label's value does not end")
            if name in labels:
                self.fail(f"the label {name} is there twice")
            if name.startswith("__"):
                self.fail(f"the label {name} is reserved")
            labels[name] = self.unescape(value, {"\\": "\\", "n": "\n", '"': '"'})
            rest = rest[len(value) + 1:]
            if rest.startswith("}"):
                return labels, rest[1:]
            if not rest.startswith(","):
                self.fail(f"neither a comma nor the end of the labels: {rest[:40]!r}")
            rest = rest[1:]

    def unescape(self, text, special):
        def replace(match):
            if match[1] not in special:
                self.fail(f"a bad escape: {match[0]}")
            return special[match[1]]

        return re.sub(r"\\(.?)", replace, text, flags=re.DOTALL)

    def suffixes(self):
        """What may follow the family's name in its samples' names."""
        kind = self.family.type
        return {
            "counter": ["_total", "_created"] if self.openmetrics else [""],
            "histogram": ["_bucket", "_sum", "_count"],
            "summary": ["", "_sum", "_count"],
            "info": ["_info"],
        }.get(kind, [""])

    def add(self, sample):
        if self.family is None or self.family.type is None:
            self.fail(f"{sample.name} comes before a TYPE")
        if sample.name not in [self.family.name + suffix for suffix in self.suffixes()]:
            owner = next((n for n in self.families if sample.name.startswith(n)), None)
            self.fail(f"{sample.name} is no sample of the {self.family.type} {self.family.name}"
                      + (f", is {owner} split?" if owner else ""))
        key = (sample.name, frozenset(sample.labels.items()))
        if key in self.seen:
            self.fail(f"{sample.name} is there twice with the same labels")
        self.seen.add(key)
        if self.family.type == "counter" and not 0 <= sample.value < float("inf"):
            self.fail(f"the counter {sample.name} is {sample.value}")
        if self.family.type == "info" and sample.value != 1:
            self.fail("an info metric is not 1")
        if self.family.type == "histogram" and sample.name.endswith("_bucket"):
            self.check_bound(sample.labels.get("le"))
        self.family.samples.append(sample)

    def check_bound(self, bound):
        if bound is None or not NUMBER.fullmatch(bound):
            self.fail(f"a bucket's le is {bound}")
        if self.openmetrics and not CANONICAL.fullmatch(bound):
            self.fail(f'le="{bound}" is not written as a float')

    def groups(self, family, own_label):
        """The samples of one histogram or summary each, which must lie together."""
        last, found = None, {}
        for sample in family.samples:
            key = frozenset((k, v) for k, v in sample.labels.items() if k != own_label)
            if key != last and key in found:
                self.fail(f"the samples of one {family.type} {family.name} are apart")
            found.setdefault(key, []).append(sample)
            last = key
        return found.values()

    def check_histogram(self, family):
        for samples in self.groups(family, "le"):
            buckets = [s for s in samples if s.name.endswith("_bucket")]
            bounds = [float(s.labels["le"]) for s in buckets]
            counts = [s.value for s in buckets]
            if not bounds or bounds[-1] != float("inf"):
                self.fail(f"{family.name} has no bucket for +Inf at the end")
            if any(a >= b for a, b in zip(bounds, bounds[1:])):
                self.fail(f"the bounds of {family.name} do not grow")
            if any(a > b for a, b in zip(counts, counts[1:])):
                self.fail(f"the buckets of {family.name} are not cumulative")
            self.check_sum_and_count(family, samples)
            if self.only(samples, "_count").value != counts[-1]:
                self.fail(f"{family.name}_count is not the bucket for +Inf")

    def check_summary(self, family):
        for samples in self.groups(family, "quantile"):
            for sample in samples:
                quantile = sample.labels.get("quantile")
                if (sample.name == family.name) != (quantile is not None):
                    self.fail(f"{sample.name} and its label quantile do not go together")
                if quantile is not None and not 0 <= float(quantile) <= 1:
                    self.fail(f"a quantile of {family.name} is {quantile}")
            self.check_sum_and_count(family, samples)

    def check_sum_and_count(self, family, samples):
        for suffix in ("_sum", "_count"):
            if self.only(samples, suffix) is None:
                self.fail(f"{family.name} has no {suffix}")

    @staticmethod
    def only(samples, suffix):
        found = [s for s in samples if s.name.endswith(suffix)]
        return found[0] if len(found) == 1 else None
