# SPDX-License-Identifier: Apache-2.0
"""A name server whose every answer can be changed while it runs, and spoilt."""

import contextlib
import heapq
import itertools
import select
import socket
import struct
import time

from servers import Channel, family_of

TYPES = {1: "A", 28: "AAAA"}
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5


def _question(packet):
    """Name, type and the question section's bytes."""
    place, labels = 12, []
    while packet[place]:
        length = packet[place]
        labels.append(packet[place + 1:place + 1 + length].decode("ascii").lower())
        place += 1 + length
    kind, _ = struct.unpack_from("!HH", packet, place + 1)
    return ".".join(labels), kind, packet[12:place + 5]


def _response(packet, question, rcode, addresses, ttl):
    flags = 0x8180 | rcode  # answer, recursion desired and available
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", 28 if ":" in address else 1, 1, ttl,
                                  16 if ":" in address else 4)
        + socket.inet_pton(family_of(address), address) for address in addresses)
    return packet[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0) + question + records


def serve(channel, address):
    """Names are given by the command `name`: addresses (both families in one list), ttl, rcode,
    delay in seconds, silent. A name never given is NXDOMAIN."""
    channel = Channel(channel)
    sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
    sock.bind((address, 53))
    names, later, order = {}, [], itertools.count()
    channel.report("ready")
    while True:
        wait = max(0.0, later[0][0] - time.monotonic()) if later else None
        ready, _, _ = select.select([sock, channel.sock], [], [], wait)
        if channel.sock in ready:
            commands = channel.commands()
            if commands is None:
                return
            for _, arguments in commands:
                names[arguments.pop("name")] = arguments
                channel.report("name", time=time.time())
        if sock in ready:
            with contextlib.suppress(struct.error, IndexError, UnicodeDecodeError):
                packet, sender = sock.recvfrom(2048)
                name, kind, question = _question(packet)
                entry = names.get(name, {"rcode": NXDOMAIN})
                if not entry.get("silent"):
                    wanted = TYPES.get(kind)
                    found = [a for a in entry.get("addresses", ())
                             if wanted == ("AAAA" if ":" in a else "A")]
                    reply = _response(packet, question, entry.get("rcode", 0), found,
                                      entry.get("ttl", 1))
                    heapq.heappush(later, (time.monotonic() + entry.get("delay", 0), next(order),
                                           reply, sender))
        while later and later[0][0] <= time.monotonic():
            _, _, reply, sender = heapq.heappop(later)
            sock.sendto(reply, sender)
