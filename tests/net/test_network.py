# SPDX-License-Identifier: Apache-2.0
"""The network of the tests, proved with plain sockets: each fault shows what Linux shows.

Every row asserts what a program sees of one fault (errno, TCP_INFO, the error
queue and the ICMP's sender in it). The rows run side by side, in random order,
each on an address of its own; the tests then collect them.
"""

import concurrent.futures
import contextlib
import errno
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

import faults
import linux
import net as network
import servers

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 7000
BOTH = (4, 6)
ROWS = []


NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}  # not its other name ENOTSUP


def row(name, families=BOTH, **arguments):
    """Registers function(net, family, **arguments) as one row for each family."""
    def register(function):
        for family in families:
            ROWS.append((f"{name}-v{family}", function, family, arguments))
        return function
    return register


def inet(family):
    return socket.AF_INET6 if family == 6 else socket.AF_INET


# -- what a client sees

class Seen:
    """A connect that is over, read in the order that loses nothing."""

    def __init__(self, net, address, timeout=60.0, port=PORT):
        family = network_family(address)
        self.sock = net.client.socket(inet(family), socket.SOCK_STREAM)
        self.sock.setblocking(False)
        if family == 6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, linux.IPV6_RECVERR, 1)
        began = time.monotonic()
        self.immediately = self.sock.connect_ex((address, port))
        if self.immediately == errno.EINPROGRESS:
            self._await(timeout)
            self.error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            self.error = self.immediately
        self.took = time.monotonic() - began
        self.info = linux.tcp_info(self.sock)
        self.queue = linux.error_queue(self.sock)
        self.name = NAMES.get(self.error, "connected")

    def _await(self, timeout):
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        deadline = time.monotonic() + timeout
        while linux.tcp_info(self.sock)["state"] == "SYN_SENT" and time.monotonic() < deadline:
            for _, events in poll.poll(50):
                if events & select.POLLERR and not events & select.POLLHUP:
                    time.sleep(0.01)  # the queue is filled a moment before the state turns

    @property
    def synchronous(self):
        return self.immediately != errno.EINPROGRESS

    def icmp(self):
        """(type, code, offender) in the error queue; None: it is empty. There may be several of
        the same: an ICMP that finds the socket locked is queued but not applied."""
        assert len(set(self.queue)) <= 1, self.queue
        return self.queue[0][2:] if self.queue else None


def network_family(address):
    return 6 if ":" in address else 4


def shows(seen, error, icmp=None, synchronous=False):
    assert (seen.name, seen.icmp(), seen.synchronous) == (error, icmp, synchronous), seen.info
    seen.sock.close()


# -- connect

@row("closed-port")
def closed_port(net, family):
    seen = Seen(net, net.address(family))
    assert seen.info["segs_in"] == 1 and seen.info["retransmits"] == 0
    shows(seen, "ECONNREFUSED")


@row("reset-by-router", where="router_rejects")
@row("reset-by-host", where="host_rejects")
@row("reset-by-own-firewall", where="own_firewall_rejects")
def firewall_reset(net, family, where):
    address = net.address(family)
    with getattr(faults, where)(net, address, "reset"):
        shows(Seen(net, address), "ECONNREFUSED")


@row("syn-dropped", fault="drop_requests", tried=True)
@row("answers-dropped", fault="drop_answers", tried=True)
@row("both-dropped", fault="drop", tried=True)
@row("host-drops", fault="host_drops", tried=True)
@row("own-firewall-drops", fault="own_firewall_drops", tried=False)
def silence(net, family, fault, tried):
    address = net.address(family)
    before = net.client.counters()
    with getattr(faults, fault)(net, address):
        seen = Seen(net, address)
    assert seen.info["segs_in"] == 0 and seen.info["retransmits"] >= 1
    assert seen.took > 1.5
    # a retransmission that left this host is marked as being out, one that it refused is not
    assert bool(seen.info["retrans"]) == tried, seen.info
    if not tried:
        after = net.client.counters()
        assert after["TcpExt.TCPRetransFail"] > before["TcpExt.TCPRetransFail"]
    shows(seen, "ETIMEDOUT")


