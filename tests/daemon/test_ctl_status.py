# SPDX-License-Identifier: Apache-2.0
"""connhealthctl on the targets of a running daemon: status, targets, show, watch and reload."""

import json
import re
import signal
import socket

import pytest

from daemon import CTL, ms, run_ctl, run_ctl_on_terminal, sanitizer_environment, seconds, unused_port
from process import Process, poll_until

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Switch:
    """A port that answers connects, or does not. It accepts none: they wait in the queue."""

    def __init__(self):
        self.port = unused_port()
        self._listener = None

    def on(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=4096)
        return self

    def off(self):
        if self._listener:
            self._listener.close()
        self._listener = None


@pytest.fixture
def switch():
    made = Switch()
    yield made
    made.off()


def group(name, *targets, **more):
    return {"name": name, "interval": ms(100), "timeout": ms(100), "connect": {},
            "static_configs": [{"targets": list(targets), "labels": {"team": "storage"}}], **more}


@pytest.fixture
def two(daemon, switch):
    """A daemon with one target that works and one that does not; both were tried."""
    made = daemon({"groups": [group("good", f"127.0.0.1:{switch.on().port}"),
                              group("bad", f"127.0.0.1:{unused_port()}")]})
    made.wait_success("connect", "good")
    made.wait_failure("connect", "bad")
    return made


def ctl(daemon, *arguments):
    return run_ctl(*arguments, "--address", f"unix:{daemon.socket}")


def words(line):
    return " ".join(ESCAPES.sub("", line).split())


# --- status


def test_status_shows_what_fails_first(two):
    result = ctl(two, "status")
    assert (result.status, result.stderr) == (0, "")
    lines = [words(line) for line in result.stdout.splitlines()]
    assert lines[0].endswith("1 of 2 probes failing, 1 succeeding, 0 untried")
    assert f"configuration {two.config_file}, loaded " in words(result.stdout)
    rows = lines[lines.index("STATE GROUP TARGET PROBE FOR WHY") + 1:]
    target = two.target("connect", "bad")["target"]
    assert re.fullmatch(rf"FAILING bad {target} connect [\w. ]+ refused: port_closed", rows[0])
    assert rows[1].startswith("ok good ") and len(rows) == 2


def test_status_of_those_alone_that_fail(two):
    lines = ctl(two, "status", "--failing").stdout.splitlines()
    assert not any(line.split()[:1] == ["ok"] for line in lines)
    assert lines[-1] == "1 other not shown: see connhealthctl targets."


def test_status_fails_only_when_it_shall(two, daemon):
    assert ctl(two, "status", "--check").status == 1
    assert ctl(two, "status", "--check", "--json").status == 1
    healthy = daemon({"groups": []})
    result = ctl(healthy, "status", "--check")
    assert result.status == 0 and "no probe tried" in result.stdout


def test_status_as_json(two):
    status = json.loads(ctl(two, "status", "--json").stdout)
    assert (status["counts"]["failing"], status["counts"]["probes"]) == (1, 2)


@pytest.mark.parametrize("environment,coloured", [({}, True), ({"NO_COLOR": "1"}, False)])
def test_status_is_coloured_on_a_terminal(two, environment, coloured):
    text = run_ctl_on_terminal("status", "--address", f"unix:{two.socket}", environment=environment)
    assert ("\033[1;31mFAILING" in text) == coloured
    assert ("\033[1;32mok" in text) == coloured
    lines = [ESCAPES.sub("", line) for line in text.splitlines()]
    assert max(map(len, lines[lines.index(""):])) <= 80  # of the table: a path may be long


def test_status_tells_of_a_reload_that_failed(daemon):
    made = daemon({"groups": []})
    made.configure("groups: [{name: 7}]\n")
    assert not made.reload()
    text = " ".join(ctl(made, "status").stdout.split())
    assert "last reload FAILED" in text and "connhealthd.yml:1:" in text


# --- targets


def test_targets_in_the_order_of_the_configuration(two):
    lines = [words(line) for line in ctl(two, "targets").stdout.splitlines()]
    assert [line.split()[:2] for line in lines] == [["STATE", "GROUP"], ["ok", "good"],
                                                    ["FAILING", "bad"]]
    assert len(ctl(two, "targets", "--failing").stdout.splitlines()) == 2
    assert len(ctl(two, "targets", "--group", "good").stdout.splitlines()) == 2
    assert ctl(two, "targets", "--group", "none").stdout == "There are none.\n"


