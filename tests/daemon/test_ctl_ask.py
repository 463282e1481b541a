# SPDX-License-Identifier: Apache-2.0
"""connhealthctl and what answers it: the daemon over a unix socket and over TCP, and others that are
no daemon."""

import json
import re
import socket
import threading

import pytest

from daemon import run_ctl, run_ctl_on_terminal, seconds, unused_port

SOCKETS = {"sockets": {"interval": "1h"}}
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def swept(daemon, **options):
    """A daemon that has looked at the host's sockets."""
    made = daemon(SOCKETS, **options)
    made.wait(lambda: made.json("/api/v1/sockets")["time"], what="the first sweep")
    return made


@pytest.fixture
def impostor():
    """impostor(answer, ...): a server that gives each of its clients these bytes in turn; its
    address."""
    threads = []

    def make(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(seconds(40))

        def serve():
            with listener:
                for one in answers:
                    connection, _ = listener.accept()
                    connection.settimeout(seconds(40))
                    with connection:
                        request = b""
                        while b"\r\n\r\n" not in request:
                            piece = connection.recv(4096)
                            assert piece, "the client left in the middle of its request"
                            request += piece
                        connection.sendall(one)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield make
    for thread in threads:
        thread.join()


def answer(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()


def sockets_body(**members):
    """The least that /api/v1/sockets may say."""
    return json.dumps({"time": 1795365266.8, "interval_seconds": 15, "complete": True, "sockets": [],
                       "units": [], "listeners": [], "peers": [], **members})


def status_body(**counts):
    return json.dumps({"version": "9", "started": 1795365266.8, "healthy": True, "ready": True,
                       "config": {"last_reload_successful": True}, "counts": counts})


def refused(result):
    assert (result.status, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


# --- who answers


@pytest.mark.parametrize("listen", ["127.0.0.1", "[::1]", "unix"])
def test_json_is_the_body_as_it_came(daemon, listen):
    address = f"{listen}:{unused_port()}"
    made = swept(daemon, listen=None if listen == "unix" else address)
    if listen == "unix":
        address = f"unix:{made.socket}"
    result = run_ctl("sockets", "--json", "--address", address)
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout == made.get("/api/v1/sockets").body.decode()


def test_a_name_with_several_addresses(daemon):
    """localhost is ::1 and 127.0.0.1, of which one listens."""
    port = unused_port()
    swept(daemon, listen=f"127.0.0.1:{port}")
    assert run_ctl("sockets", "--address", f"localhost:{port}").status == 0


@pytest.mark.parametrize("address", [f"127.0.0.1:{unused_port()}", "unix:/nonexistent/socket"])
def test_nobody_answers(address):
    text = refused(run_ctl("sockets", "--address", address))
    assert text.startswith(f"connhealthctl sockets: {address}: ")
    assert "is connhealthd running there?" in text


def test_a_collector_that_is_off(daemon):
    made = daemon({"sockets": {"enabled": False}})
    result = run_ctl("sockets", "--address", f"unix:{made.socket}")
    assert (result.status, result.stdout) == (
        0, "Nothing was seen yet: no sweep has ended, or sockets.enabled is false.\n")


@pytest.mark.parametrize("bytes_,said", [
    (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
    (b"", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "the answer ends early"),
    (answer("hello"), "not what its API promises"),
    (answer("{}"), "not what its API promises"),
    (answer("[" * 5000), "not what its API promises"),
    (answer("not\x1b[2Jfound", "404 Not Found"), r'answers with status 404: "not\x1b[2Jfound"'),
    (answer('{"error":"\\u001b[2J"}', "400 Bad Request"), r'answers with status 400: "\x1b[2J"'),
])
def test_what_is_no_daemon(impostor, bytes_, said):
    text = refused(run_ctl("sockets", "--address", impostor(bytes_)))
    assert said in text and "\033" not in text


def test_json_is_checked_before_it_is_passed_on(impostor):
    refused(run_ctl("sockets", "--json", "--address", impostor(b"HTTP/1.0 200 OK\r\n\r\n{\"time\":")))


# --- the report


def test_foreign_text_moves_no_terminal(impostor):
    evil = "a\x1b[2J\u009b1m\u202eb.service"
    body = sockets_body(
        units=[{"unit": evil, "sockets": {evil: 1}, "ends": {evil: 1},
                "troubles": [{"trouble": evil, "sockets": 1,
                              "worst": {"age_seconds": 1, "local": evil, "remote": evil}}]}],
        sockets=[{"family": "\x1b[2J", "protocol": "tcp", "states": {evil: 1}}],
        listeners=[{"address": evil, "port": 1, "unit": evil, "backlog": 9, "backlog_limit": 9,
                    "drops": 1, "troubles": []}],
        collector={"missing": [{"what": evil, "meaning": evil, "needs": evil}]})
    text = run_ctl_on_terminal("sockets", "--address", impostor(answer(body)), columns=200)
    assert r"a\x1b[2J\u009b1m\u202eb.service" in text
    left = ESCAPES.sub("", text)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", left), repr(left)


def test_numbers_that_no_daemon_sends(impostor):
    body = sockets_body(time=-1e300, interval_seconds=1e300, units=[
        {"unit": 7, "send_queue_bytes": 1e300, "retransmitted_segments": -5, "sockets": {"x": 1e300},
         "troubles": [{"sockets": "many", "worst": {"rounds": 1e99, "limit": -1}}]}],
        listeners=[{"port": 1e99, "backlog": -1}, None, 3])
    result = run_ctl("sockets", "--address", impostor(answer(body)))
    assert (result.status, result.stderr) == (0, "")


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_the_report_keeps_to_the_terminal(impostor, columns):
    body = sockets_body(units=[
        {"unit": "a-service-with-a-long-name.service", "send_queue_bytes": 5000,
         "sockets": {state: 1000 for state in "established listen close_wait time_wait".split()},
         "ends": {"closed": 10, "timeout": 3},
         "troubles": [{"trouble": "retransmitting", "sockets": 2,
                       "worst": {"age_seconds": 70, "rounds": 3, "limit": 15,
                                 "local": "10.0.0.1:443", "remote": "10.0.0.2:50000"}}]}])
    text = run_ctl_on_terminal("sockets", "--address", impostor(answer(body)), columns=columns)
    lines = [ESCAPES.sub("", line) for line in text.splitlines()]
    if columns > 40:
        assert max(map(len, lines)) <= columns
    words = " ".join(" ".join(lines).split())
    for wanted in ("1000 established, 1000 listen,", "retransmitting",
                   "for 1min 10s, 3 of 15 rounds, 10.0.0.1:443 to 10.0.0.2:50000",
                   "4.9 KiB", "10 closed, 3 timeout"):
        assert wanted in words, text
    whole = run_ctl("sockets", "--address", impostor(answer(body))).stdout
    assert any(len(line) > 100 for line in whole.splitlines())  # one line a row


def test_what_began_just_now_alarms_nobody(impostor):
    troubles = [{"trouble": name, "sockets": 1, "worst": {"age_seconds": age}}
                for name, age in (("young", 0.5), ("old", 5))]
    body = sockets_body(units=[{"unit": "a", "troubles": troubles}])
    text = run_ctl_on_terminal("sockets", "--address", impostor(answer(body)))
    assert "\033[1;31mold" in text and "young" in text and "\033[1;31myoung" not in text


def test_no_trouble(impostor):
    result = run_ctl("sockets", "--address", impostor(answer(sockets_body())))
    assert "No connection is in trouble now.\n" in result.stdout


# --- targets


def test_foreign_targets_move_no_terminal(impostor):
    evil = "a\x1b[2J\u009b1m\u202eb"
    probe = {"group": evil, "target": evil, "probe": evil, "success": False, "since": -1e300,
             "labels": {evil: evil}, "failures": {evil: 1}, "trouble": {"trouble": evil},
             "causes": [{"phase": evil}], "icmp_errors": [{"icmp": evil, "offender": evil}]}
    failure = {"category": evil, "cause": evil, "phase": evil, "wire": evil, "detail": evil,
               "errno": 1e99, "errno_name": evil, "icmp": {"icmp": evil}, "evidence": {evil: evil},
               "tcp_info": {evil: 1e300}}
    targets = answer(json.dumps({"targets": [{**probe, "last": failure, "last_failure": failure}]}))
    events = answer(json.dumps({"events": [{**probe, **failure, "number": 1, "changed": True}],
                                "started": 1}))
    status = answer(status_body(probes=1, failing=1))
    for command, answers in ((["status"], [status, targets]), (["targets"], [targets]),
                             (["show", "a"], [targets, events]), (["targets", "--names"], [targets])):
        text = run_ctl_on_terminal(*command, "--address", impostor(*answers), columns=200)
        assert r"a\x1b[2J\u009b1m\u202eb" in text, command
        left = ESCAPES.sub("", text)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", left), repr(left)


def test_of_very_many_probes_only_those_that_fail_are_listed(impostor):
    failing = answer(json.dumps({"targets": [{"group": "g", "target": "t:1", "probe": "connect",
                                              "success": False, "since": 1}]}))
    address = impostor(answer(status_body(probes=100000, failing=1)), failing)
    lines = run_ctl("status", "--address", address).stdout.splitlines()
    assert "1 of 100000 probes failing" in lines[0]
    assert lines[-1] == "99999 others not shown: see connhealthctl targets."


@pytest.mark.parametrize("command", [["targets"], ["targets", "--names"], ["targets", "--json"],
                                     ["show", "a:1"], ["watch"]])
def test_answers_that_end_in_the_middle(impostor, command):
    cut = b'HTTP/1.0 200 OK\r\n\r\n{"targets":[{"target":"a:1"},'
    result = run_ctl(*command, "--address", impostor(cut))
    assert result.status == 1 and "not what its API promises" in result.stderr
