# SPDX-License-Identifier: Apache-2.0
"""connhealthd as a collector of sockets, that sweeps when it is told to."""

import collections
import signal
import socket
import time

from daemon import Daemon

SO_RCVBUFFORCE = 33  # socket(7)


def needs_of_root():
    """What even root lacks here: in a user namespace no buffer may be forced (socket(7))."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as one:
        try:
            one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        except PermissionError:
            return ["event_buffer"]
    return []


class Collector(Daemon):
    def __init__(self, directory, namespace, interval="1h", web=None, arguments=(), prefix=(),
                 listen=None, environment=None, descriptors=(), **sockets):
        super().__init__(
            directory,
            {"sockets": {"interval": interval, **sockets}, **({"web": web} if web else {})},
            prefix=[*namespace.prefix, *prefix],
            arguments=arguments,
            listen=listen,
            environment=environment,
            descriptors=descriptors,
        )

    def start(self, wait=True):
        super().start(wait)
        if wait:
            self.wait(lambda: self.seen()["time"], 60, "the first sweep")
        return self

    def seen(self):
        """The last sweep."""
        return self.json("/api/v1/sockets")

    def sweep(self):
        """A sweep that began after the call: a reload is followed by one."""
        now = time.time()
        self.process.signal(signal.SIGHUP)

        def fresh():
            seen = self.seen()
            # the daemon prints milliseconds
            return seen if seen["time"] and seen["time"] >= now - 0.001 else None

        return self.wait(fresh, 60, "a sweep after the reload")

    def missing(self):
        """What it says that it cannot see, by name."""
        return [one["what"] for one in self.json("/api/v1/status")["sockets"]["missing"]]

    def wait_for(self, question, limit=60, what="the sweeps show it"):
        """Sweeps until question(sweep) is true, and returns its answer."""
        return self.wait(lambda: question(self.sweep()), limit, what)


def states_of(sweep, protocol="tcp"):
    """{(family, state): count}"""
    return {
        (entry["family"], state): count
        for entry in sweep["sockets"]
        if entry["protocol"] == protocol
        for state, count in entry["states"].items()
    }


def ends_of(sweep):
    total = collections.Counter()
    for unit in sweep["units"]:
        total.update(unit["ends"])
    return dict(total)


def unit_of(sweep, name=""):
    return next((unit for unit in sweep["units"] if unit["unit"] == name), None)


def listener_of(sweep, port):
    return next((one for one in sweep["listeners"] if one["port"] == port), None)


def trouble_of(owner, kind):
    """{"sockets": …, "worst": …}; None if there is none of it."""
    return next((one for one in owner["troubles"] if one["trouble"] == kind), None)
