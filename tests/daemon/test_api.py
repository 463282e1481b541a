# SPDX-License-Identifier: Apache-2.0
"""The HTTP surface as its users' programs rely on it."""

import gzip
import json
import time

import pytest

from daemon import CALM, ms
from real_servers import Nginx
from test_servers import ALL, HEAD, PING, group, tcp_group

LAST = {"time", "duration_seconds", "category", "phase", "wire", "errno", "cause", "certain",
        "detail", "icmp", "tcp_info"}
CATEGORIES = {
    "refused", "reset", "aborted", "timeout", "broken_pipe", "host_unreachable", "net_unreachable",
    "would_block", "eof", "bad_reply", "name_resolution", "denied", "local_resource", "other",
}
PATHS = ["/", "/metrics", "/api/v1/status", "/api/v1/targets", "/api/v1/events",
         "/api/v1/categories", "/config", "/-/healthy", "/-/ready"]


@pytest.fixture
def watcher(daemon, redis):
    made = daemon(tcp_group(redis, PING))
    for probe in ALL:
        made.wait_success(probe)
    return made


@pytest.mark.parametrize("path", PATHS)
def test_get_head_and_wrong_methods(watcher, path):
    got, headers_only = watcher.get(path), watcher.get(path, method="HEAD")
    assert got.status == headers_only.status == 200
    assert headers_only.body == b"" and got.body
    for method in ("POST", "PUT", "DELETE"):
        refused = watcher.get(path, method=method)
        assert refused.status == 405
        assert "GET" in refused.headers["Allow"]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/", "/api/v2/targets", "/metricsx", "/-/"])
def test_unknown_paths(watcher, path):
    assert watcher.get(path).status == 404


@pytest.mark.parametrize("query", [
    "/api/v1/targets?failing=perhaps", "/api/v1/targets?colour=red", "/api/v1/events?limit=many",
    "/api/v1/events?limit=-1",
])
def test_bad_queries(watcher, query):
    answer = watcher.get(query)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]


def test_targets(daemon, redis):
    watcher = daemon(tcp_group(redis, PING, CALM))
    for probe in ALL:
        watcher.wait_success(probe)
    targets = watcher.targets()
    assert [t["probe"] for t in targets] == list(ALL)
    for target in targets:
        assert target["group"] == "service" and target["target"] == redis.address
        assert target["labels"] == {} and target["success"] is True
        assert target["failures"].keys() <= CATEGORIES and set(target["failures"].values()) == {0}
        assert target["attempts"] >= 1
        assert abs(target["since"] - time.time()) < 600
        assert abs(target["last"]["time"] - time.time()) < 600
        # a look at an idle connection takes no time
        assert target["probe"] == "keepalive" or target["last"]["duration_seconds"] > 0
        assert (target["last"]["duration_seconds"] or 0) >= 0


def test_last_tells_everything_of_a_failure(watcher, redis):
    redis.kill()
    last = watcher.wait_failure("connect", category="refused")
    assert LAST <= last.keys()
    assert last["certain"] is True
    assert last["detail"].strip() and "\n" not in last["detail"]
    assert "ECONNREFUSED" in json.dumps(last["errno"]) or last["errno"] == 111
    since = watcher.target("connect")["since"]
    more = watcher.target("connect")["attempts"] + 2
    watcher.wait(lambda: watcher.target("connect")["attempts"] >= more)
    assert watcher.target("connect")["since"] == since, "since when it fails, not the last failure"


def test_narrowed_targets(daemon, redis):
    groups = group(redis, connect={})["groups"] + [{
        "name": "closed", "interval": ms(200), "timeout": ms(200), "connect": {},
        "static_configs": [{"targets": ["127.0.0.1:9"], "labels": {"team": "storage"}}],
    }]
    watcher = daemon({"groups": groups})
    watcher.wait_failure("connect", group="closed")
    watcher.wait_success("connect", group="service")
    assert [t["group"] for t in watcher.targets(failing="true")] == ["closed"]
    assert [t["group"] for t in watcher.targets(group="service")] == ["service"]
    assert [t["labels"] for t in watcher.targets(target="127.0.0.1:9")] == [{"team": "storage"}]
    assert watcher.targets(group="none") == []
    assert watcher.value("connhealth_probe_success", team="storage") == 0


def test_events_are_newest_first_and_bounded_by_limit(watcher, redis):
    redis.kill()
    watcher.wait_failure("connect", category="refused")
    events = watcher.json("/api/v1/events")["events"]
    times = [event["time"] for event in events]
    assert times == sorted(times, reverse=True)
    assert {"group", "target", "probe", "success"} <= events[0].keys()
    assert len(watcher.json("/api/v1/events", limit=1)["events"]) == 1
    assert watcher.json("/api/v1/events", group="none")["events"] == []


def test_events_do_not_grow_without_bound(daemon):
    targets = [f"127.0.3.{n}:9" for n in range(1, 100)]
    watcher = daemon({"groups": [{"name": "closed", "interval": ms(100), "timeout": ms(100),
                                  "connect": {}, "static_configs": [{"targets": targets}]}]})
    watcher.wait(lambda: all(t["attempts"] > 12 for t in watcher.targets()), 30)
    events = watcher.json("/api/v1/events")["events"]
    assert len(events) <= 1024
    # repeats went before changes: the first failure of each target is still told
    assert {event["target"] for event in events} == set(targets)


def test_categories_come_from_the_table(watcher):
    rows = watcher.json("/api/v1/categories")["categories"]
    assert {row["category"] for row in rows} == CATEGORIES


def test_status(watcher):
    status = watcher.json("/api/v1/status")
    assert status["version"]
    assert "uptime" in json.dumps(status)


def test_config_shows_defaults_and_can_be_loaded_again(daemon, redis):
    tree = group(redis, connect={}, heartbeat={})
    tree["groups"][0]["keepalive"] = {}
    watcher = daemon(tree)
    text = watcher.get("/config").body.decode()
    assert "connect" in text and "count: 3" in text
    again = daemon(text)
    assert {t["target"] for t in again.targets()} == {redis.address}
    assert again.get("/config").body.decode() == text


def test_config_hides_what_may_be_a_secret(watcher):
    text = watcher.get("/config").body.decode()
    assert "PING" not in text and "<secret>" in text


def test_gzip_and_openmetrics(watcher):
    plain = watcher.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    packed = watcher.get("/metrics", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body).startswith(b"# ")
    wanted = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
    openmetrics = watcher.get("/metrics", headers={"Accept": wanted})
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.body.endswith(b"# EOF\n")
    assert b"# EOF" not in plain.body


def test_every_family_has_its_place_in_the_reference(watcher):
    """Strictly parsed, and nothing exported that the README does not explain."""
    import exposition
    from daemon import ROOT, samples_of

    readme = (ROOT / "README.md").read_text()
    text = watcher.get("/metrics").body.decode()
    names = {sample.name for sample in samples_of(exposition.parse(text))}
    for name in sorted(names):
        family = name
        for suffix in ("_bucket", "_sum", "_count"):
            family = family.removesuffix(suffix)
        assert family in readme or family.startswith("process_"), f"{family} is not in README.md"


def test_success_of_a_probe_never_tried_is_not_claimed(daemon, server):
    service = server(Nginx)
    watcher = daemon(group(service, heartbeat={**HEAD, "interval": "1h", "timeout": "1s"}))
    target = watcher.target("heartbeat")
    if target["attempts"] == 0:
        assert target["success"] is not True and not target["last"]
