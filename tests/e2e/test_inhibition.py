# SPDX-License-Identifier: Apache-2.0
"""What Alertmanager, with the shipped configuration, holds back and what not."""

import pytest

from process import poll_until
from stack import LIMIT, Alertmanager


def target(alertname, severity="critical", group="web", job="connhealth", number=1, **more):
    return {"alertname": alertname, "scope": "target", "severity": severity, "job": job,
            "instance": "a:10337", "group": group, "target": f"10.0.0.{number}:80",
            "host": f"10.0.0.{number}", **more}


FLEET = {"alertname": "ConnhealthFleetFailing", "scope": "fleet", "severity": "critical", "job": "connhealth"}
GROUP = {"alertname": "ConnhealthGroupFailing", "scope": "group", "severity": "critical", "job": "connhealth",
         "group": "web"}
HOST = {"alertname": "ConnhealthHostDown", "scope": "host", "severity": "critical", "job": "connhealth",
        "host": "10.0.0.1"}
DOWN = {"alertname": "ConnhealthDown", "scope": "daemon", "severity": "critical", "job": "connhealth",
        "instance": "10.0.0.1:10337", "host": "10.0.0.1"}
ABSENT = {"alertname": "ConnhealthAbsent", "scope": "daemon", "severity": "critical"}
UNIT = {"alertname": "ConnhealthCloseWaitLeak", "scope": "unit", "severity": "warning", "job": "connhealth",
        "instance": "a:10337", "unit": "web.service"}

CASES = {  # what there is: what is held back of it
    "a host and its ports": ([HOST, target("ConnhealthTargetDown")], ["ConnhealthTargetDown"]),
    "a host and another's ports": ([HOST, target("ConnhealthRefused", number=2)], []),
    "a host in another job": ([HOST, target("ConnhealthRefused", job="connhealth-b")], []),
    "a host and the connhealthd on it": ([HOST, DOWN], ["ConnhealthDown"]),
    "a group and its targets": ([GROUP, target("ConnhealthResetSpike", "warning")], ["ConnhealthResetSpike"]),
    "a group and another's targets": ([GROUP, target("ConnhealthRefused", group="db")], []),
    "a fleet, its groups, hosts and targets": (
        [FLEET, GROUP, HOST, target("ConnhealthRefused", group="db", number=9)],
        ["ConnhealthGroupFailing", "ConnhealthHostDown", "ConnhealthRefused"]),
    "a fleet and what is not of targets": ([FLEET, DOWN, UNIT], []),
    "one target, twice": ([target("ConnhealthBackpressure"), target("ConnhealthTimeoutSpike", "warning")],
                          ["ConnhealthTimeoutSpike"]),
    "two targets": ([target("ConnhealthBackpressure"), target("ConnhealthTimeoutSpike", "warning", number=2)],
                    []),
    "none at all": ([ABSENT, DOWN], ["ConnhealthDown"]),
}


# Alertmanager looks at alerts in the order in which they came: when this one is held back, it has
# looked at all before it.
LAST = [{"alertname": "Held", "scope": "group", "job": "last"},
        {"alertname": "Last", "scope": "fleet", "job": "last"}]


@pytest.mark.parametrize("there,held", CASES.values(), ids=list(CASES))
def test_held_back(network, tmp_path, there, held):
    alertmanager = Alertmanager(network.client, tmp_path, 9)
    try:
        alertmanager.post(there + LAST)

        def states():
            return {one["labels"]["alertname"]: one["status"]["state"] for one in alertmanager.alerts()}

        poll_until(lambda: states().get("Held") == "suppressed", LIMIT, "all alerts are looked at", every=0.1)
        assert states() == {"Held": "suppressed", "Last": "active"} | {
            labels["alertname"]: "suppressed" if labels["alertname"] in held else "active" for labels in there}
    finally:
        alertmanager.close()
