# SPDX-License-Identifier: Apache-2.0
"""slow_clients.py PORT COUNT BYTES...: that many connections to 127.0.0.1 at once, from many addresses.
In turn they send the given beginnings (as hex) and then a byte now and then, never read, and come
back when they are cut off. Prints "open" when all have been open."""

import collections
import errno
import resource
import select
import socket
import sys
import time

ADDRESSES = 240
OPENS_PER_SECOND = 40  # when all have been open: who is cut off comes back no faster
DRIP_SECONDS = 5


class Flood:
    def __init__(self, port, count, beginnings):
        self.port, self.beginnings = port, beginnings
        self.waiting = collections.deque(range(count))  # to be opened
        self.opened = 0
        self.sockets = {}  # by descriptor: (socket, number)
        self.drips = collections.deque()  # (when, descriptor), in order
        self.poll = select.epoll()

    def open(self):
        number = self.waiting.popleft()
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # without a port of its own: ports are per pair of addresses (ip(7), IP_BIND_ADDRESS_NO_PORT)
        one.setsockopt(socket.IPPROTO_IP, 24, 1)
        one.bind((f"127.0.1.{number % ADDRESSES + 1}", 0))
        error = one.connect_ex(("127.0.0.1", self.port))
        if error not in (0, errno.EINPROGRESS):
            one.close()
            self.waiting.append(number)
            return
        self.opened += 1
        self.sockets[one.fileno()] = (one, number)
        self.poll.register(one.fileno(), select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)

    def on_event(self, descriptor, events):
        one, number = self.sockets[descriptor]
        if events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
            self.close(descriptor)
        elif events & select.EPOLLOUT:
            self.poll.modify(descriptor, select.EPOLLRDHUP | select.EPOLLET)
            self.send(descriptor, one, self.beginnings[number % len(self.beginnings)])

    def send(self, descriptor, one, data):
        try:
            one.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.close(descriptor)
            return
        self.drips.append((time.monotonic() + DRIP_SECONDS, descriptor))

    def close(self, descriptor):
        one, number = self.sockets.pop(descriptor)
        one.close()
        self.waiting.append(number)

    def drip(self):
        now = time.monotonic()
        while self.drips and self.drips[0][0] <= now:
            _, descriptor = self.drips.popleft()
            if descriptor in self.sockets:
                self.send(descriptor, self.sockets[descriptor][0], b"x")

    def turn(self, most):
        for _ in range(min(most, len(self.waiting))):
            self.open()
        for descriptor, events in self.poll.poll(0.01, 512):
            if descriptor in self.sockets:
                self.on_event(descriptor, events)
        self.drip()


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    flood = Flood(port, count, [bytes.fromhex(word) for word in sys.argv[3:]])
    while flood.opened < count:
        flood.turn(200)
    print("open", flush=True)
    while True:
        flood.turn(OPENS_PER_SECOND // 20)
        time.sleep(0.05)


main()