ICMP_ERRORS = [  # nft's reject: how, (4: errno, type, code), (6: ...)
    ("net", ("ENETUNREACH", 3, 0), ("ENETUNREACH", 1, 0)),
    ("host", ("EHOSTUNREACH", 3, 1), ("EHOSTUNREACH", 1, 3)),
    ("protocol", ("ENOPROTOOPT", 3, 2), None),
    ("port", ("ECONNREFUSED", 3, 3), ("ECONNREFUSED", 1, 4)),
    ("net-prohibited", ("ENETUNREACH", 3, 9), None),
    ("host-prohibited", ("EHOSTUNREACH", 3, 10), None),
    ("admin", ("EHOSTUNREACH", 3, 13), ("EACCES", 1, 1)),
    ("policy", None, ("EACCES", 1, 5)),
    ("reject-route", None, ("EACCES", 1, 6)),
]


def icmp_rows(function):
    for how, *expected in ICMP_ERRORS:
        for family, wanted in zip(BOTH, expected):
            if wanted:
                for where in ("router", "host"):
                    row(f"{where}-rejects-{how}", (family,), how=how, where=where,
                        wanted=wanted)(function)
    return function


@icmp_rows
def icmp_reject(net, family, how, where, wanted):
    address = net.address(family)
    error, kind, code = wanted
    with getattr(faults, where + "_rejects")(net, address, how):
        offender = network.ROUTER[family] if where == "router" else address
        shows(Seen(net, address), error, (kind, code, offender))


@row("route-unreachable", kind="unreachable", wanted={4: ("EHOSTUNREACH", 3, 1),
                                                      6: ("ENETUNREACH", 1, 0)})
@row("route-prohibit", kind="prohibit", wanted={4: ("EHOSTUNREACH", 3, 13), 6: ("EACCES", 1, 1)})
@row("route-missing", kind="throw", wanted={4: ("ENETUNREACH", 3, 0), 6: ("ENETUNREACH", 1, 0)})
def router_route(net, family, kind, wanted):
    address = net.address(family)
    error, kind_of_icmp, code = wanted[family]
    with faults.router_route(net, address, kind):
        shows(Seen(net, address), error, (kind_of_icmp, code, network.ROUTER[family]))


@row("hops-exceeded")
def hops_exceeded(net, family):
    address = net.address(family)
    with faults.hops_exceeded(net, address):
        shows(Seen(net, address), "EHOSTUNREACH",
              (11 if family == 4 else 3, 0, network.ROUTER[family]))


FORGED = {  # (type, code): errno; None: the kernel ignores it
    4: {(3, 5): "EOPNOTSUPP", (3, 6): "ENETUNREACH", (3, 7): "EHOSTDOWN", (3, 8): "ENONET",
        (3, 11): "ENETUNREACH", (3, 12): "EHOSTUNREACH", (3, 14): "EHOSTUNREACH",
        (3, 15): "EHOSTUNREACH", (12, 0): "EPROTO", (4, 0): None, (11, 1): None},
    6: {(1, 2): "EHOSTUNREACH", (4, 0): "EPROTO", (3, 1): "EHOSTUNREACH"},
}


def forged_rows(function):
    for family, codes in FORGED.items():
        for icmp, error in codes.items():
            row("forged-%d-%d" % icmp, (family,), icmp=icmp, error=error)(function)
    return function


@forged_rows
def forged(net, family, icmp, error):
    address = net.address(family)
    with net.forger.answers(address, *icmp):
        seen = Seen(net, address)
        if error is None:
            shows(seen, "ETIMEDOUT")
        else:
            shows(seen, error, (*icmp, network.ROUTER[family]))


