# SPDX-License-Identifier: Apache-2.0
"""Each alert: a series that fires it and no other, one just under it, and a flapping one."""

import collections

import pytest

from promtool import alerts, firing, run, told
from world import both, build, counter, gauge, late, probe, sample

NOTHING = set()
Case = collections.namedtuple("Case", "alert kind series at says")
CASES = []


def case(alert, kind, series, at, *says):
    """at: {time: names of the alerts that fire}; says: words of the annotations at the last time at
    which it fires."""
    at = {time: {"Connhealth" + name for name in names} for time, names in at.items()}
    CASES.append(Case("Connhealth" + alert, kind, series, at, says))


FIRES, UNDER, FLAPPING = "fires", "just under", "flapping"

# --- a target that fails altogether

SILENT = {"timeout": counter((10, 0), (10, 40), (10, 0))}
HUNG = {("timeout", "no_answer"): late(counter((20, 40)), 10)}

case("TargetDown", FIRES,
     both(gauge((10, 1), (10, 0), (10, 1)), failures=SILENT, causes=HUNG),
     {"9m": [], "10m30s": [], "12m": ["TargetDown"], "19m": ["TargetDown"], "21m": [], "24m": [],
      "29m": []},
     "10.0.0.1:6379 (redis) is down, seen from observer:10337", "timeout/no_answer (")
case("TargetDown", UNDER,  # one probe of it succeeds
     probe("connect", gauge((20, 1))) + probe("keepalive", gauge((10, 1), (10, 0))), {"19m": []})
case("TargetDown", UNDER,  # too short
     both(gauge((10, 1), (0.75, 0), (10, 1)), failures={"timeout": counter((10, 0), (0.75, 2), (10, 0))}),
     {"10m30s": [], "11m": [], "12m": [], "15m": []})
case("TargetDown", FLAPPING,
     both(gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5, (10, 1))), {f"{m}m": [] for m in range(11, 17)})

REFUSING = {"refused": counter((10, 0), (10, 40))}
case("Refused", FIRES,
     both(gauge((10, 1), (10, 0), (10, 1)), failures={"refused": counter((10, 0), (10, 40), (10, 0))}),
     {"10m30s": [], "12m": ["Refused"], "19m": ["Refused"], "21m": []}, "refuses connections")
case("Refused", UNDER,  # a refusal that is over
     both(gauge((10, 1), (0.5, 0), (10, 1)), failures={"refused": counter((10, 0), (0.5, 2), (10, 0))}),
     {"10m30s": [], "11m": [], "12m": [], "14m": []})
case("Refused", FLAPPING,
     both(gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5), failures={"refused": counter((10, 0), (5, 10))}),
     {f"{m}m": [] for m in range(11, 15)})

ICMP = {("host_unreachable", "192.0.2.1"): late(counter((10, 40)), 10)}
UNREACHABLE = {"host_unreachable": counter((10, 0), (10, 40))}
case("Unreachable", FIRES,
     both(gauge((10, 1), (10, 0)), failures=UNREACHABLE, icmp=ICMP),
     {"10m30s": [], "12m": ["Unreachable"], "19m": ["Unreachable"]},
     "192.0.2.1 says that 10.0.0.1:6379", "host_unreachable, sent by 192.0.2.1")
case("Unreachable", FIRES,  # our own routing table sends no ICMP
     both(gauge((10, 1), (10, 0)), failures=UNREACHABLE),
     {"10m30s": [], "12m": ["Unreachable"]}, "this host's own kernel says")
case("Unreachable", UNDER,  # an ICMP error, and the attempts succeed
     both(gauge((20, 1)), icmp=ICMP), {"12m": [], "19m": []})
case("Unreachable", FLAPPING,
     both(gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5), icmp=ICMP,
          failures={"host_unreachable": counter((10, 0), (5, 10))}),
     {f"{m}m": [] for m in range(11, 15)})

NAMELESS = {"name_resolution": counter((10, 0), (10, 40))}
case("NameNotResolving", FIRES,
     both(gauge((10, 1), (10, 0)), target="db.example.net:80", failures=NAMELESS,
          causes={("name_resolution", "name_not_found"): late(counter((10, 40)), 10)}),
     {"10m30s": [], "12m": ["NameNotResolving"]},
     "the name of db.example.net:80 (redis) does not resolve", "name_resolution/name_not_found (")
