# SPDX-License-Identifier: Apache-2.0
"""connhealthd inside the client's namespaces, and what it has found so far."""

import collections
import os
import pathlib
import select
import signal
import threading
import time

from daemon import Daemon

Verdict = collections.namedtuple("Verdict", "phase category wire cause certain")


def verdict_of(event):
    return Verdict(*(event.get(field) for field in Verdict._fields))


class InsideProcess:
    """What daemon.Daemon wants of a process, for one that the keeper started."""

    def __init__(self, namespace, argv, environment, log):
        self._log = open(log, "ab+")
        self.task = namespace.execute([str(word) for word in argv], self._log, self._log,
                                      environment)

    @property
    def text(self):
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    @property
    def lines(self):
        return self.text.splitlines()

    def running(self):
        return self.task.alive()

    def status(self, seconds=10):
        return self.task.wait(seconds)

    def signal(self, number):
        self.task.kill(number)

    def close(self):
        self.task.close()
        self._log.close()


class InsideDaemon(Daemon):
    """connhealthd in the client's network, with /etc/resolv.conf of its own there."""

    def __init__(self, net, directory, configuration, namespace=None, **options):
        self.net = net
        self.namespace = namespace or net.client
        super().__init__(directory, configuration, **options)

    def start(self, wait=True):
        from daemon import DAEMON
        if self.process is not None:
            self.past_processes.append(self.process)
        number = len(self.past_processes)
        self.process = InsideProcess(self.namespace, [DAEMON, *self.arguments], self.environment,
                                     self.directory / f"log{number}")
        if wait:
            self.wait_ready()
        return self

    def get(self, *arguments, timeout=60, **options):
        """How soon it answers is not what is tested here, and a test may let it stand still."""
        return super().get(*arguments, timeout=timeout, **options)

    def limit_descriptors(self, number):
        self.namespace.ask("limit", pid=self.process.task.pid, descriptors=number)


class Findings:
    """Reads what the daemon records, on a thread of its own, and lets tests wait for it."""

    def __init__(self, daemon, period=0.15):
        self.daemon = daemon
        self.period = period
        self._changed = threading.Condition()
        self._events = {}  # (group, target, probe): {number: event}
        self._targets = {}
        self._last = 0  # number of an event
        self._stop = threading.Event()
        self.error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join(90)
        if self.error:
            raise self.error

    def _run(self):
        while not self._stop.wait(self.period):
            try:
                events = self._new_events()
                targets = self.daemon.targets()
            except Exception as error:  # told to whoever waits
                if not self._stop.is_set():
                    self.error = error
                with self._changed:
                    self._changed.notify_all()
                return
            with self._changed:
                for event in events:
                    key = (event["group"], event["target"], event["probe"])
                    self._events.setdefault(key, {})[event["number"]] = event
                self._targets = {(t["group"], t["target"], t["probe"]): t for t in targets}
                self._changed.notify_all()

    def _new_events(self):
        """Those since the last look: they are numbered, and the newest come first."""
        limit = 16
        while True:
            events = self.daemon.json("/api/v1/events", limit=limit)["events"]
            if len(events) < limit or events[-1]["number"] <= self._last or limit >= 1024:
                break
            limit *= 4
        new = [event for event in events if event["number"] > self._last]
        self._last = max((event["number"] for event in new), default=self._last)
        return new

    def wait(self, question, seconds, what):
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                answer = question()
                if answer:
                    return answer
                if self.error:
                    raise AssertionError(f"the daemon does not answer: {self.error!r}")
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    if deadline <= time.monotonic():
                        raise AssertionError(f"not within {seconds} s: {what()}")

    # -- called with or without the lock: reading a dict is atomic

    def target(self, key):
        return self._targets.get(key)

    def failures(self, key, since=0):
        """Failed attempts, oldest first."""
        return [event for _, event in sorted(self._events.get(key, {}).items())
                if event["success"] is False and event["time"] >= since]

    def all_failures(self):
        return {key: failures for key in list(self._events) if (failures := self.failures(key))}

    def told_verdicts(self, key, since=0):
        """The verdicts in their order, repeats in a row once."""
        told = []
        for event in self.failures(key, since):
            if not told or told[-1] != verdict_of(event):
                told.append(verdict_of(event))
        return told