@row("host-down-behind-router")
def behind_router(net, family):
    address = net.address(family)
    with faults.host_down_behind_router(net, address):
        shows(Seen(net, address), "EHOSTUNREACH",
              (3, 1, network.ROUTER[4]) if family == 4 else (1, 3, network.ROUTER[6]))


def shows_own_link(seen):
    """Nothing left: it waited for ARP or ND, and our own host sent the ICMP error."""
    assert seen.info["total_retrans"] == 0
    own = seen.sock.getsockname()[0]
    shows(seen, "EHOSTUNREACH", (3, 1, own) if "." in own else (1, 3, own))


@row("own-neighbour-down")
def own_neighbour(net, family):
    address = net.address(family)
    with faults.own_neighbour_down(net, address):
        shows_own_link(Seen(net, address))


@row("own-gateway-down")
def own_gateway(net, family):
    address = net.address(family, own_link=True)
    with faults.own_link(net, address) as link:
        shows(Seen(net, address), "ECONNREFUSED")  # it works, and nothing listens
        link.gateway_down()
        shows_own_link(Seen(net, address))


@row("own-route-missing", kind="throw", error="ENETUNREACH")
@row("own-route-unreachable", kind="unreachable", error="EHOSTUNREACH")
@row("own-route-prohibit", kind="prohibit", error="EACCES")
@row("own-route-blackhole", kind="blackhole", error="EINVAL")
def own_route(net, family, kind, error):
    address = net.address(family)
    with faults.own_route(net, address, kind):
        seen = Seen(net, address)
        assert seen.info["segs_out"] == 0
        shows(seen, error, synchronous=True)


@row("own-link-down")
def own_link_down(net, family):
    address = net.address(family, own_link=True)
    with faults.own_link(net, address) as link:
        shows(Seen(net, address), "ECONNREFUSED")  # it works, and nothing listens
        link.down()
        shows(Seen(net, address), "ENETUNREACH", synchronous=True)


@row("own-firewall-rejects-polled")
def own_firewall_rejects(net, family):
    """The socket is locked when the ICMP comes: the error is soft, the state stays SYN_SENT."""
    address = net.address(family)
    with faults.own_firewall_rejects(net, address, "port"):
        while True:
            began = time.monotonic()
            with net.client.socket(inet(family), socket.SOCK_STREAM) as sock:
                sock.setblocking(False)
                assert sock.connect_ex((address, PORT)) == errno.EINPROGRESS
                poll = select.poll()
                poll.register(sock, select.POLLOUT)
                ready, state = poll.poll(500), linux.tcp_info(sock)["state"]
                queue = linux.error_queue(sock)
                if time.monotonic() - began < 0.9:  # else the SYN may have been sent again
                    break
        if family == 4:
            (_, events), = ready
            assert events & select.POLLERR and not events & select.POLLHUP
            assert state == "SYN_SENT"
            assert queue[0][2:] == (3, 3, network.CLIENT[4])


@row("ports-exhausted")
def ports_exhausted(net, family):
    address = net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT, backlog=4096,
                          accepting=False):
        with faults.ports_exhausted(net, address, PORT):
            shows(Seen(net, address), "EADDRNOTAVAIL", synchronous=True)
        # and only towards that address
        shows(Seen(net, net.address(family)), "ECONNREFUSED")


@row("accept-queue-full")
def accept_queue_full(net, family):
    address = net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT, backlog=0) as server:
        server.do("fill")
        shows(Seen(net, address), "ETIMEDOUT")
        server.do("accept")
        shows(Seen(net, address), "connected")


# -- established

@contextlib.contextmanager
def held(net, family, address=None, **arguments):
    """A server, and a connection to it that has answered once."""
    address = address or net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT, **arguments) as server:
        seen = Seen(net, address)
        assert seen.name == "connected"
        with seen.sock as sock:
            sock.settimeout(60)
            if family == 6:  # with it, each ICMP error would surface as a passing one
                sock.setsockopt(socket.IPPROTO_IPV6, linux.IPV6_RECVERR, 0)
            if not arguments.get("on_accept"):
                assert ping(sock) == b"+PONG\r\n"
                linux.acknowledge(sock)
                server.do("quiet")  # the acknowledgement shall not meet the fault
            yield server, sock, address


