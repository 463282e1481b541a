# SPDX-License-Identifier: Apache-2.0
"""A network namespace with nothing but loopback, and the sockets that tests make in it."""

import contextlib
import itertools
import os
import socket
import struct
import subprocess

import linux

LINGER_RESET = struct.pack("ii", 1, 0)
TCP_USER_TIMEOUT = 18


class Pair:
    """A connection with both ends in the namespace, and the listener that made it."""

    def __init__(self, listener, client, server):
        self.listener = listener
        self.client = client
        self.server = server
        self.port = listener.getsockname()[1]
        self.client_port = client.getsockname()[1]

    def close(self):
        for one in (self.client, self.server, self.listener):
            one.close()


class Namespace:
    """Sockets made by socket() and its friends end with it."""

    def __init__(self):
        self._sockets = []
        self._ports = itertools.count(20000)
        self._tables = itertools.count()
        with open("/proc/thread-self/ns/net", "rb") as own:
            linux.unshare(linux.CLONE_NEWNET)
            try:
                self._file = open("/proc/thread-self/ns/net", "rb")  # keeps it alive
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            finally:
                linux.setns(own.fileno())
        self.path = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._sockets:
            one.close()
        self._file.close()

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the namespace."""
        with open("/proc/thread-self/ns/net", "rb") as own:
            linux.setns(self._file.fileno())
            try:
                yield
            finally:
                linux.setns(own.fileno())

    @property
    def prefix(self):
        """A command that runs its arguments in the namespace, and in its own place."""
        return ["nsenter", f"--net={self.path}"]

    def run(self, *argv, **options):
        with self.entered():
            return subprocess.run(argv, check=True, capture_output=True, text=True, **options)

    # --- sockets

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            made = socket.socket(family, kind, protocol)
        self._sockets.append(made)
        made.settimeout(60)
        return made

    def listen(self, address="127.0.0.1", backlog=128, family=None, port=None):
        made = self.socket(family or (socket.AF_INET6 if ":" in address else socket.AF_INET))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # not a port that the kernel would give to a client
        made.bind((address, port or next(self._ports)))
        made.listen(backlog)
        return made

    def connect(self, address, wait=True):
        made = self.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if wait:
            made.connect(address)
            return made
        made.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            made.connect(address)
        return made

    def accept(self, listener):
        made, _ = listener.accept()
        self._sockets.append(made)
        made.settimeout(60)
        return made

    def pair(self, address="127.0.0.1", listener=None):
        listener = listener or self.listen(address)
        client = self.connect((address, listener.getsockname()[1]))
        return Pair(listener, client, self.accept(listener))

    # --- faults

    @contextlib.contextmanager
    def rules(self, *rules, hook="input"):
        """nft rules in force, such as "tcp dport 80 drop"."""
        table = f"test{next(self._tables)}"
        lines = "\n".join(rules)
        self.run("nft", "-f", "-", input=f"table inet {table} {{\nchain only {{\n"
                 f"type filter hook {hook} priority 0;\n{lines}\n}}\n}}\n")
        try:
            yield
        finally:
            self.run("nft", "delete", "table", "inet", table)

    def silence(self, port):
        """Nothing comes through to or from this port."""
        return self.rules(f"tcp dport {port} drop", f"tcp sport {port} drop")

    def half_made(self, port):
        """The last acknowledgement of a new connection is lost, so that it stays half made."""
        return self.rules(f"tcp dport {port} tcp flags & (syn | ack) == ack drop")

    # --- other people's view

    def ss(self):
        """{(family, state): count} of TCP by ss(8), dual-stack sockets by their addresses."""
        found = {}
        for line in self.run("ss", "-Htan").stdout.splitlines():
            state, _, _, local, _ = line.split()[:5]
            family = "ipv6" if local.startswith("[") and "::ffff:" not in local else "ipv4"
            if local.startswith("*:"):  # ss writes a dual-stack wildcard so
                family = "ipv6"
            found[family, state] = found.get((family, state), 0) + 1
        return found


def reset_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
