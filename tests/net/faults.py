# SPDX-License-Identifier: Apache-2.0
"""Every fault of the path, of the hosts' firewalls and routes, and of the client's own host.

Each is a context manager that strikes one address of the server and heals at its
end, so that any number can be in force at once on different addresses. What a
server process does wrong is in servers.py.
"""

import contextlib
import threading

import net as network


def family_of(address):
    return 6 if ":" in address else 4


def _flag(address):
    return "-6 " if family_of(address) == 6 else ""


# -- packet filters

@contextlib.contextmanager
def rules(net, namespace, hook, sides, *text):
    """sides: {"daddr": address} and/or {"saddr": address}: which packets the rules see."""
    chain = net.unique("f")
    elements = [f"inet fault {hook}_{side}{family_of(address)} {{ {address} : jump {chain} }}"
                for side, address in sides.items()]
    namespace.nft("\n".join(
        [f"add chain inet fault {chain}"] + [f"add rule inet fault {chain} {line}" for line in text]
        + [f"add element {element}" for element in elements]) + "\n")
    try:
        yield
    finally:
        namespace.nft("\n".join(
            [f"delete element {element.partition(' : ')[0]} }}" for element in elements]
            + [f"flush chain inet fault {chain}", f"delete chain inet fault {chain}"]) + "\n")


def drop(net, address):
    """Silence in both directions."""
    return rules(net, net.router, "forward", {"daddr": address, "saddr": address}, "drop")


def drop_requests(net, address):
    return rules(net, net.router, "forward", {"daddr": address}, "drop")


def drop_answers(net, address):
    return rules(net, net.router, "forward", {"saddr": address}, "drop")


def drop_bare_acknowledgements(net, address):
    """The server's: answers, ends and resets come through, and what they acknowledge with them."""
    return rules(net, net.router, "forward", {"saddr": address},
                 "tcp flags & (fin | syn | rst | psh | ack) == ack drop")


def loss(net, address, percent):
    """Random loss, in each direction."""
    return rules(net, net.router, "forward", {"daddr": address, "saddr": address},
                 f"numgen random mod 100 < {percent} drop")


REJECT = {  # ICMP and ICMPv6 names of nft
    (4, "net"): "icmp type net-unreachable", (4, "host"): "icmp type host-unreachable",
    (4, "protocol"): "icmp type prot-unreachable", (4, "port"): "icmp type port-unreachable",
    (4, "net-prohibited"): "icmp type net-prohibited",
    (4, "host-prohibited"): "icmp type host-prohibited",
    (4, "admin"): "icmp type admin-prohibited",
    (6, "net"): "icmpv6 type no-route", (6, "admin"): "icmpv6 type admin-prohibited",
    (6, "host"): "icmpv6 type addr-unreachable", (6, "port"): "icmpv6 type port-unreachable",
    (6, "policy"): "icmpv6 type policy-fail", (6, "reject-route"): "icmpv6 type reject-route",
}


def _reject(address, how):
    if how == "reset":
        return "meta l4proto tcp reject with tcp reset"
    return f"reject with {REJECT[family_of(address), how]}"


def router_rejects(net, address, how):
    """how: a key of REJECT, or "reset"."""
    return rules(net, net.router, "forward", {"daddr": address}, _reject(address, how))


def host_rejects(net, address, how):
    return rules(net, net.server, "input", {"daddr": address}, _reject(address, how))


def host_drops(net, address):
    return rules(net, net.server, "input", {"daddr": address}, "drop")


def own_firewall_rejects(net, address, how):
    return rules(net, net.client, "output", {"daddr": address}, _reject(address, how))


def own_firewall_drops(net, address):
    return rules(net, net.client, "output", {"daddr": address}, "drop")


def hops_exceeded(net, address):
    """Leaves with one hop to live: the router answers with time exceeded."""
    word = "ip6 hoplimit" if family_of(address) == 6 else "ip ttl"
    return rules(net, net.client, "output", {"daddr": address}, f"{word} set 1")


# -- a firewall or NAT with a table of flows

class Stateful:
    def __init__(self, net, address):
        self.net = net
        self.address = address

    def forget(self):
        """Drops what it knows of the flows to this address, as after too long a silence."""
        family = "ipv6" if family_of(self.address) == 6 else "ipv4"
        self.net.router.run("conntrack", "-D", "-f", family, "-d", self.address)


@contextlib.contextmanager
def stateful(net, address, unknown):
    """A firewall in the router that passes new connections and packets of flows it knows; others it
    drops ("drop") or answers with a reset ("reset")."""
    last = "drop" if unknown == "drop" else "meta l4proto tcp reject with tcp reset"
    with rules(net, net.router, "forward", {"daddr": address, "saddr": address},
               "ct state established,related accept",
               "ct state new tcp flags & (fin|syn|rst|ack) == syn accept",
               "ct state new meta l4proto udp accept", last):
        yield Stateful(net, address)