def ping(sock):
    sock.send(b"PING\n")
    return sock.recv(64)


def fate(sock):
    """The errno recv ends with, or "EOF"."""
    try:
        return "EOF" if sock.recv(64) == b"" else "data"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def dead(sock):
    return linux.tcp_info(sock)["state"]


@row("killed", number=signal.SIGKILL)
@row("terminated", number=signal.SIGTERM)
def killed(net, family, number):
    with held(net, family) as (server, sock, address):
        server.kill(number)
        assert fate(sock) == "EOF" and dead(sock) == "CLOSE_WAIT"
        server.wait()  # its connections may end a moment before its listener
        shows(Seen(net, address), "ECONNREFUSED")


@row("killed-with-unread-input")
def killed_unread(net, family):
    with held(net, family) as (server, sock, address):
        server.do("at_next_request", how="die")
        sock.send(b"PING\n")
        assert fate(sock) == "ECONNRESET" and dead(sock) == "CLOSE"
        assert linux.outstanding(sock) == 0
        server.wait()
        shows(Seen(net, address), "ECONNREFUSED")


@row("closed", how="fin", wanted="EOF")
@row("half-closed", how="half_close", wanted="EOF")
@row("reset", how="reset", wanted="ECONNRESET")
def ended(net, family, how, wanted):
    with held(net, family) as (server, sock, address):
        server.do("end", how=how)
        assert fate(sock) == wanted
        shows(Seen(net, address), "connected")


@row("half-closed-still-reads")
def half_closed(net, family):
    with held(net, family) as (server, sock, _):
        server.do("end", how="half_close")
        assert fate(sock) == "EOF" and dead(sock) == "CLOSE_WAIT"
        sock.send(b"more")
        wait_until(lambda: linux.outstanding(sock) == 0)
        assert dead(sock) == "CLOSE_WAIT"


@row("closed-with-unread-input")
def closed_unread(net, family):
    with held(net, family) as (server, sock, _):
        server.do("at_next_request", how="unread")
        sock.send(b"PING\n")
        assert fate(sock) == "ECONNRESET" and linux.outstanding(sock) == 0


@row("closed-with-unread-input-at-once")
def closed_unread_at_once(net, family):
    """The reset is there before an acknowledgement, as if the peer knew nothing of us."""
    with held(net, family) as (server, sock, address):
        server.do("at_next_request", how="unread_at_once")
        # a busy server may be slower than its kernel's acknowledgement
        with faults.drop_bare_acknowledgements(net, address):
            sock.send(b"PING\n")
            assert fate(sock) == "ECONNRESET" and linux.outstanding(sock) == 5


@row("fin-then-reset")
def fin_then_reset(net, family):
    with held(net, family) as (server, sock, _):
        server.do("end", how="fin_then_reset")
        wait_until(lambda: dead(sock) == "CLOSE")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE
        assert fate(sock) == "EOF"


@row("reset-after-accept")
def reset_after_accept(net, family):
    address = net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT, on_accept="reset"):
        seen = Seen(net, address)
        seen.sock.settimeout(60)
        # connected, unless the reset was faster than our look at the new connection
        assert seen.name == "ECONNRESET" or fate(seen.sock) == "ECONNRESET"
        assert seen.info["state"] != "SYN_SENT"


@row("sockets-killed-at-peer")
def killed_at_peer(net, family):
    with held(net, family) as (_, sock, address):
        faults.kill_sockets(net.server, address, PORT, "src")
        assert fate(sock) == "ECONNRESET"


@row("sockets-killed-here")
def killed_here(net, family):
    with held(net, family) as (_, sock, address):
        faults.kill_sockets(net.client, address, PORT)
        assert fate(sock) == "ECONNABORTED"
        assert fate(sock) == "EOF"


