# SPDX-License-Identifier: Apache-2.0
"""Targets on loopback that fail, each in its own way."""

import contextlib
import socket
import threading

from daemon import unused_port

# Markup, scripts, ends of everything, and text that runs the other way.
HOSTILE = [
    "<script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "\"'><svg/onload=window.hacked=1>",
    "]]></textarea></style></title><!--",
    "</td></tr></table><h1>owned</h1>",
    "${window.hacked=1}{{window.hacked=1}}",
    "&lt;b&gt;&amp;#39;&#60;i&#62;",
    "\u202egnp.exe\u2066 \u200b\u00ad\ufeff",
    "x" * 150,
]


class Server:
    """Listens, and does to each connection what serve(connection) does."""

    def __init__(self, serve, port=None, address="127.0.0.1", backlog=64):
        self._serve = serve
        self._held = set()
        self._listener = socket.create_server((address, port or unused_port()), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        self.address = f"{address}:{self.port}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._held.add(connection)
            threading.Thread(target=self._one, args=[connection], daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError):
            self._serve(connection)
        connection.close()
        self._held.discard(connection)

    def close(self):
        # shutdown() wakes the accept of the thread, which close() alone does not
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        for connection in list(self._held):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def answering(reply):
    """Each request is answered with these bytes."""

    def serve(connection):
        while connection.recv(65536):
            connection.sendall(reply)

    return serve


def hung(connection):
    """Reads, and never answers."""
    while connection.recv(65536):
        pass


def ending(connection):
    """Takes the request, and closes."""
    connection.recv(65536)
    connection.close()


def resetting(connection):
    """Takes the request, and resets."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def group(name, targets, interval="1s", labels=None, **probes):
    return {
        "name": name, "interval": interval, "timeout": interval, **(probes or {"connect": {}}),
        "static_configs": [{"targets": targets, **({"labels": labels} if labels else {})}],
    }


def closed(count, port=1, network=100):
    """Addresses of loopback where nothing listens."""
    return [f"127.{network}.{i >> 8 & 255}.{i & 255}:{port}" for i in range(count)]
