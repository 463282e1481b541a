# SPDX-License-Identifier: Apache-2.0
"""Servers that go wrong in every way a server can, on command.

Each runs in a process of its own inside a namespace (net.Namespace.spawn) and
listens to its channel: a line is ["command", {arguments}], and each is answered
by a report of the same name when it is done, with the time (CLOCK_REALTIME) just
before it struck.
"""

import contextlib
import errno
import fcntl
import json
import os
import resource
import select
import selectors
import signal
import socket
import struct
import time

import linux

FRAME = struct.Struct(">4sB3xQqqq16s16s")  # connhealth/frame.h
REQUEST, REPLY, GOODBYE = 1, 2, 3
DELAYED_ACK = 0.25  # the kernel's is at most 0.2 s (net/tcp.h, TCP_DELACK_MAX), mostly 0.04 s
LINGER_RESET = struct.pack("ii", 1, 0)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def freebind(sock):
    """Bind addresses that are only routed here."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, linux.IPV6_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, linux.IP_FREEBIND, 1)


class Channel:
    """A worker's end: commands in, reports out."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def report(self, event, **details):
        # the test may have left: then there is nobody to tell
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(json.dumps([event, details]).encode() + b"\n")

    def commands(self):
        """Those that are there now; None: the test has gone."""
        data = self.sock.recv(65536)
        if not data:
            return None
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]