@row("stopped")
def stopped(net, family):
    with held(net, family) as (server, sock, address):
        server.kill(signal.SIGSTOP)
        before = linux.tcp_info(sock)["bytes_acked"]
        sock.send(b"PING\n")
        wait_until(lambda: linux.tcp_info(sock)["bytes_acked"] == before + 5)
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(64)
        shows(Seen(net, address), "connected")
        server.kill(signal.SIGCONT)
        sock.settimeout(60)
        assert sock.recv(64) == b"+PONG\r\n"


@row("not-reading")
def not_reading(net, family):
    with held(net, family) as (server, sock, _):
        server.do("stop_reading")
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(b"x" * 65536)
                if not select.select([], [sock], [], 1.0)[1]:
                    sock.send(b"x")
        wait_until(lambda: linux.tcp_info(sock)["snd_wnd"] == 0)


@row("silence-with-data-out", fault="drop")
@row("answers-dropped-with-data-out", fault="drop_answers")
def silence_established(net, family, fault):
    with held(net, family) as (_, sock, address), getattr(faults, fault)(net, address):
        sock.send(b"PING\n")
        assert fate(sock) == "ETIMEDOUT"
        assert linux.tcp_info(sock)["retransmits"] > 0 and linux.outstanding(sock) == 5


@row("router-unreachable-with-data-out")
def unreachable_established(net, family):
    with held(net, family) as (_, sock, address), faults.router_rejects(net, address, "host"):
        sock.send(b"PING\n")
        assert fate(sock) == "EHOSTUNREACH"
        assert linux.error_queue(sock) == []


@row("own-firewall-drops-with-data-out", fault="own_firewall_drops")
def never_sent(net, family, fault):
    with held(net, family) as (_, sock, address), getattr(faults, fault)(net, address):
        sock.send(b"PING\n")
        wait_until(lambda: linux.tcp_info(sock)["probes"] > 0)
        info = linux.tcp_info(sock)
        assert info["notsent_bytes"] == 5 and info["snd_wnd"] > 0 and info["retransmits"] == 0
        assert fate(sock) == "ETIMEDOUT"


@row("own-route-lost-with-data-out")
def route_lost(net, family):
    with held(net, family) as (_, sock, address), faults.own_route(net, address, "throw"):
        sock.send(b"PING\n")
        assert fate(sock) == ("ETIMEDOUT" if family == 4 else "ENETUNREACH")


@row("own-link-down-established")
def link_lost(net, family):
    address = net.address(family, own_link=True)
    with faults.own_link(net, address) as link, held(net, family, address) as (_, sock, _):
        link.down()
        sock.send(b"PING\n")
        assert fate(sock) in ("ETIMEDOUT", "ENETUNREACH")


@row("own-gateway-down-with-data-out")
def gateway_lost(net, family):
    address = net.address(family, own_link=True)
    with faults.own_link(net, address) as link, held(net, family, address) as (_, sock, _):
        link.gateway_down()
        sock.send(b"PING\n")
        assert fate(sock) == "EHOSTUNREACH"


@row("rebooted")
def rebooted(net, family):
    with held(net, family) as (server, sock, _):
        server.do("end", how="forget")
        sock.send(b"PING\n")
        assert fate(sock) == "ECONNRESET" and linux.outstanding(sock) == 5


@row("rebooted-while-silent")
def rebooted_while_silent(net, family):
    with held(net, family) as (server, sock, address):
        with faults.drop(net, address):
            sock.send(b"PING\n")
            wait_until(lambda: linux.tcp_info(sock)["retransmits"] > 0)
            server.do("end", how="forget")
        assert fate(sock) == "ECONNRESET"
        assert linux.tcp_info(sock)["retransmits"] > 0


