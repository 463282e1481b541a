# SPDX-License-Identifier: Apache-2.0
"""deploy/completion/connhealthctl: what bash offers, asked of its function and of bash itself."""

import os
import re
import select
import subprocess
import time

import pytest

from daemon import CTL, ROOT, run_ctl, sanitizer_environment, seconds, unused_port

SCRIPT = ROOT / "deploy/completion/connhealthctl"
# Nobody answers there, unless a test says who.
NOWHERE = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}


def environment():
    return {**sanitizer_environment(), **NOWHERE, "PATH": f"{CTL.parent}:{os.environ['PATH']}"}


def complete(line):
    """What the function offers at the end of the line; nothing may be said."""
    text = ('source "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _connhealthctl; '
            '((${#COMPREPLY[@]} == 0)) || printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "--norc", "-c", text, "bash", SCRIPT, line], env=environment(),
                          capture_output=True, text=True, timeout=seconds(40), check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def address(daemon):
    made = daemon({"groups": [{"name": "one", "interval": "1h", "connect": {}, "static_configs": [
        {"targets": ["127.0.0.1:2001", "127.0.0.1:2002", "[::1]:9", "name.example:80"]}]}]})
    return f"unix:{made.socket}"


def test_commands():
    commands = re.findall(r"^  ([a-z-]+) ", run_ctl("--help").stdout, re.MULTILINE)
    assert {"status", "targets", "show", "watch", "check-config"} <= set(commands)
    assert complete("connhealthctl ") == commands
    assert complete("connhealthctl s") == ["status", "show", "sockets"]
    assert complete("connhealthctl nothing-begins-so") == []


def test_flags_of_each_command():
    assert complete("connhealthctl --v") == ["--version"]
    assert complete("connhealthctl status --") == ["--address", "--check", "--failing", "--json",
                                                   "--timeout"]
    assert complete("connhealthctl targets --na") == ["--names"]
    assert "--expect_hex" in complete("connhealthctl probe a:1 --exp")


def test_targets(address):
    show = f"connhealthctl show --address {address} "
    assert complete(show) == ["127.0.0.1:2001", "127.0.0.1:2002", "[::1]:9", "name.example:80"]
    assert complete(show + "na") == ["name.example:80"]
    # bash replaces what is behind the last colon
    assert complete(show + "127.0.0.1:20") == ["2001", "2002"]
    assert complete(show + "127.0.0.1:") == ["2001", "2002"]
    assert complete(f"connhealthctl watch --address={address} [::") == ["1]:9"]


def test_names():
    assert complete("connhealthctl explain port_c") == ["port_closed"]
    assert "refused" in complete("connhealthctl explain ")


def test_values_are_the_users_own():
    assert complete("connhealthctl show --address ") == []
    assert complete("connhealthctl watch --interval ") == []


def test_nobody_answers_quietly():
    begun = time.monotonic()
    assert complete(f"connhealthctl show --address 127.0.0.1:{unused_port()} ") == []
    assert time.monotonic() - begun < seconds(10)


def test_what_is_offered_is_never_run(tmp_path):
    """A target's name as somebody else's daemon may give it."""
    fake = tmp_path / "connhealthctl"
    fake.write_text("#!/bin/sh\necho '$(touch evil):1'\n")
    fake.chmod(0o755)
    assert complete(f"{fake} show ") == [r"\$\(touch\ evil\):1"]


def test_in_bash_itself(address):
    """The keys of a person, on a terminal."""
    ours, theirs = os.openpty()
    shell = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=theirs, stdout=theirs,
                             stderr=theirs, start_new_session=True,
                             env={**environment(), "PS1": "READY> ", "TERM": "dumb",
                                  "INPUTRC": "/dev/null"})
    os.close(theirs)
    text = ""

    def wait_for(wanted):
        nonlocal text
        deadline = time.monotonic() + seconds(40)
        while wanted not in text:
            ready, _, _ = select.select([ours], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {wanted!r} in {text!r}"
            text += os.read(ours, 4096).decode()

    try:
        wait_for("READY> ")
        os.write(ours, f"source {SCRIPT}; echo sour''ced\n".encode())
        wait_for("sourced")
        os.write(ours, f"connhealthctl show --address={address} [::\t --lines 0\n".encode())
        wait_for("[::1]:9  connect over tcp, group one")
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
