# SPDX-License-Identifier: Apache-2.0
"""Flags, exit statuses and the format of errors."""

import re

import pytest

from daemon import ROOT, run_ctl, run_daemon, unused_port

FLAGS = """--config.file --config.check --web.listen-address --web.systemd-socket --web.config.file
--web.enable-lifecycle
--log.level --log.format --version --help""".split()

GOOD = """\
groups:
  - name: redis
    connect: {}
    heartbeat: {send: "PING\\r\\n", expect: "^\\\\+PONG", interval: 1s, timeout: 1s}
    static_configs:
      - targets: ["127.0.0.1:6379", "127.0.0.2:6379"]
"""

# a wrong line, and what is said of it
BAD = """\
global:
  interval: 5s
  timeout: 10s
groups:
  - name: one
    connect: {}
    frequency: 3s
    static_configs:
      - targets: ["127.0.0.1"]
        labels: {group: mine}
  - name: one
    heartbeat:
      interval: "5x"
      expect: "("
  - name: three
"""
BAD_KEYS = [
    ("3", r"global\.timeout"),
    ("7", r"groups\[0\]\.frequency"),
    ("9", r"groups\[0\]\.static_configs\[0\]\.targets\[0\]"),
    ("10", r"groups\[0\]\.static_configs\[0\]\.labels\.group"),
    ("11", r"groups\[1\]\.name"),
    ("13", r"groups\[1\]\.heartbeat\.interval"),
    ("14", r"groups\[1\]\.heartbeat\.expect"),
    (r"\d+", r"groups\[2\]"),
]


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "connhealthd.yml"
        path.write_text(text)
        return path

    return write


def one_line(text):
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


def test_help_names_every_flag():
    result = run_daemon("--help")
    assert result.status == 0 and result.stderr == ""
    for flag in FLAGS:
        assert flag in result.stdout


def test_version():
    result = run_daemon("--version")
    assert result.status == 0
    assert re.match(r"connhealthd.* \d+\.\d+\.\d+", result.stdout)


@pytest.mark.parametrize("arguments,named", [
    (["--no-such-flag"], "--no-such-flag"),
    (["--config.filex=a"], "--config.filex"),
    (["stray"], "stray"),
    (["--config.file"], "--config.file"),
    (["--log.level=loud"], "loud"),
    (["--log.format=xml"], "xml"),
    (["--config.file=/nonexistent/connhealthd.yml"], "/nonexistent/connhealthd.yml"),
    (["--config.check", "--config.file=/nonexistent/connhealthd.yml"], "/nonexistent"),
])
def test_unusable_arguments(arguments, named):
    result = run_daemon(*arguments)
    assert result.status == 2
    assert named in one_line(result.stderr)
    assert result.stdout == ""


def test_an_unusable_address_to_listen_on(file):
    result = run_daemon(f"--config.file={file(GOOD)}", "--web.listen-address=nonsense")
    assert result.status == 2
    assert "nonsense" in result.stderr


@pytest.mark.parametrize("form", ["--config.file={}", "--config.file {}"])
def test_check_says_ok_with_counts(file, form):
    result = run_daemon("--config.check", *form.format(file(GOOD)).split())
    assert result.status == 0
    assert one_line(result.stdout).startswith("OK")
    assert re.search(r"\b1 groups?\b", result.stdout)
    assert re.search(r"\b2 (static )?targets\b", result.stdout)


@pytest.mark.parametrize("program", [
    pytest.param(lambda path: run_daemon("--config.check", f"--config.file={path}"), id="connhealthd"),
    pytest.param(lambda path: run_ctl("check-config", path), id="connhealthctl"),
])
def test_every_error_with_its_place_in_one_run(file, program):
    path = file(BAD)
    result = program(path)
    assert result.status == 2
    lines = result.stderr.splitlines()
    for line, key in BAD_KEYS:
        wanted = re.compile(rf"{re.escape(str(path))}:{line}:\d+: {key}: \S")
        assert any(wanted.match(text) for text in lines), f"{key} is not in:\n{result.stderr}"
    assert len(lines) == len(BAD_KEYS), result.stderr


def test_the_form_of_an_error(file):
    path = file('groups:\n  - name: a\n    heartbeat:\n      interval: "5x"\n')
    result = run_daemon("--config.check", f"--config.file={path}")
    assert one_line(result.stderr) == (
        f'{path}:4:7: groups[0].heartbeat.interval: "5x" is not a duration '
        "(examples: 500ms, 10s, 1m30s)"
    )


def test_start_with_a_bad_file_is_refused(file):
    result = run_daemon(f"--config.file={file(BAD)}")
    assert result.status == 2
    assert "groups[1].heartbeat.interval" in result.stderr


def test_a_port_in_use_is_a_failure_of_one_line(daemon, file):
    port = unused_port()
    daemon("groups: []\n", listen=f"127.0.0.1:{port}")
    result = run_daemon(f"--config.file={file(GOOD)}", f"--web.listen-address=127.0.0.1:{port}")
    assert result.status == 1
    assert str(port) in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("example", ["deploy/quickstart.yml"])
def test_shipped_configurations_are_valid(example):
    result = run_ctl("check-config", ROOT / example)
    assert (result.status, result.stderr) == (0, "")


def test_explain_knows_every_category(daemon):
    categories = daemon("groups: []\n").json("/api/v1/categories")
    names = [row["category"] for row in categories["categories"]]
    assert len(names) == len(set(names)) == 14
    for name in names:
        result = run_ctl("explain", name)
        assert result.status == 0 and name in result.stdout
    listing = run_ctl("explain")
    assert all(name in listing.stdout for name in names)
    assert run_ctl("explain", "no-such-category").status == 2