@row("flow-forgotten-dropped", unknown="drop", wanted="ETIMEDOUT")
@row("flow-forgotten-reset", unknown="reset", wanted="ECONNRESET")
def flow_forgotten(net, family, unknown, wanted):
    address = net.address(family)
    with faults.stateful(net, address, unknown) as firewall:
        with held(net, family, address) as (server, sock, _):
            assert ping(sock) == b"+PONG\r\n"  # it lets a known flow pass
            linux.acknowledge(sock)
            server.do("quiet")
            firewall.forget()
            sock.send(b"PING\n")
            if unknown == "drop":
                shows(Seen(net, address), "connected")
            assert fate(sock) == wanted


def keepalive(sock, idle=1, interval=1, count=2):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)


@row("keepalive-silence", fault=lambda net, address: faults.drop(net, address))
@row("keepalive-icmp", fault=lambda net, address: faults.router_rejects(net, address, "host"))
@row("keepalive-own-firewall", fault=lambda net, address: faults.own_firewall_drops(net, address))
def keepalive_silence(net, family, fault):
    with held(net, family) as (_, sock, address), fault(net, address):
        keepalive(sock)
        assert fate(sock) == "ETIMEDOUT"
        assert linux.tcp_info(sock)["probes"] == 2 and linux.outstanding(sock) == 0


@row("keepalive-rebooted")
def keepalive_rebooted(net, family):
    with held(net, family) as (server, sock, _):
        keepalive(sock)
        server.do("end", how="forget")
        assert fate(sock) == "ECONNRESET" and linux.tcp_info(sock)["probes"] == 1


@row("reset-before-accept")
def reset_before_accept(net, family):
    """accept() hands out a dead socket instead of an error."""
    address = net.address(family)
    with net.server.socket(inet(family), socket.SOCK_STREAM) as listener:
        servers.freebind(listener)
        listener.bind((address, PORT))
        listener.listen()
        seen = Seen(net, address)
        # a reset that overtakes the last acknowledgement would end what nobody has seen
        wait_until(lambda: linux.waiting(listener) == 1)
        seen.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, servers.LINGER_RESET)
        seen.sock.close()
        counted = net.server.counters
        wait_until(lambda: not net.server.run("ss", "-Htn", "state", "established", "src",
                                              f"[{address}]" if family == 6 else address))
        assert counted()["Tcp.EstabResets"] > 0
        listener.settimeout(60)
        accepted, _ = listener.accept()
        with accepted:
            assert linux.tcp_info(accepted)["state"] == "CLOSE"
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


# -- UDP

@contextlib.contextmanager
def udp(net, address, recverr=True):
    family = network_family(address)
    with net.client.socket(inet(family), socket.SOCK_DGRAM) as sock:
        if recverr and family == 4:
            sock.setsockopt(socket.IPPROTO_IP, linux.IP_RECVERR, 1)
        elif recverr:
            sock.setsockopt(socket.IPPROTO_IPV6, linux.IPV6_RECVERR, 1)
        sock.settimeout(60)
        sock.connect((address, PORT))
        yield sock


@row("udp-answers")
def udp_answers(net, family):
    address = net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT, transport="udp"):
        with udp(net, address) as sock:
            assert ping(sock) == b"+PONG\r\n"


@row("udp-closed-port")
def udp_closed(net, family):
    address = net.address(family)
    with udp(net, address) as sock:
        sock.send(b"PING\n")
        assert fate(sock) == "ECONNREFUSED"
        assert linux.error_queue(sock)[0][2:] == ((3, 3, address) if family == 4
                                                  else (1, 4, address))


@row("udp-router-unreachable")
def udp_unreachable(net, family):
    address = net.address(family)
    with faults.router_rejects(net, address, "host"), udp(net, address) as sock:
        sock.send(b"PING\n")
        assert fate(sock) == "EHOSTUNREACH"
        assert linux.error_queue(sock)[0][4] == network.ROUTER[family]


@row("udp-own-firewall-drops")
def udp_denied(net, family):
    address = net.address(family)
    with faults.own_firewall_drops(net, address), udp(net, address) as sock:
        with pytest.raises(PermissionError):
            sock.send(b"PING\n")