case("NameNotResolving", UNDER,
     both(gauge((10, 1), (0.5, 0), (10, 1)),
          failures={"name_resolution": counter((10, 0), (0.5, 2), (10, 0))}),
     {"10m30s": [], "11m": [], "12m": []})
case("NameNotResolving", FLAPPING,
     both(gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5),
          failures={"name_resolution": counter((10, 0), (5, 10))}), {f"{m}m": [] for m in range(11, 15)})

# --- a target of which a part works

OVERDUE = {"timeout": counter((10, 0), (10, 40), (10, 0))}
case("HeartbeatLoss", FIRES,
     probe("connect", gauge((30, 1))) +
     probe("heartbeat", gauge((10, 1), (10, 0), (10, 1)), failures=OVERDUE,
           causes={("timeout", "application_hung"): late(counter((20, 40)), 10)}),
     {"10m30s": [], "12m": ["HeartbeatLoss"], "19m": ["HeartbeatLoss"], "21m": [], "24m": [],
      "29m": []},
     "takes connections and does not answer", "timeout/application_hung")
case("HeartbeatLoss", UNDER,
     probe("connect", gauge((30, 1))) +
     probe("heartbeat", gauge((10, 1), (0.75, 0), (10, 1)),
           failures={"timeout": counter((10, 0), (0.75, 3), (10, 0))}),
     {"10m30s": [], "11m": [], "12m": [], "15m": []})
case("HeartbeatLoss", FIRES,  # too few resets to be a spike
     probe("connect", gauge((30, 1))) + probe("heartbeat", gauge((10, 1), (10, 0)),
                                              failures={"reset": counter((10, 0), (0.5, 4), (9.5, 0))}),
     {"12m": ["HeartbeatLoss"]})
case("HeartbeatLoss", UNDER,  # resets say more
     probe("connect", gauge((30, 1))) + probe("heartbeat", gauge((10, 1), (10, 0)),
                                              failures={"reset": counter((10, 0), (10, 40))}),
     {"12m": ["ResetSpike"], "19m": ["ResetSpike"]})
case("HeartbeatLoss", FLAPPING,
     probe("connect", gauge((30, 1))) + probe("heartbeat", gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5),
                                              failures={"bad_reply": counter((10, 0), (5, 10))}),
     {f"{m}m": [] for m in range(11, 15)})


def blocked(success, times, cause="peer_not_reading"):
    return probe("connect", gauge((30, 1))) + probe(
        "heartbeat", success, failures={"would_block": times},
        causes={("would_block", cause): late(times[40:], 10)})


case("Backpressure", FIRES, blocked(gauge((10, 1), (10, 0)), counter((10, 0), (10, 40))),
     {"10m30s": [], "12m": ["Backpressure"], "19m": ["Backpressure"]}, "does not read what it is sent")
case("Backpressure", UNDER,  # the buffer was full because the path is lost
     blocked(gauge((10, 1), (10, 0)), counter((10, 0), (10, 40)), "host_or_path_lost"),
     {"12m": ["HeartbeatLoss"]})
case("Backpressure", FLAPPING,
     blocked(gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5), counter((10, 0), (5, 10))),
     {f"{m}m": [] for m in range(11, 15)})


def eofs(*spans):
    values = counter(*spans)
    return probe("connect", gauge((120, 1))) + probe("heartbeat", [1] * len(values),
                                                     failures={"eof": values})


case("PrematureEof", FIRES, eofs((60, 0), (10, 6), (50, 0)),
     {"59m": [], "71m": ["PrematureEof"], "84m": ["PrematureEof"], "100m": []},
     "closes connections again and again")
case("PrematureEof", UNDER, eofs((60, 0), (10, 3), (50, 0)), {f"{m}m": [] for m in range(61, 80, 3)})
case("PrematureEof", FLAPPING,  # a burst each twenty minutes is one alert, not six
     eofs((30, 0), *[(2, 6), (18, 0)] * 3, (30, 0)),
     {f"{m}m": ["PrematureEof"] for m in range(33, 90, 4)} | {"119m": []})


