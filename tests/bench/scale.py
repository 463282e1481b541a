# SPDX-License-Identifier: Apache-2.0
"""The whole daemon with very many targets, while it is being scraped."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

INTERVAL_SECONDS = 10
SCRAPE_SECONDS = 5
FREE_BYTES = 20 * 1024 * 1024  # what a daemon without targets may take
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

LAG = re.compile(rb'connhealth_loop_lag_seconds_(bucket\{le="([^"]+)"\}|count) ([0-9]+)\n')


class Failed(Exception):
    """With one line that says what went wrong."""


def addresses(count, port):
    """127.0.0.1 on: every address of 127/8 is local (RFC 1122, 3.2.1.3)."""
    return [f"127.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}:{port}" for i in range(1, count + 1)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """connhealthd on a configuration of so many connect targets."""

    def __init__(self, program, targets, directory, sockets="{enabled: false}"):
        self.port = free_port()
        directory = pathlib.Path(directory)
        (directory / "targets.json").write_text(json.dumps([{"targets": targets}]))
        (directory / "connhealthd.yml").write_text(
            "groups:\n"
            "  - name: scale\n"
            f"    interval: {INTERVAL_SECONDS}s\n"
            "    connect: {}\n"
            "    file_sd_configs: [{files: [targets.json]}]\n"
            f"sockets: {sockets}\n")
        self.log = open(directory / "log", "w+")
        self.process = subprocess.Popen(
            [program, f"--config.file={directory}/connhealthd.yml",
             f"--web.listen-address=127.0.0.1:{self.port}"], stderr=self.log)

    def __enter__(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.log.seek(0)
                raise Failed("connhealthd ended: " + self.log.read().strip()[-300:])
            try:
                if self.get("/-/ready", lambda _: None) == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise Failed("connhealthd did not get ready in 60 s")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def get(self, path, take):
        """Gives the body to take, piece by piece; returns the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            buffer = memoryview(bytearray(1 << 20))
            while length := answer.readinto(buffer):
                take(bytes(buffer[:length]))
            return answer.status
        finally:
            connection.close()

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class Scrape:
    """One GET /metrics: its size, its time, and the lag of the loop in it."""

    def __init__(self, daemon):
        self.lag, self.bytes, self.tail = {}, 0, b""
        begin = time.monotonic()
        if daemon.get("/metrics", self.take) != 200:
            raise Failed("/metrics did not answer 200")
        self.seconds = time.monotonic() - begin
        if "count" not in self.lag:
            raise Failed("/metrics has no connhealth_loop_lag_seconds")

    def take(self, piece):
        self.bytes += len(piece)
        text = self.tail + piece
        if b"connhealth_loop_lag_seconds_" in text:
            for match in LAG.finditer(text):
                self.lag[match[2].decode() if match[2] else "count"] = int(match[3])
        self.tail = text[-128:]


class Watch(threading.Thread):
    """The most memory that was resident while it watched."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.watched, self.most, self.over = daemon, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, self.watched.resident_bytes())

    def end(self):
        self.over.set()
        self.join()
        return self.most


def failing(daemon):
    pieces = []
    daemon.get("/api/v1/targets?failing=true", pieces.append)
    return len(json.loads(b"".join(pieces))["targets"])


def measure(program, port, targets, seconds):
    """A dictionary of what was seen in so many seconds after the warm-up."""
    with tempfile.TemporaryDirectory() as directory, \
            Daemon(program, addresses(targets, port), directory) as daemon:
        time.sleep(2 * INTERVAL_SECONDS)
        watch = Watch(daemon)
        watch.start()
        scrapes = [Scrape(daemon)]
        begin, cpu = time.monotonic(), daemon.cpu_seconds()
        while time.monotonic() - begin < seconds:
            next_at = begin + len(scrapes) * SCRAPE_SECONDS
            time.sleep(max(0.0, next_at - time.monotonic()))
            scrapes.append(Scrape(daemon))
        elapsed, cpu = time.monotonic() - begin, daemon.cpu_seconds() - cpu
        resident = watch.end()
        bad = failing(daemon)
    served = scrapes[-1].lag["count"] - scrapes[0].lag["count"]
    in_time = scrapes[-1].lag["0.01"] - scrapes[0].lag["0.01"]
    if bad:
        raise Failed(f"{bad} of {targets} targets failed")
    if served < targets * elapsed / INTERVAL_SECONDS * 0.98:
        raise Failed(f"only {served} deadlines were served in {elapsed:.0f} s")
    return {"in_time": in_time / served,
            "bytes_per_target": (resident - FREE_BYTES) / targets,
            "processors": cpu / elapsed,
            "scrape_bytes": scrapes[-1].bytes,
            "scrape_seconds": sorted(scrape.seconds for scrape in scrapes)[len(scrapes) // 2]}
