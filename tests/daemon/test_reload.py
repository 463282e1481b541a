# SPDX-License-Identifier: Apache-2.0
"""A changed configuration, and changed target files, apply without a restart and without touching
what did not change."""

import copy
import json
import os
import threading
import time

import pytest

from daemon import CALM
from real_servers import Redis
from test_servers import PING


def configuration(*addresses, sd=None, **extra):
    group = {
        "name": "service",
        "interval": CALM,
        "timeout": CALM,
        "heartbeat": dict(PING),
        "keepalive": {"idle": "30s"},
        "static_configs": [{"targets": list(addresses)}] if addresses else [],
        **extra,
    }
    if sd:
        # so long that only the watch can be the one who noticed
        group["file_sd_configs"] = [{"files": [str(sd)], "refresh_interval": "1h"}]
    return {"groups": [group]}


def counters(daemon, target, probe):
    labels = {"target": target, "probe": probe}
    return {
        name: daemon.value(f"connhealth_{name}", **labels)
        for name in ("connection_opens_total", "probe_attempts_total",
                     "connection_established_timestamp_seconds")
    }


def undisturbed(before, now):
    return (
        now["connection_opens_total"] == before["connection_opens_total"] == 1
        and now["probe_attempts_total"] >= before["probe_attempts_total"] > 0
        and now["connection_established_timestamp_seconds"]
        == before["connection_established_timestamp_seconds"]
    )


def targets_of(daemon):
    return {t["target"] for t in daemon.targets()}