def resets(*spans):
    values = counter(*spans)
    return probe("connect", [1] * len(values)) + probe("heartbeat", [1] * len(values),
                                                       failures={"reset": values})


case("ResetSpike", FIRES, resets((60, 0), (1, 6), (30, 0)),
     {"59m": [], "61m": [], "63m": ["ResetSpike"], "65m": ["ResetSpike"], "75m": []},
     "resets from 10.0.0.1:6379 (redis)", "connections were reset in five minutes")
case("ResetSpike", UNDER, resets((60, 0), (1, 4), (30, 0)), {f"{m}m": [] for m in range(60, 75, 2)})
case("ResetSpike", UNDER, resets(*[(59, 0), (1, 1)] * 4), {f"{m}m": [] for m in range(1, 240, 7)})
case("ResetSpike", UNDER,  # as always: 3 a minute for hours, then 6
     resets((120, 360), (10, 60)), {"100m": [], "123m": [], "129m": []})
case("ResetSpike", UNDER,  # three and a half times as many as ever
     resets((120, 288), (10, 84)), {"100m": [], "124m": [], "126m": [], "129m": []})
case("ResetSpike", FLAPPING, resets((60, 0), (1, 6), (6, 0), (1, 8), (30, 0)),
     {f"{m}m": ["ResetSpike"] for m in range(63, 72)} | {"85m": []})


def timeouts(*spans, success=None):
    values = counter(*spans)
    return probe("connect", [1] * len(values)) + probe(
        "heartbeat", success or [1] * len(values), failures={"timeout": values})


case("TimeoutSpike", FIRES, timeouts((60, 0), (1, 6), (30, 0)),
     {"59m": [], "61m30s": [], "63m": ["TimeoutSpike"], "65m": ["TimeoutSpike"],
      "69m": ["TimeoutSpike"], "75m": []},
     "timeouts of 10.0.0.1:6379 (redis)", "attempts timed out in five minutes")
case("TimeoutSpike", UNDER, timeouts((60, 0), (1, 4), (30, 0)), {f"{m}m": [] for m in range(60, 75, 2)})
case("TimeoutSpike", UNDER, timeouts((120, 360), (10, 60)), {"100m": [], "123m": [], "129m": []})
case("TimeoutSpike", UNDER, timeouts((120, 288), (10, 84)), {"100m": [], "124m": [], "126m": [], "129m": []})
case("TimeoutSpike", FLAPPING,  # neither is it down, nor is it well
     timeouts((60, 0), (10, 40), (30, 0), success=gauge((60, 1), *[(0.5, 0), (0.5, 1)] * 10, (30, 1))),
     {f"{m}m": ["TimeoutSpike"] for m in range(63, 72)} | {"85m": []})

# --- many


def fleet(number, down, groups=1, minutes=5):
    """number targets in each group, on hosts of their own; of each group so many are down."""
    made = build()
    for group in range(groups):
        for index in range(number):
            fails = index < down
            made += probe("connect", gauge((10, 1), (minutes, 0 if fails else 1), (20, 1)),
                          target=f"10.{group}.{index // 250}.{index % 250}:80", group=f"g{group}")
    return made


case("GroupFailing", FIRES, fleet(40, 12), {"10m15s": [], "12m": ["GroupFailing", "TargetDown"],
                                            "14m": ["GroupFailing", "TargetDown"],
                                            "17m": ["GroupFailing"], "25m": []},
     "12 targets of group g0 fail, such as 10.0.0.", "Of 40 targets", "ConnhealthTargetDown (12)")
case("GroupFailing", UNDER, fleet(40, 9), {"12m": ["TargetDown"], "14m": ["TargetDown"]})
case("GroupFailing", UNDER, fleet(240, 12), {"12m": ["TargetDown"], "14m": ["TargetDown"]})
case("GroupFailing", FLAPPING, fleet(20, 12, minutes=0.5), {"10m30s": [], "11m": [], "12m": []})



