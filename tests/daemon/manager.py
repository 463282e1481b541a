# SPDX-License-Identifier: Apache-2.0
"""As much of a service manager as a daemon talks to: its notification socket (sd_notify(3)) and its
store of file descriptors, which are passed to the next process (sd_listen_fds(3))."""

import array
import os
import pathlib
import shutil
import socket
import tempfile
import threading

# Becomes its arguments with the descriptors of the first as 3, 4, …, named by the second.
PASS = """
import os, sys
given = [int(word) for word in sys.argv[1].split(",") if word]
for index, one in enumerate(given):
    os.dup2(one, 100 + index)
for index in range(len(given)):
    os.dup2(100 + index, 3 + index)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=sys.argv[2])
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Manager:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="connhealth-manager-"))
        self.address = str(self.directory / "notify")
        self.messages = []
        self.store = []  # (name, descriptor)
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.sendto(b"END", self.address)
        self._thread.join(10)
        self._socket.close()
        self.drop("counters")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _serve(self):
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(64))
            if data == b"END":
                return
            descriptors = array.array("i")
            for level, kind, payload in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
            self._take(dict(line.split("=", 1) for line in data.decode().splitlines()), descriptors)

    def _take(self, message, descriptors):
        name = message.get("FDNAME", "stored")
        stored = message.get("FDSTORE") == "1"
        with self._changed:
            if message.get("FDSTOREREMOVE") == "1":
                self.drop(name)
            if stored:
                self.store += [(name, one) for one in descriptors]
            self.messages.append(message)
            self._changed.notify_all()
        for one in [] if stored else descriptors:
            os.close(one)  # BARRIER=1: closing it is the answer, and so comes last

    def drop(self, name):
        for one in [one for one in self.store if one[0] == name]:
            os.close(one[1])
            self.store.remove(one)

    def wait_message(self, wanted, seconds, start=0):
        """The first message, from index start on, for which wanted(message) is true."""
        with self._changed:
            found = lambda: next(filter(wanted, self.messages[start:]), None)
            assert self._changed.wait_for(found, seconds), self.messages[-20:]
            return found()

    def options(self):
        """For Daemon: how a process is started under this manager, with what is stored now."""
        numbers = ",".join(str(one) for _, one in self.store)
        names = ":".join(name for name, _ in self.store)
        return {
            "environment": {"NOTIFY_SOCKET": self.address},
            "prefix": ["/usr/bin/python3", "-c", PASS, numbers, names] if self.store else [],
            "descriptors": [one for _, one in self.store],
        }

    def text(self, name="counters"):
        """What the one stored descriptor of that name holds."""
        (one,) = [one for other, one in self.store if other == name]
        return os.pread(one, os.fstat(one).st_size, 0).decode()

    def replace(self, data, name="counters"):
        self.drop(name)
        one = os.memfd_create("test")
        os.write(one, data)
        self.store.append((name, one))
