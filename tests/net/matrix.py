# SPDX-License-Identifier: Apache-2.0
"""The faults, and what connhealthd shall say of each.

A case is a generator: what comes before its yield prepares the server, what
comes after it is the fault. Each runs once for each family and each kind of
probe that it names, on an address of its own, so that cases never meet.

kinds: connect, heartbeat (text), native (heartbeat to a responder's protocol),
udp, native-udp, keepalive, bulk (a heartbeat whose request is larger than the
send buffer), greeting (a heartbeat that only listens).

The first failure after the fault must be `expect` (one of them, where a race of
packets decides); what follows may only be that or in `then`. expect=None: no
failure at all.
"""

import collections
import contextlib
import itertools
import signal
import time

import faults
import net as network
from inside import Verdict

PORT = 7000
KEEPALIVE_IDLE = 3  # seconds
BOTH = (4, 6)

DIALS = ("connect", "heartbeat", "keepalive")
HELD = ("heartbeat", "keepalive")
BEATS = ("heartbeat", "native")
ALL_HELD = ("heartbeat", "native", "keepalive")
DATAGRAMS = ("udp", "native-udp")

Case = collections.namedtuple("Case", "name function family kind expect then arguments late seconds")
CASES = []


def said(phase, category, wire, cause, certain):
    return Verdict(phase, category, wire, cause, certain)


def dialled(category, wire, cause, certain):
    """What a connection attempt ends with."""
    return said("connect", category, wire, cause, certain)


REFUSED = dialled("refused", "rst", "port_closed", True)
NO_ANSWER = dialled("timeout", "silence", "no_answer", False)


def case(name, expect, kinds=DIALS, families=BOTH, then=(), late=None, seconds=60, **arguments):
    """expect and then: a verdict or a list of them, or a dict that gives that by kind or family.

    late: the target is there only after the fault; by default for held connections that shall
    meet a fault of connecting."""
    def register(function):
        for family, kind in itertools.product(families, kinds):
            wanted, after = _pick(expect, family, kind), _pick(then, family, kind)
            is_late = late
            if is_late is None:
                is_late = kind != "connect" and bool(wanted) and wanted[0].phase == "connect"
            CASES.append(Case(f"{name}-{kind}-v{family}", function, family, kind, wanted, after,
                              arguments, is_late, seconds))
        return function
    return register


def _pick(value, family, kind):
    while isinstance(value, dict):
        value = value[kind] if kind in value else value[family] if family in value else value[None]
    return (value,) if isinstance(value, Verdict) else tuple(value or ())


