# SPDX-License-Identifier: Apache-2.0
"""connhealthctl: one attempt by hand, the tables explained, a configuration checked."""

import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from daemon import CTL, ms, run_ctl, run_ctl_on_terminal, run_daemon, sanitizer_environment
from daemon import seconds, unused_port
from process import poll_until

COMMANDS = ["status", "targets", "show", "watch", "sockets", "reload", "probe", "explain", "check-config"]
HELD_S = 0.4
PATIENCE = f"{seconds(30)}s"


@pytest.fixture
def peer():
    """peer(talk): a server that gives its one client to talk(connection); its address."""
    made = []

    def make(talk):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(seconds(40))

        def serve():
            with listener:
                connection, _ = listener.accept()
                connection.settimeout(seconds(40))
                with connection:
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        made.append(thread)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield make
    for thread in made:
        thread.join()


def read_to_the_end(connection):
    while connection.recv(4096):
        pass


def closed_address():
    return f"127.0.0.1:{unused_port()}"


def probe(*arguments):
    """(status, JSON). Unless it is said, an attempt may take long: the peer is a thread of ours."""
    if not any(word.startswith("--timeout") for word in arguments):
        arguments += ("--timeout", PATIENCE)
    result = run_ctl("probe", "--json", *arguments)
    assert result.stderr == ""
    return result.status, json.loads(result.stdout)


# --- arguments


def test_help_names_every_command():
    result = run_ctl("--help")
    assert (result.status, result.stderr) == (0, "")
    assert all(command in result.stdout for command in COMMANDS)
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    result = run_ctl(command, "--help")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: connhealthctl {command} ")
    assert "--json" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_help_of_probe_names_every_option_of_every_kind():
    text = run_ctl("probe", "--help").stdout
    for option in ("close send send_hex expect expect_hex idle interval count user_timeout probe "
                   "transport timeout no-confirm").split():
        assert f"--{option} " in text, option


def test_version_is_the_daemons():
    ours, daemons = run_ctl("--version"), run_daemon("--version")
    assert ours.status == 0
    assert ours.stdout == daemons.stdout.replace("connhealthd", "connhealthctl", 1)