def reset_everywhere(number):
    """Each of number targets has six resets within a minute, and is well again."""
    return build() + [row for index in range(number) for row in probe(
        "heartbeat", [1] * 120, target=f"10.0.0.{index}:80", failures={"reset": counter((15, 0), (1, 6), (14, 0))})]


case("GroupFailing", FIRES,  # the one for all is there before the many
     reset_everywhere(12), {"16m": [], "16m45s": ["GroupFailing"], "17m30s": ["GroupFailing", "ResetSpike"]},
     "ConnhealthResetSpike (12)")

case("FleetFailing", FIRES, fleet(20, 9, groups=3),
     {"12m": ["FleetFailing", "TargetDown"], "14m": ["FleetFailing", "TargetDown"], "17m": ["FleetFailing"],
      "25m": []},
     "27 targets fail in several groups of connhealth", "g0 (9)", "ConnhealthTargetDown (27)")
case("FleetFailing", UNDER, fleet(20, 8, groups=3), {"12m": ["TargetDown"], "14m": ["TargetDown"]})
case("FleetFailing", UNDER, fleet(60, 30), {"12m": ["GroupFailing", "TargetDown"]})
case("FleetFailing", UNDER, fleet(220, 9, groups=3), {"12m": ["TargetDown"]})
case("FleetFailing", FLAPPING, fleet(20, 9, groups=3, minutes=0.5), {"11m": [], "12m": []})


def ports(success, other=None, **more):
    return build() + both(success, target="[2001:db8::7]:80", group="web", **more) + both(
        other or success, target="[2001:db8::7]:443", group="web", **more)


DOWN = gauge((10, 1), (10, 0), (10, 1))
case("HostDown", FIRES, ports(DOWN), {"12m": ["HostDown", "TargetDown"], "19m": ["HostDown", "TargetDown"],
                                      "21m": []},
     "2001:db8::7 is down", " [2001:db8::7]:443", "2 targets on it fail")
case("HostDown", UNDER, ports(DOWN, gauge((30, 1))), {"12m": ["TargetDown"]})
case("HostDown", UNDER,  # who refuses is up
     ports(DOWN, failures={"refused": counter((10, 0), (10, 40), (10, 0))}), {"12m": ["Refused"]})
case("HostDown", FLAPPING, ports(gauge((10, 1), *[(0.5, 0), (0.5, 1)] * 5)),
     {f"{m}m": [] for m in range(11, 15)})

# --- the host's own sockets

LISTENER = {"address": "0.0.0.0", "port": "80", "unit": "web.service"}


def drops(*spans):
    return build() + sample("connhealth_listener_drops_total", counter(*spans), **LISTENER) + sample(
        "connhealth_listener_backlog", "129x400", **LISTENER) + sample(
        "connhealth_listener_backlog_limit", "128x400", **LISTENER)


case("AcceptQueueOverflow", FIRES, drops((10, 0), (2, 20), (30, 0)),
     {"11m": [], "13m": ["AcceptQueueOverflow"], "16m": ["AcceptQueueOverflow"], "30m": []},
     "0.0.0.0:80 of web.service on observer:10337", "129 of 128 connections")
case("AcceptQueueOverflow", UNDER, drops((10, 0), (2, 4), (30, 0)), {"12m": [], "13m": [], "15m": []})
case("AcceptQueueOverflow", FLAPPING, drops((10, 0), *[(1, 6), (6, 0)] * 3, (10, 0)),
     {f"{m}m": ["AcceptQueueOverflow"] for m in range(13, 32)})


def close_wait(oldest, count=12):
    return build() + sample("connhealth_unit_close_wait_oldest_seconds", oldest, unit="app.service") + \
        sample("connhealth_unit_sockets", f"{count}x400", unit="app.service", state="close_wait")


def ageing(minutes):
    return [15 * i for i in range(round(minutes * 4))]


case("CloseWaitLeak", FIRES, close_wait(ageing(40)), {"14m": [], "19m": [], "22m": ["CloseWaitLeak"]},
     "app.service on observer:10337 does not close", "one of 12 in CLOSE_WAIT")