def write_whole(path, tree):
    """By rename, as editors and configuration management do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(tree))
    fresh.rename(path)


@pytest.fixture
def two(server):
    return server(Redis), server(Redis)


def test_unchanged_targets_keep_connection_and_counters(daemon, two):
    stays, comes = (s.address for s in two)
    watcher = daemon(configuration(stays))
    for probe in ("heartbeat", "keepalive"):
        watcher.wait_success(probe, target=stays)
    before = {probe: counters(watcher, stays, probe) for probe in ("heartbeat", "keepalive")}

    watcher.configure(configuration(stays, comes))
    assert watcher.reload()
    watcher.wait_success("heartbeat", target=comes)
    watcher.configure(configuration(stays))
    assert watcher.reload()
    watcher.wait_success("heartbeat", target=stays)
    for probe, was in before.items():
        assert undisturbed(was, counters(watcher, stays, probe))


def test_removed_targets_take_their_series_along(daemon, two):
    stays, goes = (s.address for s in two)
    watcher = daemon(configuration(stays, goes))
    watcher.wait_success("heartbeat", target=goes)
    watcher.configure(configuration(stays))
    assert watcher.reload()
    assert targets_of(watcher) == {stays}
    assert goes not in watcher.get("/metrics").body.decode()
    assert watcher.value("connhealth_targets") == 1
    # and its connections are closed: redis sees only those of the other (and ours, here)
    watcher.configure(configuration(stays, goes))
    assert watcher.reload()
    watcher.wait_success("heartbeat", target=goes)
    now = counters(watcher, goes, "heartbeat")
    assert now["connection_opens_total"] == 1, "a target that returns starts from nothing"


def test_a_changed_probe_starts_anew_and_others_do_not(daemon, two):
    first, second = (s.address for s in two)
    groups = [
        {**configuration(first)["groups"][0], "name": "first"},
        {**configuration(second)["groups"][0], "name": "second"},
    ]
    watcher = daemon({"groups": groups})
    for target in (first, second):
        watcher.wait_success("heartbeat", target=target)
    before = counters(watcher, first, "heartbeat")

    changed = copy.deepcopy(groups)
    changed[1]["heartbeat"] = {"send": "ECHO hello\r\n", "expect": r"hello"}
    watcher.configure({"groups": changed})
    assert watcher.reload()
    watcher.wait_success("heartbeat", target=second)
    assert undisturbed(before, counters(watcher, first, "heartbeat"))
    assert not any(watcher.target("heartbeat", target=second)["failures"].values())


def test_a_reload_does_not_probe_out_of_turn(daemon, two):
    """Ten reloads within one interval are not ten attempts."""
    target = two[0].address
    tree = configuration(target, interval="4s", timeout="1s", keepalive=None, connect={})
    del tree["groups"][0]["keepalive"]
    watcher = daemon(tree)
    watcher.wait_success("heartbeat")
    begun, attempts = time.monotonic(), watcher.target("heartbeat")["attempts"]
    for _ in range(10):
        assert watcher.reload()
    more = watcher.target("heartbeat")["attempts"] - attempts
    assert more <= (time.monotonic() - begun) / 4 + 1


def test_a_bad_file_leaves_the_old_state(daemon, redis):
    watcher = daemon(configuration(redis.address))
    watcher.wait_success("heartbeat")
    before = counters(watcher, redis.address, "heartbeat")
    assert watcher.value("connhealth_config_last_reload_successful") == 1

    mark = len(watcher.process.lines)
    watcher.configure("groups:\n  - name: a\n    heartbeat: {interval: 5x}\n")
    assert not watcher.reload()
    assert watcher.value("connhealth_config_last_reload_successful") == 0
    watcher.process.wait_line(lambda line: "connhealthd.yml:3:" in line and "5x" in line, start=mark)
    watcher.wait_success("heartbeat")
    assert undisturbed(before, counters(watcher, redis.address, "heartbeat"))

    watcher.configure(configuration(redis.address))
    assert watcher.reload()
    assert watcher.value("connhealth_config_last_reload_successful") == 1
    assert undisturbed(before, counters(watcher, redis.address, "heartbeat"))


def test_a_vanished_file_leaves_the_old_state(daemon, redis):
    watcher = daemon(configuration(redis.address))
    watcher.config_file.unlink()
    assert not watcher.reload()
    watcher.wait_success("heartbeat")


# --- over HTTP


def test_reload_over_http(daemon, redis):
    watcher = daemon(configuration(redis.address), arguments=["--web.enable-lifecycle"])
    answer = watcher.get("/-/reload")
    assert answer.status == 405 and "POST" in answer.headers["Allow"]
    for method in ("POST", "PUT"):
        assert watcher.get("/-/reload", method=method).status == 200
    watcher.configure("groups: 7\n")
    answer = watcher.get("/-/reload", method="POST")
    assert answer.status == 500 and b"connhealthd.yml:1:" in answer.body
    assert watcher.value("connhealth_config_last_reload_successful") == 0
    assert targets_of(watcher) == {redis.address}


def test_no_reload_over_http_unless_enabled(daemon, redis):
    watcher = daemon(configuration(redis.address))
    before = watcher.value("connhealth_config_last_reload_success_timestamp_seconds")
    assert watcher.get("/-/reload", method="POST").status == 403
    assert watcher.value("connhealth_config_last_reload_success_timestamp_seconds") == before


# --- files of targets


def test_target_files_are_watched(daemon, two, tmp_path):
    stays, comes = (s.address for s in two)
    folder = tmp_path / "targets.d"
    folder.mkdir()
    one, other = folder / "one.json", folder / "other.json"
    write_whole(one, [{"targets": [stays], "labels": {"team": "a"}}])
    watcher = daemon(configuration(sd=folder / "*.json"))
    watcher.wait_success("heartbeat", target=stays)
    before = counters(watcher, stays, "heartbeat")
    assert watcher.target("heartbeat")["labels"] == {"team": "a"}

    write_whole(other, [{"targets": [comes]}])  # a new file
    watcher.wait(lambda: targets_of(watcher) == {stays, comes}, what="the new file's target")
    watcher.wait_success("heartbeat", target=comes)

    other.write_text("[]")  # rewritten in place
    watcher.wait(lambda: targets_of(watcher) == {stays}, what="the target is gone")
    write_whole(other, [{"targets": [comes]}])  # replaced
    watcher.wait(lambda: targets_of(watcher) == {stays, comes}, what="the target is back")
    other.unlink()
    watcher.wait(lambda: targets_of(watcher) == {stays}, what="the file's targets are gone")
    assert undisturbed(before, counters(watcher, stays, "heartbeat"))


def test_target_files_in_yaml_and_relative_to_the_configuration(daemon, redis):
    watcher = daemon(configuration(sd="more/*.yml"), start=False)
    folder = watcher.directory / "more"
    folder.mkdir()
    (folder / "a.yml").write_text(f"- targets: ['{redis.address}']\n  labels: {{rack: r7}}\n")
    watcher.start()
    assert watcher.wait_success("heartbeat")["labels"] == {"rack": "r7"}


def test_a_folder_that_appears_later(daemon, redis, tmp_path):
    """As when configuration management lays the files after the service was started."""
    folder = tmp_path / "later"
    watcher = daemon(configuration(sd=folder / "*.json"))
    assert watcher.targets() == []
    folder.mkdir()
    write_whole(folder / "a.json", [{"targets": [redis.address]}])
    watcher.wait(lambda: targets_of(watcher) == {redis.address}, what="the file is found")


def test_a_config_map_is_updated(daemon, two, tmp_path):
    """Kubernetes lays the files behind a link, ..data, and replaces the link."""
    old, new = (s.address for s in two)
    for name, address in (("..1", old), ("..2", new)):
        (tmp_path / name).mkdir()
        write_whole(tmp_path / name / "t.json", [{"targets": [address]}])
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "t.json").symlink_to("..data/t.json")
    watcher = daemon(configuration(sd=tmp_path / "*.json"))
    watcher.wait_success("heartbeat", target=old)
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    watcher.wait(lambda: targets_of(watcher) == {new}, what="the new file is read")
    watcher.wait_success("heartbeat", target=new)


def test_a_folder_that_never_rests_is_read(daemon, redis, tmp_path):
    watcher = daemon(configuration(sd=tmp_path / "t*.json"))
    ended = threading.Event()

    def write_on():
        while not ended.wait(0.01):
            write_whole(tmp_path / "restless.json", [])

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        write_whole(tmp_path / "t.json", [{"targets": [redis.address]}])
        watcher.wait(lambda: targets_of(watcher) == {redis.address}, what="the file is found")
    finally:
        ended.set()
        writer.join()


@pytest.mark.parametrize("bad", [
    "[{",
    '[{"targets": ["127.0.0.1"]}]',
    '[{"targets": ["127.0.0.1:1"], "labels": {"group": "x"}}]',
    "{}",
    "",
], ids=["cut", "no-port", "shadowed", "no-list", "empty"])
def test_a_bad_target_file_leaves_its_old_targets(daemon, redis, tmp_path, bad):
    file = tmp_path / "targets.json"
    write_whole(file, [{"targets": [redis.address]}])
    watcher = daemon(configuration(sd=file))
    watcher.wait_success("heartbeat")
    before = counters(watcher, redis.address, "heartbeat")

    mark = len(watcher.process.lines)
    fresh = file.with_suffix(".new")
    fresh.write_text(bad)
    fresh.rename(file)
    watcher.process.wait_line(lambda line: "targets.json" in line, start=mark)
    assert targets_of(watcher) == {redis.address}
    watcher.wait(lambda: watcher.value("connhealth_config_last_reload_successful") == 0,
                 what="the metric says so")

    write_whole(file, [{"targets": [redis.address], "labels": {"now": "good"}}])
    watcher.wait(lambda: watcher.target("heartbeat")["labels"] == {"now": "good"},
                 what="the good file is taken")
    watcher.wait(lambda: watcher.value("connhealth_config_last_reload_successful") == 1,
                 what="the metric says so, too")
    assert before["connection_opens_total"] == 1


def test_many_changes_at_once_settle(daemon, redis, tmp_path):
    """A folder rewritten file by file ends in what it holds at last, and nothing leaks."""
    folder = tmp_path / "targets.d"
    folder.mkdir()
    watcher = daemon(configuration(redis.address, sd=folder / "*.json"))
    watcher.wait_success("heartbeat")
    for turn in range(5):
        for number in range(20):
            write_whole(folder / f"{number}.json",
                        [{"targets": [redis.address], "labels": {"n": str(number), "t": str(turn)}}])
    watcher.wait(lambda: len(watcher.targets()) == 2 * 21 and all(
        t["labels"].get("t", "4") == "4" for t in watcher.targets()), what="the last turn's labels")
    established = "connhealth_connection_established"
    watcher.wait(lambda: sum(watcher.samples(established).values()) == 42, what="all are connected")
    open_before = watcher.process.descriptors()
    for path in folder.iterdir():
        os.unlink(path)
    watcher.wait(lambda: targets_of(watcher) == {redis.address} and len(watcher.targets()) == 2,
                 what="only the static target is left")
    watcher.wait(lambda: watcher.process.descriptors() <= open_before - 40 + 2,
                 what="the connections of removed targets are closed")