@pytest.mark.parametrize("arguments,named", [
    ([], "command"),
    (["frobnicate"], "frobnicate"),
    (["--frobnicate"], "--frobnicate"),
    (["probe"], "address"),
    (["probe", "127.0.0.1"], "port"),
    (["probe", "127.0.0.1:0"], "127.0.0.1:0"),
    (["probe", "127.0.0.1:70000"], "127.0.0.1:70000"),
    (["probe", "a:1", "b:1"], "b:1"),
    (["probe", "a:1", "--frobnicate"], "--frobnicate"),
    (["probe", "a:1", "-v"], "-v"),
    (["probe", "a:1", "--json=yes"], "--json"),
    (["probe", "a:1", "--timeout"], "--timeout"),
    (["probe", "a:1", "--timeout=5x"], "5x"),
    (["probe", "a:1", "--timeout=0s"], "0s"),
    (["probe", "a:1", "--probe=ping"], "--probe"),
    (["probe", "a:1", "--transport=sctp"], "--transport"),
    (["probe", "a:1", "--probe=keepalive", "--udp"], "udp"),
    (["probe", "a:1", "--probe=connect", "--transport=udp"], "udp"),
    (["probe", "a:1", "--send=x"], "--send"),
    (["probe", "a:1", "--probe=heartbeat", "--idle=5s"], "--idle"),
    (["probe", "a:1", "--probe=heartbeat", "--send", r"a\q"], r"\q"),
    (["probe", "a:1", "--probe=heartbeat", "--send=x", "--send_hex=00"], "--send_hex"),
    (["probe", "a:1", "--probe=heartbeat", "--expect", "("], "--expect"),
    (["probe", "a:1", "--probe=heartbeat", "--send_hex=0g"], "--send_hex"),
    (["probe", "a:1", "--probe=keepalive", "--count=x"], "--count"),
    (["explain", "frobnicate"], "frobnicate"),
    (["explain", "refused", "reset"], "reset"),
    (["explain", "--frobnicate"], "--frobnicate"),
    (["status", "--frobnicate"], "--frobnicate"),
    (["status", "extra"], "extra"),
    (["status", "--check=yes"], "--check"),
    (["status", "--timeout=5x"], "5x"),
    (["status", "--timeout", "0s"], "0s"),
    (["targets", "extra"], "extra"),
    (["targets", "--group"], "--group"),
    (["targets", "--names", "--json"], "--names"),
    (["show"], "target"),
    (["show", "a:1", "b:1"], "b:1"),
    (["show", "a:1", "--lines=-1"], "-1"),
    (["show", "a:1", "--lines=99999999999999999999"], "99999999999999999999"),
    (["watch", "a:1", "b:1"], "b:1"),
    (["watch", "--interval=1ms"], "1ms"),
    (["watch", "--lines", "many"], "many"),
    (["watch", "--address=nowhere"], "nowhere"),
    (["reload", "extra"], "extra"),
    (["sockets", "--frobnicate"], "--frobnicate"),
    (["sockets", "extra"], "extra"),
    (["sockets", "--address"], "--address"),
    (["sockets", "--address=127.0.0.1"], "127.0.0.1"),
    (["sockets", "--address", "unix:"], "unix:"),
    (["sockets", "--address", "unix:relative"], "absolute"),
    (["sockets", "--address", "unix:/" + 107 * "x"], "107"),
    (["check-config", "--frobnicate"], "--frobnicate"),
    (["check-config", "a.yml", "b.yml"], "b.yml"),
    (["check-config", "/nonexistent/a.yml"], "/nonexistent/a.yml"),
])
def test_unusable_arguments_are_one_clear_line(arguments, named):
    result = run_ctl(*arguments)
    assert result.status == 2 and result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and named in lines[0], result.stderr


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w") as full:
        done = subprocess.run([CTL, "explain"], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=seconds(40), env=sanitizer_environment(), check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr


# --- probe


def test_connect(peer):
    address = peer(read_to_the_end)
    status, outcome = probe(address)
    assert status == 0
    assert (outcome["success"], outcome["category"]) == (True, None)
    assert (outcome["target"], outcome["probe"], outcome["transport"]) == (address, "connect", "tcp")
    assert 0 < outcome["duration_seconds"] <= outcome["elapsed_seconds"]


def test_connect_for_a_person(peer):
    address = peer(read_to_the_end)
    result = run_ctl("probe", address)
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith(f"OK  {address}  connect over tcp\n")
    assert re.search(r"^  time +\d+\.\d{3} m?s", result.stdout, re.M)


def test_a_name_of_the_hosts_file(peer):
    port = peer(read_to_the_end).rpartition(":")[2]
    assert probe(f"localhost:{port}")[0] == 0


def test_refused():
    status, outcome = probe(closed_address())
    assert status == 1 and not outcome["success"]
    wanted = {"category": "refused", "phase": "connect", "wire": "rst", "cause": "port_closed",
              "certain": True, "errno_name": "ECONNREFUSED"}
    assert {key: outcome[key] for key in wanted} == wanted
    assert outcome["detail"]


def test_refused_for_a_person():
    address = closed_address()
    result = run_ctl("probe", address)
    assert (result.status, result.stderr) == (1, "")
    text = " ".join(result.stdout.split())
    for wanted in (f"FAILED {address} connect over tcp", "category refused", "phase connect",
                   "wire rst", "cause port_closed proof:", "errno ECONNREFUSED",
                   f"peer {address}", "Next: see whether the service listens"):
        assert wanted in text, result.stdout
    assert "\033" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_name_without_an_address():
    """A resolver answers so for .onion by itself and asks nobody (RFC 7686, 2)."""
    status, outcome = probe("connhealth.onion:80")
    assert status == 1
    wanted = {"category": "name_resolution", "phase": "resolve", "cause": "name_not_found"}
    assert {key: outcome[key] for key in wanted} == wanted


@pytest.mark.parametrize("spelling", [
    ["--probe=heartbeat", "--send", r"a\0\x41\r\n", "--expect", r"^a\x00A\r\n$"],
    ["--send-hex", "61 00 41 0d0a", "--kind", "heartbeat", "--expect_hex=6100410d0a"],
])
def test_heartbeat_sends_just_these_bytes(peer, spelling):
    heard = []

    def echo(connection):
        heard.append(connection.recv(5, socket.MSG_WAITALL))
        connection.sendall(heard[0])
        read_to_the_end(connection)

    status, outcome = probe(peer(echo), *spelling)
    assert (status, heard) == (0, [b"a\0A\r\n"]), outcome


def test_an_unexpected_reply_is_shown(peer):
    def talk(connection):
        connection.recv(4096)
        connection.sendall(b"\x1b[31mNO\r\n")
        read_to_the_end(connection)

    result = run_ctl("probe", peer(talk), "--kind=heartbeat", r"--send=PING\r\n", "--expect=^YES",
                     "--timeout", PATIENCE)
    assert result.status == 1
    text = " ".join(result.stdout.split())
    assert "category bad_reply" in text and r'reply "\x1b[31mNO\r\n"' in text, result.stdout
    assert "\033" not in result.stdout


def test_no_reply_is_waited_for_until_the_timeout(peer):
    begun = time.monotonic()
    status, outcome = probe(peer(read_to_the_end), "--kind", "heartbeat", "--send", "x",
                            "--timeout", ms(300))
    assert time.monotonic() - begun >= 0.3
    assert (status, outcome["category"], outcome["cause"]) == (1, "timeout", "application_hung")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_native_heartbeat(daemon, transport):
    address = f"127.0.0.1:{unused_port()}"
    daemon({"responder": {"listen": [address]}})
    status, outcome = probe(address, "--probe=heartbeat", f"--transport={transport}")
    assert (status, outcome["transport"]) == (0, transport), outcome
    if transport == "udp":  # over which there is no other probe
        assert probe(address, "--udp")[1]["probe"] == "heartbeat"


def test_udp_refused():
    status, outcome = probe(closed_address(), "--udp")
    assert (status, outcome["category"], outcome["wire"]) == (1, "refused", "icmp")
    assert outcome["icmp"]["icmp"] == "port_unreachable"


def test_keepalive_is_held_for_the_timeout(peer):
    """The best of five: a peer that a busy machine lets accept late sees less of it."""
    ended = []

    def talk(connection):
        begun = time.monotonic()
        read_to_the_end(connection)
        ended.append(time.monotonic() - begun)

    for tries in range(1, 6):
        status, outcome = probe(peer(talk), "--kind=keepalive", f"--timeout={int(HELD_S * 1000)}ms")
        assert status == 0 and outcome["success"], outcome
        assert outcome["elapsed_seconds"] >= HELD_S
        poll_until(lambda: len(ended) == tries, seconds(40), "the peer sees the end")
        if ended[-1] >= HELD_S / 2:
            return
    pytest.fail(f"it was not the same connection all the time: {ended}")


def test_keepalive_sees_the_end_of_the_connection(peer):
    def talk(connection):
        time.sleep(0.2)

    status, outcome = probe(peer(talk), "--kind=keepalive", "--timeout=1h", "--idle=10s")
    assert (status, outcome["category"], outcome["phase"]) == (1, "eof", "idle")


# --- colour


@pytest.mark.parametrize("environment,coloured", [
    ({"TERM": "xterm"}, True),
    ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ({"TERM": "dumb"}, False),
])
def test_colour_is_for_terminals(environment, coloured):
    text = run_ctl_on_terminal("probe", closed_address(), environment=environment)
    assert "FAILED" in text
    assert ("\033[" in text) == coloured


# --- explain


def test_explain_prints_the_api_s_tables(daemon):
    listing = run_ctl("explain", "--json")
    assert listing.status == 0
    assert json.loads(listing.stdout) == daemon("groups: []\n").json("/api/v1/categories")


def test_explain_each_name():
    tables = json.loads(run_ctl("explain", "--json").stdout)
    everything = " ".join(run_ctl("explain").stdout.split())
    for kind, rows in (("category", tables["categories"]), ("cause", tables["causes"])):
        for row in rows:
            alone = run_ctl("explain", row[kind])
            assert alone.status == 0
            meaning = " ".join(row["meaning"].split())
            assert meaning in " ".join(alone.stdout.split()), row[kind]
            assert f"{row[kind]} " in everything and meaning in everything, row[kind]
            as_json = json.loads(run_ctl("explain", row[kind], "--json").stdout)
            assert as_json[kind] == row[kind] and as_json["meaning"] == row["meaning"]


def test_explain_gives_every_rule_of_a_cause():
    tables = json.loads(run_ctl("explain", "--json").stdout)
    for cause in {rule["cause"] for rule in tables["rules"]}:
        rules = [rule for rule in tables["rules"] if rule["cause"] == cause]
        alone = json.loads(run_ctl("explain", "--json", cause).stdout)["rules"]
        assert [(rule["when"], rule["certain"]) for rule in alone] == [
            (rule["when"], rule["certain"]) for rule in rules]
        text = " ".join(run_ctl("explain", cause).stdout.split())
        assert all(" ".join(rule["when"].split()) in text for rule in rules)


@pytest.mark.parametrize("name,category", [
    ("ECONNRESET", "reset"), ("econnreset", "reset"), ("EMFILE", "local_resource"),
    ("ENXIO", "other"),
])
def test_explain_an_errno(name, category):
    assert run_ctl("explain", name).stdout.startswith(f"{category}\n")


# --- check-config

GOOD = """\
groups:
  - name: one
    connect: {}
    static_configs:
      - targets: ["127.0.0.1:80", "127.0.0.2:80"]
    file_sd_configs:
      - files: ["targets.d/*.json", "targets.d/*.yml"]
  - name: two
    connect: {}
    static_configs:
      - targets: ["127.0.0.3:80"]
"""
BAD = "global:\n  interval: 5x\n  pace: 3s\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "connhealthd.yml"
        path.write_text(text)
        return path

    return write


def test_check_says_what_the_daemon_says(file):
    path = file(GOOD)
    result = run_ctl("check-config", path)
    assert result == run_daemon("--config.check", f"--config.file={path}")
    assert result.status == 0
    assert result.stdout == "OK: 2 groups, 3 targets, and those of 2 file_sd patterns\n"


def test_check_as_json(file):
    path = file(GOOD)
    result = run_ctl("check-config", "--json", path)
    assert (result.status, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "file": str(path), "ok": True, "groups": 2, "targets": 3, "file_sd_patterns": 2,
        "errors": [],
    }


def test_errors_as_json_are_the_lines(file):
    path = file(BAD)
    lines = run_ctl("check-config", path)
    result = run_ctl("check-config", path, "--json")
    assert lines.status == result.status == 2
    assert json.loads(result.stdout) == {
        "file": str(path), "ok": False, "errors": lines.stderr.splitlines()}
    assert len(lines.stderr.splitlines()) == 2


def test_the_default_file_is_the_daemons():
    default = "/etc/connhealthd/connhealthd.yml"
    assert default in run_ctl("check-config", "--help").stdout
    if not os.path.exists(default):
        assert run_ctl("check-config").stderr.startswith(f"{default}: ")