case("CloseWaitLeak", UNDER, close_wait([*ageing(15), *[899] * 100]), {"22m": [], "35m": []})
case("CloseWaitLeak", UNDER, close_wait(ageing(40), count=9), {"22m": [], "35m": []})
case("CloseWaitLeak", FLAPPING, close_wait([*ageing(18), *ageing(18), *ageing(18)]),
     {"17m": [], "19m": [], "35m": [], "53m": []})


def retransmitted(*spans):
    return build() + sample("connhealth_unit_retransmitted_segments_total", counter(*spans),
                            unit="app.service")


case("RetransmissionRate", FIRES, retransmitted((60, 600), (10, 9000), (30, 0)),
     {"59m": [], "64m": [], "66m": ["RetransmissionRate"], "69m": ["RetransmissionRate"], "89m": []},
     "app.service on observer:10337 retransmits", "segments a second")
case("RetransmissionRate", UNDER, retransmitted((60, 600), (10, 5700)), {"66m": [], "69m": []})
case("RetransmissionRate", UNDER, retransmitted((60, 36000), (10, 21000)), {"66m": [], "69m": []})
case("RetransmissionRate", FLAPPING, retransmitted((60, 0), *[(3, 9000), (5, 0)] * 2, (30, 0)),
     {f"{m}m": ["RetransmissionRate"] for m in range(64, 75)} | {"99m": []})

# --- connhealthd itself


def exhausted(*spans):
    values = counter(*spans)
    return build() + probe("connect", [1] * len(values), failures={"local_resource": values})


def descriptors(share):
    return build() + sample("process_open_fds", gauge((10, 100), (20, share * 1024))) + sample(
        "process_max_fds", "1024x200")


case("LocalExhaustion", FIRES, exhausted((10, 0), (2, 8), (30, 0)),
     {"10m": [], "13m": ["LocalExhaustion"], "30m": []}, "observer:10337 runs out of descriptors")
case("LocalExhaustion", FIRES, descriptors(0.95), {"10m": [], "12m": ["LocalExhaustion"]},
     "972.8 of 1024 descriptors")
case("LocalExhaustion", UNDER, exhausted((10, 0), (2, 2), (30, 0)), {"12m": [], "13m": []})
case("LocalExhaustion", UNDER, descriptors(0.9), {"12m": [], "25m": []})
case("LocalExhaustion", FLAPPING, exhausted((10, 0), *[(1, 4), (6, 0)] * 3),
     {f"{m}m": ["LocalExhaustion"] for m in range(13, 30)})

UP = {"job": "connhealth", "instance": "10.0.0.9:10337"}
case("Down", FIRES, build() + sample("up", gauge((10, 1), (10, 0), (10, 1)), **UP),
     {"11m": [], "13m": ["Down"], "19m": ["Down"], "21m": []}, "connhealthd on 10.0.0.9:10337")
case("Down", UNDER, build() + sample("up", gauge((10, 1), (1.75, 0), (10, 1)), **UP),
     {"11m45s": [], "12m": [], "13m": []})
case("Down", FLAPPING, build() + sample("up", gauge(*[(1, 0), (1, 1)] * 10), **UP),
     {f"{m}m": [] for m in range(1, 20)})

case("Absent", FIRES, sample("connhealth_build_info", "1x40 stale _x60"),
     {"9m": [], "14m": [], "17m": ["Absent"]}, "no connhealthd is scraped at all")
case("Absent", UNDER, sample("connhealth_build_info", "1x40 stale _x15 1x100"), {"13m": [], "16m": []})
case("Absent", FLAPPING, sample("connhealth_build_info", "1x10 stale _x10 1x10 stale _x10 1x50"),
     {f"{m}m": [] for m in range(1, 20)})


def reloaded(*spans):
    return build() + sample("connhealth_config_last_reload_successful", gauge(*spans)) + sample(
        "connhealth_config_last_reload_success_timestamp_seconds", "0x400")


case("ReloadFailed", FIRES, reloaded((10, 1), (10, 0), (10, 1)),
     {"14m": [], "16m": ["ReloadFailed"], "21m": []}, "refused its new configuration", "16m")
case("ReloadFailed", UNDER, reloaded((10, 1), (4.75, 0), (10, 1)), {"14m": [], "15m": []})
case("ReloadFailed", FLAPPING, reloaded((10, 1), *[(1, 0), (1, 1)] * 5),
     {f"{m}m": [] for m in range(10, 20)})