class Server:
    """A TCP server, and a UDP one on the same port. It answers every line with `reply`, or
    speaks the native heartbeat."""

    def __init__(self, channel, address, port, transport="tcp", backlog=128, reply="+PONG\r\n",
                 native=False, greet=False, on_accept=None, accepting=True,
                 receive_buffer=0):
        self.channel = Channel(channel)
        self.place = (address, port)
        self.transport = transport
        self.backlog = backlog
        self.receive_buffer = receive_buffer
        self.reply = reply.encode()
        self.native = native
        self.greet = greet  # speaks first, and closes
        self.instance, self.boot = os.urandom(16), b"B" * 16
        self.delay = 0.0
        self.reading = True
        self.accepting = accepting
        self.on_accept = on_accept
        self.on_request = None  # what to do instead of the next answer
        self.listener = None
        self.udp = None
        self.connections = {}  # socket: bytes not answered yet
        self.later = []  # (when, socket, bytes)
        self.tell_answered = False
        self.fillers = []
        self.accepted_at = 0.0  # the last one
        self.selector = selectors.DefaultSelector()

    # -- life

    def run(self):
        self.selector.register(self.channel.sock, selectors.EVENT_READ, self.obey)
        wake, signalled = socket.socketpair()
        signalled.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, self.terminate)
        if self.transport == "udp":
            self.open_udp()
        else:
            self.open_listener()
        self.channel.report("ready")
        while True:
            for key, _ in self.selector.select(self.until_due()):
                if key.fileobj.fileno() >= 0:  # not closed by an earlier one of this turn
                    key.data(key.fileobj)
            self.send_due()

    def until_due(self):
        return max(0.0, min(item[0] for item in self.later) - time.monotonic()) if self.later else None

    def send_due(self):
        now = time.monotonic()
        due = [item for item in self.later if item[0] <= now]
        self.later = [item for item in self.later if item[0] > now]
        for _, send, data in due:
            with contextlib.suppress(OSError):
                send(data)
            if self.tell_answered:
                self.tell_answered = False
                self.channel.report("answered")

    def open_listener(self):
        self.listener = socket.socket(family_of(self.place[0]), socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        freebind(self.listener)
        self.listener.bind(self.place)
        self.listener.listen(self.backlog)
        self.listener.setblocking(False)
        if self.accepting:
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def close_listener(self):
        if self.listener:
            self.unwatch(self.listener)
            self.listener.close()
            self.listener = None

    def open_udp(self):
        self.udp = socket.socket(family_of(self.place[0]), socket.SOCK_DGRAM)
        freebind(self.udp)
        self.udp.bind(self.place)
        self.selector.register(self.udp, selectors.EVENT_READ, self.receive_datagram)

    def unwatch(self, sock):
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(sock)

    def drop(self, sock):
        self.unwatch(sock)
        self.connections.pop(sock, None)
        sock.close()

    # -- traffic

    def accept(self, listener):
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            self.channel.report("full")
            self.unwatch(listener)
            return
        sock.setblocking(False)
        self.connections[sock] = b""
        self.accepted_at = time.monotonic()
        if self.on_accept:
            getattr(self, "strike_" + self.on_accept)(sock)
            return
        if self.greet:
            sock.send(self.reply)
        if self.reading:
            self.selector.register(sock, selectors.EVENT_READ, self.receive)

    def receive(self, sock):
        if self.on_request:
            strike, self.on_request = self.on_request, None
            self.channel.report("request", time=time.time())
            getattr(self, "strike_" + strike)(sock)
            return
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # reset, or ECONNABORTED from ss -K, or an answer that nobody acknowledged
            data = b""
        if not data:
            self.drop(sock)
            self.channel.report("gone")
            return
        pending = self.connections[sock] + data
        while end := self.request_end(pending):
            request, pending = pending[:end], pending[end:]
            self.answer(request, sock.send)
        self.connections[sock] = pending

    def request_end(self, pending):
        """Where the first whole request ends; 0: there is none."""
        if pending.startswith(b"CHB1"):
            return FRAME.size if len(pending) >= FRAME.size else 0
        return pending.find(b"\n") + 1

    def receive_datagram(self, sock):
        data, sender = sock.recvfrom(2048)
        if self.reading:
            self.answer(data, lambda reply: sock.sendto(reply, sender))

    def answer(self, request, send):
        reply = self.reply
        if self.native:
            _, kind, sequence, sent, _, _, _, _ = FRAME.unpack(request)
            if kind != REQUEST:
                return
            now = time.time_ns()
            reply = FRAME.pack(b"CHB1", REPLY, sequence, sent, now, now, self.instance, self.boot)
        self.later.append((time.monotonic() + self.delay, send, reply))

    # -- ways to end one connection

    def strike_fin(self, sock):
        with contextlib.suppress(OSError):  # what was not read would make it a reset
            while sock.recv(65536):
                pass
        self.drop(sock)

    def strike_half_close(self, sock):
        sock.shutdown(socket.SHUT_WR)

    def strike_reset(self, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self.drop(sock)

    def strike_unread(self, sock):
        """close() with input not read, though acknowledged: the kernel sends RST."""
        time.sleep(DELAYED_ACK)
        self.drop(sock)

    def strike_unread_at_once(self, sock):
        """The same before the input was acknowledged."""
        self.drop(sock)

    def strike_fin_then_reset(self, sock):
        sock.shutdown(socket.SHUT_WR)
        self.strike_reset(sock)

    def strike_partial(self, sock):
        """Half an answer, then FIN."""
        sock.recv(65536)
        sock.send(self.reply[:3])
        self.drop(sock)

    def strike_forget(self, sock):
        """Nothing is sent, the state is gone: what a crash does (TCP_REPAIR, tcp(7))."""
        self.until_quiet()
        self.strike_forget_at_once(sock)

    def strike_forget_at_once(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, linux.TCP_REPAIR, 1)
        self.drop(sock)

    def strike_die(self, sock):
        """Killed with input not read, though acknowledged."""
        time.sleep(DELAYED_ACK)
        os.kill(os.getpid(), signal.SIGKILL)

    def until_quiet(self):
        """All that was sent has been acknowledged, so that nothing is under way."""
        while any(linux.outstanding(sock) for sock in self.connections):
            time.sleep(0.002)

    # -- commands

    def obey(self, _sock):
        commands = self.channel.commands()
        if commands is None:
            os._exit(0)
        for name, arguments in commands:
            now = time.time()
            details = getattr(self, "do_" + name)(**arguments) or {}
            self.channel.report(name, time=now, **details)

    def do_end(self, how):
        """Ends every connection, one of the ways above."""
        for sock in list(self.connections):
            getattr(self, "strike_" + how)(sock)

    def do_quiet(self):
        self.until_quiet()
        return {"age": time.monotonic() - self.accepted_at}

    def do_tell_answered(self):
        """Reports "answered" once, after the next answer."""
        self.tell_answered = True

    def do_at_next_request(self, how):
        self.on_request = how

    def do_set(self, **values):
        for name, value in values.items():
            if name not in ("reply", "delay", "native", "greet", "on_accept"):
                raise ValueError(name)
            setattr(self, name, value.encode() if name == "reply" else value)

    def do_restart(self, boot=False):
        """New ids, as a new process (or, with boot, a rebooted host) would have."""
        self.instance = os.urandom(16)
        if boot:
            self.boot = os.urandom(16)

    def do_goodbye(self):
        for sock in list(self.connections):
            sock.send(FRAME.pack(b"CHB1", GOODBYE, 0, 0, 0, time.time_ns(), self.instance, self.boot))
            self.strike_fin(sock)

    def do_stop_reading(self):
        self.reading = False
        for sock in self.connections:
            self.unwatch(sock)

    def do_read(self):
        self.reading = True
        for sock in self.connections:
            self.selector.register(sock, selectors.EVENT_READ, self.receive)

    def do_unlisten(self):
        self.close_listener()
        if self.udp:
            self.unwatch(self.udp)
            self.udp.close()
            self.udp = None

    def do_listen(self):
        if self.transport == "udp":
            self.open_udp()
        else:
            self.open_listener()

    def do_fill(self):
        """Accepts no more and fills the accept queue (it holds backlog + 1) with connections."""
        self.accepting = False
        self.unwatch(self.listener)
        for _ in range(self.backlog + 1):
            sock = socket.socket(self.listener.family, socket.SOCK_STREAM)
            sock.settimeout(60)
            sock.connect(self.place)
            self.fillers.append(sock)
        # connected are they before their last acknowledgement has arrived
        while linux.waiting(self.listener) <= self.backlog:
            time.sleep(0.002)

    def do_accept(self):
        for sock in self.fillers:
            sock.close()
        self.fillers.clear()
        self.accepting = True
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def do_connections(self):
        return {"count": len(self.connections)}

    def terminate(self, _sock=None):
        """SIGTERM: an orderly end, as of a well-behaved daemon."""
        self.close_listener()
        self.do_end("fin")
        self.channel.report("terminated", time=time.time())
        os._exit(0)


def serve(channel, **arguments):
    Server(channel, **arguments).run()


def hold_ports(channel, address, port):
    """Takes every local port that is left towards one address, until the channel closes."""
    channel = Channel(channel)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = []
    pending = select.poll()
    while True:
        sock = socket.socket(family_of(address), socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            error = sock.connect_ex((address, port))
        except OSError as failure:
            error = failure.errno
        if error == errno.EADDRNOTAVAIL:
            sock.close()
            break
        held.append(sock)
        pending.register(sock, select.POLLOUT)
        if len(held) % 32 == 0:  # a link holds 256 packets: a burst would push out other people's
            for fd, _ in pending.poll(1000):
                pending.unregister(fd)
    channel.report("ready", held=len(held))
    while channel.commands() is not None:
        pass


def burn(channel):
    """Keeps a processor busy until the channel closes."""
    channel = Channel(channel)
    channel.report("ready")
    while not select.select([channel.sock], [], [], 0)[0]:
        for _ in range(200_000):
            pass


# -- forged ICMP

def _checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forge(channel):
    """Answers what is routed to the interface forge0 with the ICMP error it was told, as a router
    would; packets of other addresses vanish."""
    channel = Channel(channel)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"forge0", 0x1001))  # TUNSETIFF, TUN|NO_PI
    raw = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
           6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)}
    answers = {}  # destination: (type, code)
    channel.report("ready")
    while True:
        ready, _, _ = select.select([tun, channel.sock], [], [])
        if channel.sock in ready:
            commands = channel.commands()
            if commands is None:
                return
            for name, arguments in commands:
                if name == "answer":
                    answers[arguments["address"]] = (arguments["type"], arguments["code"])
                channel.report(name, time=time.time())
        if tun in ready:
            _answer_forged(os.read(tun, 2048), answers, raw)


def _answer_forged(packet, answers, raw):
    if packet[0] >> 4 == 4:
        source = socket.inet_ntop(socket.AF_INET, packet[12:16])
        target = socket.inet_ntop(socket.AF_INET, packet[16:20])
        quoted = packet[:128]
    else:
        source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
        target = socket.inet_ntop(socket.AF_INET6, packet[24:40])
        quoted = packet[:1024]
    if target not in answers:
        return
    kind, code = answers[target]
    message = struct.pack("!BBHI", kind, code, 0, 0) + quoted
    if packet[0] >> 4 == 4:
        message = message[:2] + struct.pack("!H", _checksum(message)) + message[4:]
        raw[4].sendto(message, (source, 0))
    else:
        raw[6].sendto(message, (source, 0))  # the kernel fills in the checksum (raw(7), RFC 3542)
