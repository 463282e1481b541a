# SPDX-License-Identifier: Apache-2.0
"""The few system calls and constants that Python 3.11's standard library lacks."""

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

PR_SET_PDEATHSIG = 1

# linux/in.h, linux/in6.h, linux/tcp.h, linux/sockios.h
IP_RECVERR = 11
IPV6_RECVERR = 25
IP_FREEBIND = 15
IPV6_FREEBIND = 78
TCP_REPAIR = 19
SIOCOUTQ = 0x5411
MSG_ERRQUEUE = 0x2000

TCP_STATES = (None, "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
              "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING")

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def setns(fd, kind=0):
    """Moves the calling thread alone; processes it starts afterwards inherit that."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source, target, kind, flags=0, data=None):
    _check(_libc.mount(source.encode(), target.encode(), kind.encode() if kind else None,
                       ctypes.c_ulong(flags), data.encode() if data else None), f"mount {target}")


def die_with_parent():
    _check(_libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl")


def outstanding(sock):
    """Bytes sent and never acknowledged (tcp(7)); also answers on a dead socket."""
    return struct.unpack("i", fcntl.ioctl(sock, SIOCOUTQ, b"\0" * 4))[0]


def acknowledge(sock):
    """Sends the acknowledgement that the kernel holds back (TCP_QUICKACK, tcp(7))."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def unread(sock):
    return struct.unpack("i", fcntl.ioctl(sock, 0x541B, b"\0" * 4))[0]  # FIONREAD


def ethtool(interface, command, value):
    """One of the old boolean ethtool commands, on the calling thread's namespace."""
    arguments = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(arguments))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8946, request)  # SIOCETHTOOL


ETHTOOL_STSO = 0x1F
ETHTOOL_SGSO = 0x24
ETHTOOL_SGRO = 0x2C


def tcp_info(sock):
    """The fields of struct tcp_info (linux/tcp.h) that the tests look at."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280)
    raw += b"\0" * (280 - len(raw))
    eight = struct.unpack_from("8B", raw, 0)
    words = struct.unpack_from("24I", raw, 8)
    return {
        "state": TCP_STATES[eight[0]], "retransmits": eight[2], "probes": eight[3],
        "backoff": eight[4], "rto": words[0], "unacked": words[4], "lost": words[6],
        "retrans": words[7], "last_ack_recv": words[12], "total_retrans": words[23],
        "bytes_acked": struct.unpack_from("Q", raw, 120)[0],
        "segs_out": struct.unpack_from("I", raw, 136)[0],
        "segs_in": struct.unpack_from("I", raw, 140)[0],
        "notsent_bytes": struct.unpack_from("I", raw, 144)[0],
        "snd_wnd": struct.unpack_from("I", raw, 228)[0],
    }


def waiting(listener):
    """Connections that nobody has accepted yet (tcp_get_info() in net/ipv4/tcp.c)."""
    return tcp_info(listener)["unacked"]


def error_queue(sock):
    """Drains MSG_ERRQUEUE: [(errno, origin, type, code, offender), ...], origin 2 ICMP, 3 ICMPv6."""
    found = []
    timeout = sock.gettimeout()
    sock.setblocking(False)  # MSG_DONTWAIT alone does not keep Python from waiting
    while True:
        try:
            _, control, _, _ = sock.recvmsg(256, 512, MSG_ERRQUEUE)
        except BlockingIOError:
            sock.settimeout(timeout)
            return found
        for level, kind, data in control:
            if (level, kind) not in ((socket.IPPROTO_IP, IP_RECVERR),
                                     (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                continue
            error, origin, icmp_type, code = struct.unpack_from("IBBB", data)
            family = struct.unpack_from("H", data, 16)[0] if len(data) >= 18 else 0
            offender = None
            if family == socket.AF_INET:
                offender = socket.inet_ntop(socket.AF_INET, data[20:24])
            elif family == socket.AF_INET6:
                offender = socket.inet_ntop(socket.AF_INET6, data[24:40])
            found.append((error, origin, icmp_type, code, offender))