class Trial:
    """One case under way."""

    def __init__(self, net, made, names=None):
        self.net = net
        self.case = made
        self.names = names
        self.family = made.family
        self.kind = made.kind
        self.stack = contextlib.ExitStack()
        self.address = net.address(made.family)
        self.host = None  # a name instead of the address
        self.server = None
        self.key = None
        self.bench = None  # set by who runs it
        self.struck = None

    @property
    def target(self):
        host = self.host or (f"[{self.address}]" if self.family == 6 else self.address)
        return f"{host}:{PORT}"

    @property
    def group(self):
        return self.kind

    @property
    def probe(self):
        return self.kind if self.kind in ("connect", "keepalive") else "heartbeat"

    def enter(self, context):
        return self.stack.enter_context(context)

    def serve(self, address=None, **options):
        self.server = self.enter(self.net.server.spawn(
            "servers:serve", address=address or self.address, port=PORT,
            transport="udp" if "udp" in self.kind else "tcp",
            native=self.kind.startswith("native"), greet=self.kind == "greeting",
            receive_buffer=65536 if self.kind == "bulk" else 0, **options))
        return self.server

    def own_link(self):
        self.address = self.net.address(self.family, own_link=True)
        return self.enter(faults.own_link(self.net, self.address))

    def until_quiet(self):
        """Between two beats, and nothing under way."""
        if self.kind in ("heartbeat", "native", "bulk"):
            self.server.tell("tell_answered")
            self.server.hear("answered")
        if "udp" not in self.kind and self.kind != "connect":
            age = self.server.do("quiet")["age"] % KEEPALIVE_IDLE
            if self.kind == "keepalive" and not 0.2 < age < KEEPALIVE_IDLE - 0.5:
                time.sleep(0.8)  # past the keepalive probe that is due

    def until_gone(self):
        """The client's kernel has no connection to the address any more."""
        deadline = time.monotonic() + 60
        while self._connections():
            if time.monotonic() > deadline:
                raise network.NetError("the connection is still there")
            time.sleep(0.01)

    def _connections(self):
        where = f"[{self.address}]" if self.family == 6 else self.address
        text = self.net.client.run("ss", "-Htn", "state", "connected", "dst", where)
        return [line for line in text.splitlines() if line.split()]

    def until_sent(self):
        """A request of the daemon's is out and not acknowledged."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(line.split()[2] != "0" for line in self._connections()):
                return
            time.sleep(0.03)
        raise network.NetError("no request went out")


# -- the connection is not made: an answer, or none

@case("closed-port", REFUSED)
def closed_port(trial):
    trial.serve()
    yield
    trial.server.do("unlisten")


@case("reset-by-router", REFUSED, fault="router_rejects")
@case("reset-by-host", REFUSED, fault="host_rejects")
@case("reset-by-own-firewall", REFUSED, fault="own_firewall_rejects")
def reset_by_firewall(trial, fault):
    trial.serve()
    yield
    trial.enter(getattr(faults, fault)(trial.net, trial.address, "reset"))


@case("requests-dropped", NO_ANSWER, fault="drop_requests")
@case("answers-dropped", NO_ANSWER, fault="drop_answers")
@case("dropped-by-host", NO_ANSWER, fault="host_drops")
@case("dropped-by-own-firewall", dialled("timeout", "silence", "local_firewall", False),
      fault="own_firewall_drops")
def dropped(trial, fault):
    trial.serve()
    yield
    trial.enter(getattr(faults, fault)(trial.net, trial.address))


@case("accept-queue-full", NO_ANSWER)
def accept_queue_full(trial):
    trial.serve(backlog=0)
    yield
    trial.server.do("fill")


# -- an ICMP error comes back

HOST_ROUTER = dialled("host_unreachable", "icmp", "router_unreachable", True)
NET_ROUTER = dialled("net_unreachable", "icmp", "router_unreachable", True)


def firewall(category):
    return dialled(category, "icmp", "firewall_rejected", True)


ROUTER_SAYS = [  # how, v4, v6
    ("net", NET_ROUTER, NET_ROUTER),
    ("host", HOST_ROUTER, HOST_ROUTER),
    ("protocol", firewall("other"), None),
    ("port", firewall("refused"), firewall("refused")),
    ("net-prohibited", firewall("net_unreachable"), None),
    ("host-prohibited", firewall("host_unreachable"), None),
    ("admin", firewall("host_unreachable"), firewall("denied")),
    ("policy", None, firewall("denied")),
    ("reject-route", None, firewall("denied")),
]
HOST_SAYS = [  # a host does not report itself unreachable: its firewall was told to
    ("net", firewall("net_unreachable"), firewall("net_unreachable")),
    ("host", firewall("host_unreachable"), firewall("host_unreachable")),
    ("port", firewall("refused"), firewall("refused")),
    ("admin", firewall("host_unreachable"), firewall("denied")),
]


def icmp_cases(function):
    for where, table in (("router", ROUTER_SAYS), ("host", HOST_SAYS)):
        for how, *expected in table:
            for family, wanted in zip(BOTH, expected):
                if wanted:
                    case(f"{where}-says-{how}", wanted, families=(family,),
                         kinds=DIALS if how in ("net", "host", "port", "admin") else ("connect",),
                         fault=where + "_rejects", how=how)(function)
    return function


@icmp_cases
def icmp(trial, fault, how):
    trial.serve()
    yield
    trial.enter(getattr(faults, fault)(trial.net, trial.address, how))


@case("router-route-unreachable", {4: HOST_ROUTER, 6: NET_ROUTER}, ("connect",), kind="unreachable")
@case("router-route-missing", NET_ROUTER, ("connect",), kind="throw")
@case("router-route-prohibit", {4: firewall("host_unreachable"), 6: firewall("denied")},
      ("connect",), kind="prohibit")
@case("router-route-blackhole", NO_ANSWER, ("connect",), kind="blackhole")
def router_route(trial, kind):
    trial.serve()
    yield
    trial.enter(faults.router_route(trial.net, trial.address, kind))


@case("hops-exceeded", HOST_ROUTER, ("connect",))
def hops_exceeded(trial):
    trial.serve()
    yield
    trial.enter(faults.hops_exceeded(trial.net, trial.address))


@case("host-down-behind-router", HOST_ROUTER)
def host_down_behind_router(trial):
    trial.serve()
    yield
    trial.enter(faults.host_down_behind_router(trial.net, trial.address))


FORGED = {
    4: {(3, 5): dialled("other", "icmp", "router_unreachable", True),
        (3, 6): NET_ROUTER, (3, 7): HOST_ROUTER, (3, 8): NET_ROUTER, (3, 11): NET_ROUTER,
        (3, 12): HOST_ROUTER, (3, 14): firewall("host_unreachable"),
        (3, 15): firewall("host_unreachable"),
        # nobody says what was wrong with our packet
        (12, 0): dialled("other", "icmp", "unknown", False),
        # the kernel ignores these
        (4, 0): NO_ANSWER, (11, 1): NO_ANSWER},
    6: {(1, 2): HOST_ROUTER, (4, 0): dialled("other", "icmp", "unknown", False),
        (4, 1): firewall("other")},
}


def forged_cases(function):
    for family, codes in FORGED.items():
        for code, wanted in codes.items():
            case("forged-%d-%d" % code, wanted, ("connect",), (family,), code=code)(function)
    return function


@forged_cases
def forged(trial, code):
    trial.serve()
    yield
    trial.enter(trial.net.forger.answers(trial.address, *code))


# -- this host

@case("own-route-missing", dialled("net_unreachable", "none", "no_local_route", True),
      kind="throw")
@case("own-route-unreachable", dialled("host_unreachable", "none", "no_local_route", True),
      ("connect",), kind="unreachable")
@case("own-route-prohibit", dialled("denied", "none", "no_local_route", False),
      ("connect",), kind="prohibit")
@case("own-route-blackhole", dialled("other", "none", "no_local_route", True),
      ("connect",), kind="blackhole")
def own_route(trial, kind):
    trial.serve()
    yield
    trial.enter(faults.own_route(trial.net, trial.address, kind))


@case("own-link-down", dialled("net_unreachable", "none", "no_local_route", True))
def own_link_down(trial):
    link = trial.own_link()
    trial.serve()
    yield
    link.down()


NEIGHBOUR = dialled("host_unreachable", "none", "neighbour_unreachable", True)


@case("own-gateway-down", NEIGHBOUR)
def own_gateway_down(trial):
    link = trial.own_link()
    trial.serve()
    yield
    link.gateway_down()


@case("own-neighbour-down", NEIGHBOUR, ("connect",))
def own_neighbour_down(trial):
    trial.serve()
    yield
    trial.enter(faults.own_neighbour_down(trial.net, trial.address))


@case("own-firewall-says-port", dialled("refused", "none", "firewall_rejected", True),
      ("connect",), how="port")
@case("own-firewall-says-admin", {4: dialled("host_unreachable", "none", "firewall_rejected", True),
                                  6: dialled("denied", "none", "firewall_rejected", True)},
      ("connect",), how="admin")
# the same bytes as from failing ARP: only a counter of the whole host tells them apart
@case("own-firewall-says-host", dialled("host_unreachable", "none", "firewall_rejected", False),
      ("connect",), how="host")
def own_firewall_says(trial, how):
    trial.serve()
    yield
    trial.enter(faults.own_firewall_rejects(trial.net, trial.address, how))


@case("ports-exhausted", dialled("local_resource", "none", "local_limit", True))
def ports_exhausted(trial):
    trial.serve(backlog=4096, accepting=False)
    yield
    trial.enter(faults.ports_exhausted(trial.net, trial.address, PORT))


# -- names

def unresolved(cause):
    return said("resolve", "name_resolution", "none", cause, True)


@case("name-not-found", unresolved("name_not_found"), ("connect", "udp"), (4,), late=False,
      entry={"rcode": 3})
@case("name-without-address", unresolved("name_not_found"), ("connect", "udp"), (4,), late=False,
      entry={"addresses": []})
@case("name-not-found-held", unresolved("name_not_found"), HELD, (4,), late=True,
      entry={"rcode": 3})
@case("name-servfail", unresolved("resolver_failed"), (*DIALS, "udp"), (4,), late=True,
      entry={"rcode": 2})
@case("name-refused", unresolved("resolver_failed"), ("connect", "udp"), (4,), late=True,
      entry={"rcode": 5})
@case("name-silent", unresolved("resolver_failed"), (*DIALS, "udp"), (4,), late=True,
      entry={"silent": True})
# the last good answer goes on being used
@case("name-servfail-later", None, ("connect", "udp"), (4,), entry={"rcode": 2})
@case("name-silent-later", None, ("connect", "udp"), (4,), entry={"silent": True})
@case("name-slow", None, ("connect", "udp", "heartbeat"), BOTH, late=True, entry={"delay": 0.5})
def name(trial, entry):
    trial.host = trial.net.unique("n") + ".test"
    trial.serve()
    trial.names(name=trial.host, addresses=[trial.address], ttl=1)
    yield
    trial.names(name=trial.host, **{"addresses": [trial.address], "ttl": 1, **entry})


@case("name-moves", REFUSED, ("connect",))
def name_moves(trial):
    """To an address where nothing listens."""
    trial.host = trial.net.unique("n") + ".test"
    trial.serve()
    trial.names(name=trial.host, addresses=[trial.address], ttl=1)
    yield
    trial.names(name=trial.host, addresses=[trial.net.address(trial.family)], ttl=1)


@case("name-moves-with-the-server", None, ("connect", "heartbeat"))
def name_and_server_move(trial):
    """A held connection stays where it is; new ones go to the new address."""
    trial.host = trial.net.unique("n") + ".test"
    trial.serve()
    trial.names(name=trial.host, addresses=[trial.address], ttl=1)
    yield
    new = trial.net.address(trial.family)
    trial.serve(address=new)
    trial.names(name=trial.host, addresses=[new], ttl=1)


# -- the peer ends an established connection

def idle(category, wire, cause, certain):
    return said("idle", category, wire, cause, certain)


def waiting(category, wire, cause, certain):
    return said("receive", category, wire, cause, certain)


@case("killed", idle("eof", "fin", "process_gone", True), ALL_HELD, then=REFUSED,
      number=signal.SIGKILL)
@case("terminated", idle("eof", "fin", "process_gone", True), HELD, then=REFUSED,
      number=signal.SIGTERM)
def killed(trial, number):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.kill(number)


@case("killed-with-unread-input", waiting("reset", "rst", "process_gone", True), BEATS,
      then=REFUSED)
def killed_unread(trial):
    trial.serve()
    yield
    trial.server.do("at_next_request", how="die")


@case("closed", {"native": idle("eof", "fin", "connection_closed", True),
                 None: idle("eof", "fin", "connection_closed", False)}, ALL_HELD, how="fin")
@case("half-closed", {"native": idle("eof", "fin", "connection_closed", True),
                      None: idle("eof", "fin", "connection_closed", False)}, ALL_HELD,
      how="half_close")
@case("reset", idle("reset", "rst", "connection_aborted", True), ALL_HELD, how="reset")
def ended(trial, how):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("end", how=how)


@case("sockets-killed-at-peer", idle("reset", "rst", "connection_aborted", True), ALL_HELD)
def killed_at_peer(trial):
    trial.serve()
    yield
    trial.until_quiet()
    faults.kill_sockets(trial.net.server, trial.address, PORT, "src")


@case("closed-with-unread-input", waiting("reset", "rst", "connection_aborted", True), BEATS,
      how="unread")
@case("closed-instead-of-an-answer", {"native": waiting("eof", "fin", "connection_closed", True),
                                      None: waiting("eof", "fin", "connection_closed", False)},
      BEATS, how="fin")
@case("closed-in-the-middle-of-an-answer", waiting("eof", "fin", "connection_closed", False),
      ("heartbeat",), how="partial")
@case("half-closed-instead-of-an-answer", waiting("eof", "fin", "connection_closed", False),
      ("heartbeat",), how="half_close")
def ended_when_asked(trial, how):
    trial.serve()
    yield
    trial.server.do("at_next_request", how=how)


# the reset is as fast as an acknowledgement would have been: reboot, restart or abort
@case("closed-with-unread-input-at-once", waiting("reset", "rst", "state_lost", False),
      ("heartbeat",))
def ended_before_an_acknowledgement(trial):
    trial.serve()
    yield
    # a busy server may be slower than its kernel's acknowledgement
    trial.enter(faults.drop_bare_acknowledgements(trial.net, trial.address))
    trial.server.do("at_next_request", how="unread_at_once")


@case("closed-then-reset", idle("broken_pipe", "rst", "connection_closed", False), HELD)
def closed_then_reset(trial):
    """A FIN, and the reset is there before anybody looked."""
    trial.serve()
    yield
    trial.until_quiet()
    with trial.bench.stopped():
        trial.server.do("end", how="fin_then_reset")
        trial.until_gone()


@case("sockets-killed-here", idle("aborted", "none", "killed_locally", True), ALL_HELD)
def killed_here(trial):
    trial.serve()
    yield
    trial.until_quiet()
    faults.kill_sockets(trial.net.client, trial.address, PORT)


@case("restarted", idle("eof", "fin", "peer_restarted", True), ("native",))
def restarted(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("restart")
    trial.server.do("end", how="fin")


@case("goodbye", idle("eof", "fin", "peer_shutdown", True), ("native",))
def goodbye(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("goodbye")


@case("reset-after-accept", None, ("connect",))
# whether the request was out and acknowledged by then is a race of packets
@case("reset-after-accept", [said("send", "reset", "rst", "connection_aborted", True),
                             waiting("reset", "rst", "connection_aborted", True),
                             waiting("reset", "rst", "state_lost", False)], ("heartbeat",),
      late=True)
def reset_after_accept(trial):
    trial.serve()
    yield
    trial.server.do("set", on_accept="reset")


# -- the peer is there and does not do its work

@case("stopped", waiting("timeout", "silence", "application_hung", True), BEATS)
@case("stopped", waiting("timeout", "silence", "no_answer", False), DATAGRAMS)
@case("stopped", None, ("connect", "keepalive"))
def stopped(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.kill(signal.SIGSTOP)
    trial.stack.callback(trial.server.kill, signal.SIGCONT)


@case("answers-late", waiting("timeout", "silence", "application_hung", True), BEATS)
@case("answers-late", waiting("timeout", "silence", "no_answer", False), DATAGRAMS)
def answers_late(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("set", delay=6)


@case("does-not-read", waiting("timeout", "silence", "application_hung", True), BEATS)
@case("does-not-read", said("send", "would_block", "silence", "peer_not_reading", True), ("bulk",))
def does_not_read(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("stop_reading")


@case("no-greeting", waiting("timeout", "silence", "application_hung", False), ("greeting",))
def no_greeting(trial):
    trial.serve()
    yield
    trial.server.do("set", greet=False)


@case("wrong-answer", waiting("bad_reply", "none", "unexpected_reply", True),
      ("heartbeat", "native", "udp"))
def wrong_answer(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("set", reply="-ERR " + "x" * 67 + "\r\n", native=False)


# -- the path of an established connection

LOST = {"keepalive": idle("timeout", "silence", "host_or_path_lost", False),
        "bulk": said("send", "would_block", "silence", "host_or_path_lost", False),
        None: waiting("timeout", "silence", "host_or_path_lost", False)}


@case("silence", LOST, (*ALL_HELD, "bulk"),
      then={"bulk": (NO_ANSWER, said("send", "timeout", "silence", "host_or_path_lost", False)),
            None: NO_ANSWER}, fault="drop")
@case("silence-of-answers", LOST, HELD, then=NO_ANSWER, fault="drop_answers")
def silence(trial, fault):
    trial.serve()
    yield
    trial.until_quiet()
    trial.enter(getattr(faults, fault)(trial.net, trial.address))


@case("silence", waiting("timeout", "silence", "no_answer", False), DATAGRAMS, fault="drop")
@case("silence-of-answers", waiting("timeout", "silence", "no_answer", False), DATAGRAMS,
      fault="drop_answers")
def silence_udp(trial, fault):
    trial.serve()
    yield
    trial.enter(getattr(faults, fault)(trial.net, trial.address))


def in_silence(cause, certain):
    """The connection itself met silence; who caused it comes from the new connection."""
    return {"keepalive": idle("timeout", "silence", cause, certain),
            None: waiting("timeout", "silence", cause, certain)}


@case("router-says-host-established", in_silence("router_unreachable", True), HELD,
      then=(HOST_ROUTER, waiting("host_unreachable", "icmp", "router_unreachable", True)),
      how="host")
@case("router-says-net-established", in_silence("router_unreachable", True), ("heartbeat",),
      then=(NET_ROUTER, waiting("net_unreachable", "icmp", "router_unreachable", True)), how="net")
@case("router-says-admin-established", in_silence("firewall_rejected", True), ("heartbeat",),
      then={4: (firewall("host_unreachable"),
                waiting("host_unreachable", "icmp", "firewall_rejected", True)),
            6: (firewall("denied"), waiting("denied", "icmp", "firewall_rejected", True))},
      how="admin")
def router_says_established(trial, how):
    trial.serve()
    yield
    trial.until_quiet()
    trial.enter(faults.router_rejects(trial.net, trial.address, how))


# whether the router stops asking for the host before or after the new connection is given up
@case("host-down-established", {
    kind: (in_silence("host_or_path_lost", False)[key], in_silence("router_unreachable", True)[key])
    for kind, key in (("keepalive", "keepalive"), ("heartbeat", None))}, HELD,
      then=(HOST_ROUTER, *(waiting("host_unreachable", "icmp", "router_unreachable", certain)
                           for certain in (True, False))))
def host_down_established(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.enter(faults.host_down_behind_router(trial.net, trial.address))


FLOW = {"native": waiting("timeout", "silence", "flow_dropped", True),
        "heartbeat": waiting("timeout", "silence", "flow_dropped", False),
        "keepalive": idle("timeout", "silence", "flow_dropped", False)}
FLOW_RESET = {"native": waiting("reset", "rst", "middlebox_reset", True),
              "heartbeat": waiting("reset", "rst", "state_lost", False),
              "keepalive": idle("reset", "rst", "state_lost", False)}


@case("flow-forgotten-and-dropped", FLOW, ALL_HELD, unknown="drop")
@case("flow-forgotten-and-reset", FLOW_RESET, ALL_HELD, unknown="reset")
def flow_forgotten(trial, unknown):
    firewall_with_table = trial.enter(faults.stateful(trial.net, trial.address, unknown))
    trial.serve()
    yield
    trial.until_quiet()
    firewall_with_table.forget()


REBOOTED = {"native": waiting("reset", "rst", "host_rebooted", True),
            "heartbeat": waiting("reset", "rst", "state_lost", False),
            "keepalive": idle("reset", "rst", "state_lost", False)}


@case("rebooted", REBOOTED, ALL_HELD)
def rebooted(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("end", how="forget")
    trial.server.do("restart", boot=True)


@case("rebooted-while-asked", REBOOTED, BEATS)
def rebooted_while_asked(trial):
    """The request is out when the host goes; it answers the retransmission when it is back."""
    trial.serve()
    yield
    trial.until_quiet()
    with faults.drop(trial.net, trial.address):
        trial.until_sent()
        trial.server.do("end", how="forget_at_once")
        trial.server.do("restart", boot=True)


@case("rebooted-without-the-service", {"keepalive": idle("reset", "rst", "process_gone", True),
                                       None: waiting("reset", "rst", "process_gone", True)},
      ALL_HELD, then=REFUSED)
def rebooted_without_service(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.server.do("unlisten")
    trial.server.do("end", how="forget")


# -- this host, with a connection established

NEVER_LEFT = waiting("timeout", "none", "never_left_host", True)
ROUTELESS = dialled("net_unreachable", "none", "no_local_route", True)


@case("own-firewall-drops-established", NEVER_LEFT, BEATS,
      then=dialled("timeout", "silence", "local_firewall", False))
# a keepalive probe that is dropped here and one that is lost leave the same traces
@case("own-firewall-drops-established", idle("timeout", "silence", "host_or_path_lost", False),
      ("keepalive",), then=dialled("timeout", "silence", "local_firewall", False))
def own_firewall_established(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.enter(faults.own_firewall_drops(trial.net, trial.address))


ROUTE_LOST = {"heartbeat": NEVER_LEFT, "keepalive": {
    4: idle("timeout", "silence", "no_local_route", True),
    6: idle("net_unreachable", "none", "no_local_route", True)}}
THEN_ROUTELESS = {4: ROUTELESS,
                  6: (ROUTELESS, waiting("net_unreachable", "none", "never_left_host", True))}


@case("own-route-lost-established", ROUTE_LOST, HELD, then=THEN_ROUTELESS)
def own_route_established(trial):
    trial.serve()
    yield
    trial.until_quiet()
    trial.enter(faults.own_route(trial.net, trial.address, "throw"))


@case("own-link-down-established", ROUTE_LOST, HELD, then=THEN_ROUTELESS)
def own_link_established(trial):
    link = trial.own_link()
    trial.serve()
    yield
    trial.until_quiet()
    link.down()


@case("own-gateway-down-established",
      {"heartbeat": waiting("timeout", "none", "neighbour_unreachable", True),
       # proof if the new SYN waits in this host until it is due again, not if the neighbour is
       # given up before that
       "keepalive": [idle("timeout", "silence", "neighbour_unreachable", certain)
                     for certain in (True, False)]}, HELD,
      then=(NEIGHBOUR, waiting("host_unreachable", "none", "neighbour_unreachable", True),
            # a neighbour known to be dead fails before a retransmission is due
            dialled("host_unreachable", "none", "neighbour_unreachable", False)))
def own_gateway_established(trial):
    link = trial.own_link()
    trial.serve()
    yield
    trial.until_quiet()
    link.gateway_down()


# -- datagrams

def datagram(category, wire, cause, certain):
    return said("receive", category, wire, cause, certain)


@case("closed-port", datagram("refused", "icmp", "port_closed", True), DATAGRAMS)
def closed_port_udp(trial):
    trial.serve()
    yield
    trial.server.do("unlisten")


@case("router-says-host", datagram("host_unreachable", "icmp", "router_unreachable", True),
      DATAGRAMS, fault="router_rejects", how="host")
@case("router-says-net", datagram("net_unreachable", "icmp", "router_unreachable", True), ("udp",),
      fault="router_rejects", how="net")
@case("router-says-port", datagram("refused", "icmp", "firewall_rejected", True), ("udp",),
      fault="router_rejects", how="port")
@case("router-says-admin", {4: datagram("host_unreachable", "icmp", "firewall_rejected", True),
                            6: datagram("denied", "icmp", "firewall_rejected", True)}, ("udp",),
      fault="router_rejects", how="admin")
@case("host-says-admin", {4: datagram("host_unreachable", "icmp", "firewall_rejected", True),
                          6: datagram("denied", "icmp", "firewall_rejected", True)}, ("udp",),
      fault="host_rejects", how="admin")
def icmp_udp(trial, fault, how):
    trial.serve()
    yield
    trial.enter(getattr(faults, fault)(trial.net, trial.address, how))


@case("host-down-behind-router", datagram("host_unreachable", "icmp", "router_unreachable", True),
      ("udp",))
def host_down_udp(trial):
    trial.serve()
    yield
    trial.enter(faults.host_down_behind_router(trial.net, trial.address))


@case("own-gateway-down", datagram("host_unreachable", "none", "neighbour_unreachable", False),
      ("udp",))
def own_gateway_udp(trial):
    link = trial.own_link()
    trial.serve()
    yield
    link.gateway_down()


def unsent(category, cause, certain):
    return said("send", category, "none", cause, certain)


@case("own-firewall-drops", unsent("denied", "local_firewall", True), DATAGRAMS)
def own_firewall_udp(trial):
    trial.serve()
    yield
    trial.enter(faults.own_firewall_drops(trial.net, trial.address))


@case("own-route-missing", unsent("net_unreachable", "no_local_route", True), ("udp",), kind="throw")
@case("own-route-prohibit", unsent("denied", "no_local_route", False), ("udp",), kind="prohibit")
def own_route_udp(trial, kind):
    trial.serve()
    yield
    trial.enter(faults.own_route(trial.net, trial.address, kind))


# -- nothing is wrong

@case("healthy", None, ("connect", "heartbeat", "native", "udp", "native-udp", "keepalive", "bulk",
                        "greeting"))
def healthy(trial):
    trial.serve()
    yield


REQUEST = "PING\r\n"
BULK = "x" * 400_000 + "\n"


def configuration(directory):
    """One group for each kind; its targets come from files, one file a trial.

    The timeout is longer than a router asks for a host that is down, 1.35 s."""
    text = {"send": REQUEST, "expect": "^\\+PONG"}
    groups = {
        "connect": {"connect": {}},
        "heartbeat": {"heartbeat": text},
        "native": {"heartbeat": {}},
        "bulk": {"heartbeat": {"send": BULK, "expect": "^\\+PONG", "send_buffer": 8192}},
        "greeting": {"heartbeat": {"expect": "^\\+PONG"}},
        "udp": {"transport": "udp", "heartbeat": dict(text)},
        "native-udp": {"transport": "udp", "heartbeat": {}},
        "keepalive": {"keepalive": {"idle": f"{KEEPALIVE_IDLE}s", "interval": "1s", "count": 2}},
    }
    return {"groups": [{
        "name": name, "interval": "2s", "timeout": "1900ms", **group,
        "file_sd_configs": [{"files": [f"{directory}/{name}@*.json"], "refresh_interval": "2s"}],
    } for name, group in groups.items()], "sockets": {"enabled": False}}
