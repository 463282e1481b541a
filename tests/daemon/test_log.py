# SPDX-License-Identifier: Apache-2.0
"""A line at each change of a target's outcome, with its fields; not one at each failure."""

import json
import re

import pytest

from daemon import ms
from real_servers import Redis
from test_servers import PING, group

FIELDS = ("group", "target", "probe", "category", "phase", "cause", "errno")


def logfmt(line):
    """key=value key="quoted value", as a dictionary; the whole line must be that."""
    pair = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)')
    found, at = {}, 0
    while at < len(line):
        match = pair.match(line, at)
        assert match, f"not logfmt from {at} on: {line}"
        value = match[2]
        found[match[1]] = json.loads(value) if value.startswith('"') else value
        at = match.end()
    return found


def outcome_lines(daemon, parse):
    lines = [line for line in daemon.process.lines if line]
    return [entry for entry in map(parse, lines) if "probe" in entry]


@pytest.mark.parametrize("form,parse", [("json", json.loads), ("logfmt", logfmt)])
def test_a_line_at_each_change_and_no_more(daemon, server, form, parse):
    service = server(Redis)
    watcher = daemon(group(service, connect={}), log_format=form)
    watcher.wait_success("connect")
    service.kill()
    watcher.wait_failure("connect", category="refused")
    failures = watcher.target("connect")["failures"]["refused"]
    watcher.wait(lambda: watcher.target("connect")["failures"]["refused"] >= failures + 5)
    service.start()
    watcher.wait_success("connect")

    # another thread logs what the API has told already
    watcher.wait(lambda: len(outcome_lines(watcher, parse)) >= 2, what="the line that it works again")
    watcher.stop()
    lines = outcome_lines(watcher, parse)
    failed = [line for line in lines if line.get("category")]
    assert len(failed) == 1, lines
    for field in FIELDS:
        assert field in failed[0], failed[0]
    assert failed[0]["target"] == service.address
    assert (failed[0]["group"], failed[0]["probe"]) == ("service", "connect")
    assert (failed[0]["category"], failed[0]["phase"]) == ("refused", "connect")
    assert failed[0]["cause"] == "port_closed"
    assert failed[0]["errno"] in ("ECONNREFUSED", 111, "111")
    # one line says that it works again
    after = lines[lines.index(failed[0]) + 1:]
    assert len(after) == 1 and not after[0].get("category"), after


def test_every_line_is_json(daemon, redis):
    watcher = daemon(group(redis, heartbeat=dict(PING)), log_level="debug")
    watcher.wait_success("heartbeat")
    watcher.reload()
    watcher.stop()
    assert watcher.process.lines
    for line in watcher.process.lines:
        entry = json.loads(line)
        assert entry["level"] in ("debug", "info", "warn", "error") and "msg" in entry


def test_every_line_is_logfmt(daemon, redis):
    watcher = daemon(group(redis, heartbeat=dict(PING)), log_format="logfmt", log_level="debug")
    watcher.wait_success("heartbeat")
    watcher.stop()
    for line in watcher.process.lines:
        entry = logfmt(line)
        assert entry["level"] in ("debug", "info", "warn", "error") and entry["msg"]


def test_auto_is_logfmt_without_a_journal(daemon):
    watcher = daemon("groups: []\n", log_format="auto", environment={"JOURNAL_STREAM": "0:0"})
    watcher.stop()
    assert watcher.process.lines and all(logfmt(line)["msg"] for line in watcher.process.lines)


def test_the_level_is_respected(daemon, redis):
    watcher = daemon(group(redis, connect={}), log_level="error")
    watcher.wait_success("connect")
    redis.kill()
    watcher.wait_failure("connect")
    watcher.stop()
    assert watcher.process.lines == []


def test_bytes_of_the_target_do_not_break_a_line(daemon, server):
    """What redis answers is shown, escaped, and never ends or splits a line."""
    service = server(Redis)
    heartbeat = {"send": 'ECHO "a\\nb\\"c\\x1b[31m\\xff"\r\n', "expect": "^never$",
                 "interval": ms(300), "timeout": ms(300)}
    watcher = daemon(group(service, heartbeat=heartbeat))
    watcher.wait_failure("heartbeat", category="bad_reply")
    watcher.stop()
    assert "\x1b" not in watcher.log_text
    assert all(json.loads(line) for line in watcher.process.lines)


def test_a_full_disk_under_the_log_stops_nothing(daemon, redis):
    watcher = daemon(group(redis, connect={}),
                     prefix=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
    watcher.wait_success("connect")
    redis.kill()
    watcher.wait_failure("connect")
