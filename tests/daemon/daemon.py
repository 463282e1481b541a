# SPDX-License-Identifier: Apache-2.0
"""connhealthd as a test sees it: started from CH_BUILD with a configuration, asked over HTTP on a
unix socket of its own, ended and looked over. And connhealthctl, run once."""

import collections
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time
import urllib.parse

import yaml

from process import Process, poll_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release")).absolute()
DAEMON = BUILD / "daemon/connhealthd"
CTL = BUILD / "daemon/connhealthctl"


def _sanitizers():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^CH_SANITIZE:\w+=(.*)$", cache, re.MULTILINE).group(1)


# How much slower than the release build everything may be. Intervals and
# deadlines of the tests grow with it, so that no verdict depends on the build.
SLOW = {"": 1, "thread": 6}.get(_sanitizers(), 3)

REPORT = re.compile(
    r"(ERROR|WARNING): (Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:"
)


def ms(milliseconds):
    """A duration of the configuration, stretched for slow builds."""
    return f"{round(milliseconds * SLOW)}ms"


# An interval, and the time limit that goes with it, for tests in which a server may never miss one:
# a machine that is busy, or was stopped for a moment, keeps it waiting for longer than a few tenths.
CALM = f"{round(max(1500, 300 * SLOW))}ms"


def seconds(limit):
    """A time limit of a test, stretched for slow builds."""
    return limit * SLOW


_ports_given = set()


def unused_port(kind=socket.SOCK_STREAM):
    """A port outside the range that the kernel gives to clients, so that no probe takes it, and never
    the same again: one test's closed port is not another server's."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            port = random.randrange(12000, 30000)
            if port in _ports_given:
                continue
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _ports_given.add(port)
            return port


def sanitizer_environment():
    options = {
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=86",
        "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=86",
        "TSAN_OPTIONS": "exitcode=86",
        "LSAN_OPTIONS": "exitcode=86",
    }
    return {**os.environ, **options}


Answer = collections.namedtuple("Answer", "status headers body")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    """One connhealthd. configuration is YAML text or a tree that becomes it.

    listen: besides the unix socket, HOST:PORT to serve HTTP on.
    prefix: a command that runs its arguments in its own place (ip netns exec NAME).
    """

    def __init__(self, directory, configuration, arguments=(), listen=None, prefix=(),
                 environment=None, log_format="json", log_level="info", descriptors=()):
        self.directory = pathlib.Path(directory)
        self.config_file = self.directory / "connhealthd.yml"
        self.configure(configuration)
        # the path of a unix socket has room for 107 bytes (unix(7)); pytest's are long
        self._socket_directory = tempfile.mkdtemp(prefix="connhealth-")
        self.socket = f"{self._socket_directory}/http"
        self.arguments = [
            f"--config.file={self.config_file}",
            f"--web.listen-address=unix:{self.socket}",
            *([f"--web.listen-address={listen}"] if listen else []),
            f"--log.format={log_format}",
            f"--log.level={log_level}",
            *arguments,
        ]
        self.prefix = prefix
        self.descriptors = descriptors
        self.environment = {
            **sanitizer_environment(),
            "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent",  # the machine's is not ours
            **(environment or {}),
        }
        self.process = None
        self.past_processes = []

    # --- life

    def configure(self, configuration):
        """Writes the configuration as an editor does: whole, by rename."""
        if not isinstance(configuration, str):
            configuration = yaml.safe_dump(configuration, sort_keys=False)
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(configuration)
        fresh.rename(self.config_file)

    def start(self, wait=True):
        if self.process is not None:
            self.past_processes.append(self.process)
        self.process = Process(
            [DAEMON, *self.arguments],
            prefix=self.prefix,
            environment=self.environment,
            descriptors=self.descriptors,
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, limit=40):
        poll_until(self.ready, seconds(limit), "connhealthd is ready")

    def ready(self):
        assert self.process.running(), f"connhealthd ended:\n{self.log_text}"
        try:
            return self.get("/-/ready").status == 200
        except OSError:
            return False

    def stop(self, limit=30):
        """SIGTERM; the exit status must be 0. Returns how long it took."""
        begun = time.monotonic()
        self.process.signal(signal.SIGTERM)
        status = self.process.status(seconds(limit))
        took = time.monotonic() - begun
        assert status == 0, f"exit status {status} on SIGTERM:\n{self.log_text}"
        self.check_sanitizers()
        return took

    def kill(self):
        self.process.signal(signal.SIGKILL)
        assert self.process.status() == -signal.SIGKILL

    def check_sanitizers(self):
        found = REPORT.search(self.log_text)
        assert not found, self.log_text[found.start():][:8000]

    def close(self):
        """Ends what runs, if anything: cleanly, or the test fails."""
        try:
            if self.process is not None and self.process.running():
                self.stop()
            self.check_sanitizers()
        finally:
            for process in [*self.past_processes, self.process]:
                if process is not None:
                    process.close()
            shutil.rmtree(self._socket_directory, ignore_errors=True)

    # --- its log

    @property
    def log_text(self):
        processes = [*self.past_processes, self.process]
        return "\n".join(p.text for p in processes if p is not None)

    def log(self):
        """The lines of the log as objects (log_format="json")."""
        return [json.loads(line) for line in self.process.lines if line.startswith("{")]

    # --- HTTP

    def get(self, path, headers=None, method="GET", body=None, timeout=None):
        connection = _UnixConnection(self.socket, timeout or seconds(30))
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except http.client.HTTPException as error:
            raise OSError(f"HTTP: {error!r}") from error
        finally:
            connection.close()

    def json(self, path, **query):
        wanted = {name: value for name, value in query.items() if value is not None}
        answer = self.get(path + ("?" + urllib.parse.urlencode(wanted) if wanted else ""))
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def metrics(self):
        """The strictly parsed text of /metrics."""
        import exposition  # pylint: disable=import-outside-toplevel

        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return exposition.parse(answer.body.decode())

    def samples(self, name, **labels):
        """{labels as a frozenset of pairs: value} of every sample called name with these labels."""
        return {
            frozenset(sample.labels.items()): sample.value
            for sample in samples_of(self.metrics())
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    def value(self, name, **labels):
        """The one sample's value; None if there is none."""
        found = self.samples(name, **labels)
        assert len(found) <= 1, f"{name}{labels} is not one sample: {found}"
        return next(iter(found.values()), None)

    # --- targets

    def targets(self, **query):
        return self.json("/api/v1/targets", **query)["targets"]

    def target(self, probe, group=None, target=None):
        found = [t for t in self.targets(group=group, target=target) if t["probe"] == probe]
        assert len(found) == 1, found
        return found[0]

    def events(self, **query):
        """Oldest first."""
        return self.json("/api/v1/events", **query)["events"][::-1]

    def wait(self, question, limit=40, what="the question is answered"):
        return poll_until(question, seconds(limit), what)

    def wait_success(self, probe, group=None, target=None, limit=40):
        """Waits for one more successful attempt from now on."""
        before = self.target(probe, group, target)
        target = before["target"]
        group = before["group"]

        def succeeded():
            now = self.target(probe, group, target)
            more = now["attempts"] > before["attempts"] or not before["success"]
            return now if now["success"] and more else None

        return self.wait(succeeded, limit, f"{group} {target} {probe} succeeds")

    def wait_failure(self, probe, group=None, target=None, limit=40, **expected):
        """Waits until the last attempt failed with these fields in `last`; returns `last`."""

        def failed():
            now = self.target(probe, group, target)
            last = now["last"] or {}
            if not now["success"] and expected.items() <= last.items():
                return last
            return None

        try:
            return self.wait(failed, limit, f"{probe} fails with {expected}")
        except AssertionError as error:
            raise AssertionError(f"{error}; now {self.target(probe, group, target)}") from None

    def reload(self, limit=40):
        """SIGHUP, and waits until it was carried out; whether the new file was good."""
        name = "connhealth_config_last_reload"
        mark = len(self.process.lines)
        before = self.value(f"{name}_success_timestamp_seconds")
        self.process.signal(signal.SIGHUP)

        def done():
            if self.value(f"{name}_success_timestamp_seconds") != before:
                return "good"
            # the last that is said of it, after the metric; of one before it was read before the mark
            failed = any("reload failed" in line for line in self.process.lines[mark:])
            return "bad" if failed and self.value(f"{name}_successful") == 0 else None

        return self.wait(done, limit, "the reload is carried out") == "good"