def lag(*spans):
    """(minutes, deadlines of 100 that were served between 0.1 and 1 s late)..."""
    slow = counter(*[(minutes, share * round(minutes * 4)) for minutes, share in spans])
    every = [100 * (i + 1) for i in range(len(slow))]
    quick = [a - b for a, b in zip(every, slow)]
    return build() + [row for bound, values in (("0.1", quick), ("1", every), ("+Inf", every))
                      for row in sample("connhealth_loop_lag_seconds_bucket", values, le=bound)]


case("ProbesLate", FIRES, lag((10, 0), (15, 5)), {"10m": [], "13m": [], "20m": ["ProbesLate"]}, "serves its probes late")
case("ProbesLate", UNDER, lag((10, 0), (15, 1)), {"16m": [], "20m": []})
case("ProbesLate", FLAPPING, lag((10, 0), *[(0.5, 10), (6, 0)] * 3), {f"{m}m": [] for m in range(10, 29)})


def lost(events, *spans):
    values = counter(*spans)
    return build() + sample("connhealth_sockets_events_lost_total", values) + sample(
        "connhealth_sockets_events_total", [events * i for i in range(len(values))])


case("EventsLost", FIRES, lost(10, (10, 0), (5, 50), (30, 0)),
     {"11m30s": [], "14m": ["EventsLost"], "24m": ["EventsLost"], "44m": []}, "loses records of ended")
case("EventsLost", UNDER, lost(10, (10, 0), (5, 9), (30, 0)), {"14m": [], "16m": []})
case("EventsLost", UNDER, lost(1000, (10, 0), (5, 50), (30, 0)), {"14m": [], "16m": []})
case("EventsLost", UNDER, lost(150, (10, 0), (5, 50), (30, 0)), {"14m": [], "16m": [], "19m": []})
case("EventsLost", FLAPPING, lost(10, (10, 0), *[(1, 30), (14, 0)] * 2, (30, 0)),
     {f"{m}m": ["EventsLost"] for m in range(13, 35)})


def last(times, interval=15):
    labels = {"group": "g", "target": "10.0.0.1:80", "probe": "connect"}
    return build() + sample("connhealth_probe_last_attempt_timestamp_seconds", times, **labels) + sample(
        "connhealth_probe_interval_seconds", f"{interval}x400", **labels)


case("LastProbeTooOld", FIRES, last([*ageing(10), *[600] * 60]),
     {"10m": [], "12m": [], "14m": ["LastProbeTooOld"]}, "1 probes of connhealthd on observer:10337")
case("LastProbeTooOld", UNDER, last([*ageing(10), *[600] * 60], interval=300), {"14m": [], "24m": []})
case("LastProbeTooOld", UNDER, last([max(0, t - 105) for t in ageing(30)]), {"14m": [], "24m": []})
case("LastProbeTooOld", FLAPPING,  # an attempt each three minutes, at an interval of 15 s
     last([t - t % 180 for t in ageing(30)]), {f"{m}m": [] for m in range(4, 29)})


# ---

IDS = [f"{case.alert} {case.kind} {index}" for index, case in enumerate(CASES)]


@pytest.mark.parametrize("one", CASES, ids=IDS)
def test_alert(one, tmp_path):
    watched = any(row["series"].startswith(("connhealth_build_info", "up")) for row in one.series)
    series = one.series if watched else one.series + build()
    test = firing(series, one.at)
    if one.kind != FIRES:
        assert run(tmp_path, [test]) == ""
        return
    at = [time for time, names in one.at.items() if one.alert in names][-1]
    said = run(tmp_path, [{**test, **told(at, one.alert)}])
    assert "expr: " not in said and said.count("got:") == 1, said
    for bad in ("error expanding", "<no value>", "NaN"):
        assert bad not in said, said
    for words in one.says:
        assert words in said, said


def test_every_alert_has_the_three_cases():
    kinds = {kind: {case.alert for case in CASES if case.kind == kind} for kind in (FIRES, UNDER, FLAPPING)}
    for kind, names in kinds.items():
        assert set(alerts()) - names == set(), kind
