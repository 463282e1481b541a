# SPDX-License-Identifier: Apache-2.0
"""A process that a test started: it ends with the test, whatever happens to the test."""

import os
import pathlib
import select
import signal
import subprocess
import threading
import time


def poll_until(question, seconds, what, every=0.02):
    """Asks until the answer is true, and returns it; the last answer is in the error."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; the last answer was {answer!r}")
        time.sleep(every)


def children_of(pid):
    """All descendants of a process, parents first."""
    found = []
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children_of(int(child))]
    except OSError:
        pass  # it is gone
    return found


def signal_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it ended by itself, as a server's children do


def stands_still(pid):
    """Whether every thread has stopped, or ended: SIGSTOP reaches them one by one. See proc(5)."""
    try:
        return all(task.read_text().rpartition(")")[2].split()[0] in "TtZX"
                   for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"))
    except OSError:
        return False  # a thread has just ended


def holds_descriptors(pid):
    """Not ended, or not yet done with its exit: a zombie has closed all it had."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Process:
    """argv runs with its standard error (and output, if not piped apart) kept line by line."""

    def __init__(self, argv, user=None, prefix=(), environment=None, cwd=None,
                 descriptors=()):
        # setpriv(1) executes argv in its own place: the pid is the program's
        guard = ["setpriv", "--pdeathsig", "KILL"]
        if user is not None:
            guard += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        self.argv = [str(word) for word in argv]
        self.lines = []
        self._changed = threading.Condition()
        self._popen = subprocess.Popen(
            [*prefix, *guard, *self.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            pass_fds=descriptors,
        )
        self.pid = self._popen.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._popen.stdout:
            with self._changed:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_line(self, wanted, seconds=40, start=0):
        """The first line, from index start on, for which wanted(line) is true."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for line in self.lines[start:]:
                    if wanted(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"no such line within {seconds} s in:\n{self.text}")

    def running(self):
        return self._popen.poll() is None

    def ended(self, seconds):
        """Waits for the end; whether it came."""
        return bool(select.select([self._pidfd], [], [], seconds)[0])

    def status(self, seconds=40):
        """Waits for the end and returns the exit status, negative for a signal."""
        assert self.ended(seconds), f"{self.argv[0]} still runs after {seconds} s"
        status = self._popen.wait()
        self._reader.join(10)
        return status

    def signal(self, number):
        signal.pidfd_send_signal(self._pidfd, number)

    def freeze(self):
        """Stops the process and all its descendants: none of them does anything any more."""
        frozen = set()
        while not frozen.issuperset(tree := [self.pid, *children_of(self.pid)]):
            signal_all(tree, signal.SIGSTOP)
            frozen.update(tree)
            poll_until(lambda: all(map(stands_still, frozen)), 30, "they stand still", every=0.001)

    def thaw(self):
        signal_all([self.pid, *children_of(self.pid)], signal.SIGCONT)

    def kill(self, forks=True):
        """SIGKILL to the tree. The process itself goes first, and with it what it listens on:
        whoever notices that a child's connection broke finds the port closed. One that never forks
        is not frozen before: a request that came then would stay unread, and make the end a reset."""
        if forks:
            self.freeze()
        orphans = children_of(self.pid)
        self.signal(signal.SIGKILL)
        self._popen.wait()
        signal_all(orphans, signal.SIGKILL)
        poll_until(lambda: not any(map(holds_descriptors, orphans)), 30, "the tree is gone")

    def close(self):
        """Ends it by force if it still runs. May be called again."""
        if self._popen is None:
            return
        if self.running():
            self.kill()
        self._reader.join(10)
        self._popen.stdout.close()
        os.close(self._pidfd)
        self._popen = None

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self):
        pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