def samples_of(parsed):
    """The samples of what exposition.parse() returned, whatever family they are in."""
    for family in parsed.values() if isinstance(parsed, dict) else parsed:
        yield from family.samples


def run_daemon(*arguments, limit=40):
    """connhealthd run to its end: (status, stdout, stderr)."""
    return _run(DAEMON, arguments, limit)


def run_ctl(*arguments, limit=40, environment=None, prefix=()):
    """connhealthctl run to its end: (status, stdout, stderr)."""
    return _run(CTL, arguments, limit, environment, prefix)


def run_ctl_on_terminal(*arguments, columns=80, environment=None):
    """What connhealthctl writes to a terminal of that width."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (50, columns))
    environment = {**sanitizer_environment(), "TERM": "xterm", **(environment or {})}
    with open(ours, "rb", buffering=0) as reader:
        with subprocess.Popen([CTL, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=theirs,
                              env=environment):
            os.close(theirs)
            text = b""
            while True:
                try:
                    piece = reader.read(4096)
                except OSError:  # EIO: the other end is closed, see pty(7)
                    break
                if not piece:
                    break
                text += piece
    return text.decode()


Result = collections.namedtuple("Result", "status stdout stderr")


def _run(program, arguments, limit, environment=None, prefix=()):
    done = subprocess.run(
        [*prefix, program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds(limit),
        env={**sanitizer_environment(), **(environment or {})},
        check=False,
    )
    assert not REPORT.search(done.stderr), done.stderr
    return Result(done.returncode, done.stdout, done.stderr)