def test_targets_names_and_json(daemon):
    made = daemon({"groups": [group("a", "127.0.0.1:9", "[::1]:9", keepalive={}),
                              group("b", "[::1]:9")]})
    assert ctl(made, "targets", "--names").stdout == "127.0.0.1:9\n[::1]:9\n"
    targets = json.loads(ctl(made, "targets", "--json").stdout)["targets"]
    assert len(targets) == 5


# --- show


def test_show_says_all_of_a_target(two):
    target = two.target("connect", "bad")
    result = ctl(two, "show", target["target"])
    assert (result.status, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    for wanted in (f"FAILING {target['target']} connect over tcp, group bad", "labels team=storage",
                   "category refused an RST answered", "cause port_closed proof:",
                   "errno ECONNREFUSED Connection refused", f"peer {target['target']}",
                   "The last failure, ", "FAILING refused: port_closed"):
        assert wanted in text, result.stdout
    # of whichever failure was the last when it was asked
    details = {" ".join(event["detail"].split()) for event in two.events(target=target["target"])}
    assert any(f"detail {detail}" in text for detail in details), result.stdout


def test_show_of_what_never_failed(two):
    target = two.target("connect", "good")["target"]
    text = ctl(two, "show", target).stdout
    assert text.startswith(f"ok  {target}  connect over tcp, group good\n")
    assert "failure" not in text


@pytest.mark.parametrize("target", ["[::1]:9", "[fe80::1%lo]:9", "127.0.0.1:9"])
def test_show_finds_any_name(daemon, target):
    made = daemon({"groups": [group("a&b=c+d", target), group("other", target)]})
    found = json.loads(ctl(made, "show", target, "--json", "--group", "a&b=c+d").stdout)
    assert [(one["group"], one["target"]) for one in found["targets"]] == [("a&b=c+d", target)]
    assert {event["group"] for event in found["events"]} <= {"a&b=c+d"}
    assert len(json.loads(ctl(made, "show", target, "--json").stdout)["targets"]) == 2


def test_show_history_is_as_long_as_asked(two):
    target = two.target("connect", "bad")["target"]
    two.wait(lambda: len(two.events(target=target)) >= 3, what="three failures")
    for lines in (0, 2):
        found = json.loads(ctl(two, "show", target, "--json", f"--lines={lines}").stdout)
        assert len(found["events"]) == lines
    assert "newest first" not in ctl(two, "show", target, "--lines=0").stdout


def test_show_refuses_what_is_no_target(two):
    result = ctl(two, "show", "no.such\x1b:1")
    assert result.status == 2 and result.stdout == ""
    assert r'"no.such\x1b:1": no such target' in result.stderr
    assert ctl(two, "show", two.target("connect", "bad")["target"], "--group=good").status == 2


# --- watch


@pytest.fixture
def watch():
    """watch(daemon, ...): connhealthctl watch, running; its lines hold errors, too."""
    made = []

    def start(daemon, *arguments):
        made.append(Process([CTL, "watch", f"--address=unix:{daemon.socket}", "--interval=20ms",
                             *arguments], environment=sanitizer_environment()))
        return made[-1]

    yield start
    for one in made:
        one.close()


def end(process):
    process.signal(signal.SIGINT)
    assert process.status(seconds(40)) == 0, process.text
    return process.lines


def test_watch_tells_each_change_once_and_in_order(daemon, switch, watch):
    made = daemon({"groups": [group("one", f"127.0.0.1:{switch.on().port}")]})
    made.wait_success("connect")
    process = watch(made)
    for _ in range(3):
        switch.off()
        made.wait_failure("connect")
        switch.on()
        made.wait_success("connect")

    def all_changes():
        """The state tells of a success a moment before there is an event."""
        found = [event for event in made.events() if event["changed"]]
        return found if found[-1]["success"] else None

    changes = made.wait(all_changes, what="the event of the last success")
    poll_until(lambda: len(process.lines) >= len(changes), seconds(40), "a line for each")
    lines = end(process)
    assert len(lines) == len(changes) >= 6
    for line, event in zip(lines, changes):
        assert f"  one  127.0.0.1:{switch.port}  connect" in line
        assert ("FAILING" in line) == (not event["success"]) and ("  ok  " in line) == event["success"]
        if not event["success"]:
            assert f"{event['category']}: " in line and event["detail"] in line


def test_watch_misses_nothing_when_much_changes_at_once(daemon, switch, watch):
    """More changes between two looks than the first page of an answer holds."""
    targets = [f"127.0.0.{n}:{switch.port}" for n in range(1, 151)]
    with socket.create_server(("", switch.port), backlog=4096):
        made = daemon({"groups": [
            group("many", *targets, interval="1s", timeout="1s", connect={"close": "reset"}),
            group("bad", f"127.0.0.1:{unused_port()}")]})
        made.wait(lambda: all(one["success"] for one in made.targets(group="many")), 30, "success")
        made.wait_failure("connect", "bad")
        process = watch(made, "--json", "--interval=1s")
        process.wait_line(lambda line: '"bad"' in line, seconds(40))  # it has begun
    made.wait(lambda: not any(one["success"] for one in made.targets()), 30, "all fail")
    poll_until(lambda: len(process.lines) > len(targets), seconds(40), "a line for each")
    events = [json.loads(line) for line in end(process)]
    assert sorted(one["target"] for one in events if one["group"] == "many") == sorted(targets)
    numbers = [event["number"] for event in events]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("by", ["target", "group"])
def test_watch_only_what_is_asked_for(two, switch, watch, by):
    name = f"127.0.0.1:{switch.port}"
    process = watch(two, name if by == "target" else "--group=good")
    switch.off()
    process.wait_line(lambda line: "FAILING" in line, seconds(40))
    assert all(f"  good  {name}  " in line for line in end(process))


def test_watch_goes_on_when_the_daemon_restarts(daemon, switch, watch):
    made = daemon({"groups": [group("one", f"127.0.0.1:{switch.port}")]})
    made.wait_failure("connect")
    process = watch(made)
    process.wait_line(lambda line: "FAILING" in line, seconds(40))
    made.stop()
    # that nobody listens; or, of a question that was asked in the middle of the stop, how it ended
    process.wait_line(lambda line: line.startswith("connhealthctl watch: "), seconds(40))
    mark = len(process.lines)
    made.start()
    process.wait_line(lambda line: "answers again" in line, seconds(40), mark)
    process.wait_line(lambda line: "restarted" in line, seconds(40), mark)
    process.wait_line(lambda line: "FAILING" in line, seconds(40), mark)
    switch.on()
    process.wait_line(lambda line: "  ok  " in line, seconds(40), mark)
    lines = end(process)
    assert sum("FAILING" in line for line in lines) == 2
    said = [line for line in lines if line.startswith("connhealthctl watch: ")]
    assert len(said) == 3, "that it went, that it answers again, that it was restarted: each once"


def test_watch_needs_a_daemon_to_begin_with():
    result = run_ctl("watch", "--address=unix:/nonexistent/socket")
    assert result.status == 1 and len(result.stderr.splitlines()) == 1


# --- reload


def test_reload(daemon):
    made = daemon({"groups": []}, arguments=["--web.enable-lifecycle"])
    made.configure({"groups": [group("new", "127.0.0.1:9")]})
    result = ctl(made, "reload")
    assert result == (0, "reloaded\n", "")
    assert len(made.targets()) == 1
    assert json.loads(ctl(made, "reload", "--json").stdout) == {"reloaded": True}


def test_reload_of_a_bad_file_says_each_error(daemon):
    made = daemon({"groups": []}, arguments=["--web.enable-lifecycle"])
    made.configure("groups: [{name: 7}, {frobnicate: 1}]\n")
    result = ctl(made, "reload")
    assert result.status == 2 and result.stdout == ""
    assert "frobnicate" in result.stderr and len(result.stderr.splitlines()) > 1
    assert json.loads(ctl(made, "reload", "--json").stdout) == {"reloaded": False}


def test_reload_that_is_not_allowed_says_what_to_do(daemon):
    result = ctl(daemon({"groups": []}), "reload")
    assert result.status == 1 and "systemctl reload connhealthd" in result.stderr