# -- names

QUERY = bytes.fromhex("abcd01000001000000000000")


def ask(net, server, name, kind):
    question = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    with net.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(60)
        sock.sendto(QUERY + question + b"\0" + bytes([0, kind, 0, 1]), (server, 53))
        return sock.recv(512)


@row("names", (4,))
def name_server(net, family):
    server = network.ROUTER[family]
    with net.router.spawn("names:serve", address=server) as names:
        names.do("name", name="good.test", addresses=["10.77.1.2", "fd77::2"])
        names.do("name", name="bad.test", rcode=2)
        names.do("name", name="slow.test", addresses=["10.77.1.2"], delay=0.3)
        assert ask(net, server, "good.test", 1).endswith(bytes([10, 77, 1, 2]))
        assert ask(net, server, "good.test", 28).endswith(b"\0\x02")
        assert ask(net, server, "absent.test", 1)[3] & 15 == 3
        assert ask(net, server, "bad.test", 1)[3] & 15 == 2
        began = time.monotonic()
        assert ask(net, server, "slow.test", 1).endswith(bytes([10, 77, 1, 2]))
        assert time.monotonic() - began >= 0.3
        names.do("name", name="good.test", addresses=["10.77.1.3"])
        assert ask(net, server, "good.test", 1).endswith(bytes([10, 77, 1, 3]))


# -- the rest

@row("loss")
def loss(net, family):
    """About the share asked for, of many datagrams."""
    address = net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT, transport="udp"):
        with faults.loss(net, address, 30), udp(net, address) as sock:
            answered = 0
            for _ in range(10):
                for _ in range(20):
                    sock.send(b"PING\n")
                answered += received(sock, 0.1)
            deadline = time.monotonic() + 60
            while answered <= 50 and time.monotonic() < deadline:  # a busy server
                answered += received(sock, 1)
    assert 50 < answered < 150  # 98 expected of 200


def received(sock, seconds):
    """How many datagrams there are until none has come for so long."""
    count = 0
    sock.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        while True:
            sock.recv(64)
            count += 1
    return count


@row("descriptors-exhausted", (4,))
def descriptors_exhausted(net, family):
    address = net.address(family)
    with net.server.spawn("servers:serve", address=address, port=PORT) as server:
        net.server.ask("limit", pid=server.pid, descriptors=3)
        shows(Seen(net, address), "connected")  # by the kernel; the server cannot accept it
        server.hear("full")


def wait_until(condition, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def observed(network):
    with faults.forger(network) as network.forger:
        rows = ROWS[:]
        random.shuffle(rows)
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            yield {name: pool.submit(function, network, family, **arguments)
                   for name, function, family, arguments in rows}


@pytest.mark.parametrize("name", [name for name, *_ in ROWS])
def test_shows_what_linux_shows(observed, name):
    observed[name].result()


def test_names_of_rows_are_unique():
    names = [name for name, *_ in ROWS]
    assert len(names) == len(set(names))


CRASH = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import net
made = net.Net()
server = made.server.spawn("servers:serve", address="10.77.200.1", port=7000)
server.kill(signal.SIGSTOP)
for namespace in made.namespaces():
    print(namespace.keeper_pid, *namespace.run("sh", "-c", "readlink /proc/self/ns/net").split())
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_crash_leaves_nothing(network):
    """Also a stopped process and its namespace are gone soon after the tests were killed."""
    done = subprocess.run([sys.executable, "-c", CRASH, HERE], stdout=subprocess.PIPE, text=True,
                          check=False)
    assert done.returncode == -signal.SIGKILL
    left = [line.split() for line in done.stdout.splitlines()]
    assert len(left) == 3

    def gone():
        in_use = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                in_use.add(os.readlink(f"/proc/{pid}/ns/net"))
        return not any(name in in_use or os.path.exists(f"/proc/{pid}") for pid, name in left)

    wait_until(gone)
