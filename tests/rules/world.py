# SPDX-License-Identifier: Apache-2.0
"""Series as connhealthd exports them, for promtool: values are given as spans of minutes."""

from promtool import SCRAPE, series

PER_MINUTE = 60 // SCRAPE
DAEMON = {"job": "connhealth", "instance": "observer:10337"}


def gauge(*spans):
    """(minutes, value)...: the value of each sample."""
    return [value for minutes, value in spans for _ in range(round(minutes * PER_MINUTE))]


def counter(*spans, start=0):
    """(minutes, increase in the whole span)...: grows evenly, in whole steps."""
    values, base = [], start
    for minutes, increase in spans:
        samples = round(minutes * PER_MINUTE)
        values += [base + increase * (i + 1) // samples for i in range(samples)]
        base += increase
    return values


def late(values, minutes):
    """A series that begins only then."""
    return f"_x{round(minutes * PER_MINUTE) - 1} " + " ".join(f"{value:g}" for value in values)


def sample(name, values, **labels):
    return [series(name, {**DAEMON, **labels}, values)]


def labels_of(target, group, probe, **more):
    return {**DAEMON, "group": group, "target": target, "probe": probe, **more}


def probe(kind, success, target="10.0.0.1:6379", group="redis", failures=(), causes=(), icmp=(),
          **more):
    """One probe. failures: {category: values}; causes: {(category, cause): values}; icmp:
    {(icmp, offender): values}."""
    labels = labels_of(target, group, kind, **more)
    made = [series("connhealth_probe_success", labels, success)]
    for category in ("refused", "timeout", "host_unreachable", "name_resolution", "local_resource",
                     *(("reset", "eof", "would_block") if kind == "heartbeat" else ())):
        made.append(series("connhealth_probe_failures_total", {**labels, "category": category},
                           dict(failures).get(category, [0] * len(success))))
    for (category, cause), values in dict(causes).items():
        made.append(series("connhealth_probe_causes_total",
                           {**labels, "phase": "receive", "category": category, "wire": "none",
                            "cause": cause}, values))
    for (word, offender), values in dict(icmp).items():
        made.append(series("connhealth_probe_icmp_errors_total",
                           {**labels, "icmp": word, "offender": offender}, values))
    return made


def both(success, **options):
    """A target watched by connect and heartbeat, which fare alike."""
    return probe("connect", success, **options) + probe("heartbeat", success, **options)


def build():
    """What says that a connhealthd is there."""
    return sample("connhealth_build_info", "1x2000", version="0.1.0")