@contextlib.contextmanager
def forgets_idle_flows(net, address, seconds, unknown="drop"):
    """The same, and it forgets a connection that was silent for so long."""
    table, family = net.unique("t"), family_of(address)
    word = "ip6" if family == 6 else "ip"
    net.router.nft(f"""
        table inet {table} {{
            ct timeout brief {{
                protocol tcp
                l3proto {word}
                policy = {{ established: {seconds} }}
            }}
            chain early {{
                type filter hook prerouting priority 0
                {word} daddr {address} ct timeout set "brief"
            }}
        }}""")
    try:
        with stateful(net, address, unknown) as made:
            yield made
    finally:
        net.router.nft(f"delete table inet {table}\n")


# -- routes

@contextlib.contextmanager
def route(namespace, address, what):
    """A host route. what: unreachable, prohibit, blackhole, throw, or "via …" / "dev …"."""
    kind, rest = (what, "") if " " not in what else ("", what)
    line = f"{kind} {address} {rest}"
    namespace.ip(f"{_flag(address)}route add {line}")
    try:
        yield
    finally:
        namespace.ip(f"{_flag(address)}route del {line}")


@contextlib.contextmanager
def router_route(net, address, kind):
    """unreachable: 3/1 (v6 1/0), prohibit: 3/13 (1/1), throw: no route, 3/0 (1/0), blackhole."""
    with contextlib.ExitStack() as stack:
        if family_of(address) == 4:
            # One ICMP error a second to each source (net.ipv4.route.error_cost), so the cases
            # must not share one.
            source = net.source()
            net.client.ip(f"addr add {source}/32 dev c0")
            stack.callback(net.client.ip, f"addr del {source}/32 dev c0")
            stack.enter_context(route(net.client, address,
                                      f"via {network.ROUTER[4]} src {source}"))
        stack.enter_context(route(net.router, address, kind))
        yield


def own_route(net, address, kind):
    return route(net.client, address, kind)


def host_down_behind_router(net, address):
    """The router asks for the address on a link where nobody has it."""
    return route(net.router, address, "dev g0")


def own_neighbour_down(net, address):
    """The address is on our own link, and nobody has it."""
    return route(net.client, address, "dev c0")


# -- ICMP errors that the kernel would not send by itself

class Forger:
    def __init__(self, net, task):
        self.net = net
        self.task = task
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def answers(self, address, kind, code):
        with self.lock:
            self.task.do("answer", address=address, type=kind, code=code)
        with route(self.net.router, address, "dev forge0"):
            yield


@contextlib.contextmanager
def forger(net):
    with net.router.spawn("servers:forge") as task:
        net.router.ip("link set forge0 up")
        yield Forger(net, task)


# -- the client's own host

class Link:
    """A link that only one address is reached by."""

    def __init__(self, net, name, peer):
        self.net = net
        self.name = name
        self.peer = peer

    def down(self):
        self.net.client.ip(f"link set {self.name} down")

    def gateway_down(self):
        """The gateway at its other end does not answer ARP or ND any more.

        (On a link with another way out IPv6 would not show it for long: a route by a gateway that
        is known to be dead gives way to a wider one, net/ipv6/route.c, rt6_check_neigh.)"""
        self.net.router.run("ip", "address", "flush", "dev", self.peer)
        self.net.client.run("ip", "neighbour", "flush", "dev", self.name)


@contextlib.contextmanager
def own_link(net, address):
    """address: one made with own_link=True."""
    number = net.number()
    name, peer = f"l{number}", f"k{number}"
    base = f"10.88.{number // 60}.{number % 60 * 4}"
    head, _, last = base.rpartition(".")
    gateway = {4: f"{head}.{int(last) + 1}", 6: f"fd88:{number:x}::1"}
    own = {4: f"{head}.{int(last) + 2}/30", 6: f"fd88:{number:x}::2/64"}
    net.join(net.client, name, net.router, peer)
    try:
        net.router.ip(f"""
            link set {peer} up
            addr add {gateway[4]}/30 dev {peer}
            -6 addr add {gateway[6]}/64 dev {peer} nodad""")
        net.client.ip(f"""
            link set {name} up
            addr add {own[4]} dev {name}
            -6 addr add {own[6]} dev {name} nodad
            {_flag(address)}route add {address} via {gateway[family_of(address)]} dev {name}""")
        net.client.asynchronous(name)
        net.router.asynchronous(peer)
        yield Link(net, name, peer)
    finally:
        net.client.ip(f"link del {name}")


def kill_sockets(namespace, address, port, side="dst"):
    """ss -K on one host: destroys the connections to (dst) or at (src) that address and port."""
    where = f"[{address}]" if family_of(address) == 6 else address
    word = "dport" if side == "dst" else "sport"
    for _ in range(10):  # a dump may miss a socket while others come and go
        if namespace.run("ss", "-HKtn", "state", "established", side, where, word, "=", f":{port}"):
            return
    raise network.NetError(f"no connection of {address} to kill in {namespace.name}")


@contextlib.contextmanager
def ports_exhausted(net, address, port):
    """Every local port towards that address is taken."""
    with net.client.spawn("servers:hold_ports", address=address, port=port):
        yield
