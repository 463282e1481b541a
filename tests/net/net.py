# SPDX-License-Identifier: Apache-2.0
"""A client, a router and a server, joined by links, each in namespaces of its own.

    client c0 10.76.0.2 ── r0 10.76.0.1 router r1 10.79.0.1 ── s0 10.79.0.2 server
              fd76::2         fd76::1             fd79::1         fd79::2
                                  router g0 ── g1  a link with nobody on it

The server answers for the whole of 10.77.0.0/16 and fd77::/64, so that each
case of a test has an address of its own and many can go wrong at the same time.
It answers for 10.87.0.0/16 and fd87::/64 too, but the client has no route there
except over a link made for one address (faults.own_link), which may go down.

The links are asynchronous, as those of real network cards are: over plain veth a
whole round trip runs inside the sender's system call with its socket locked, and
ICMP errors are then dropped. Threaded NAPI hands packets over to a kernel thread;
it is in use only with GRO on at the receiver and TSO off at the sender
(drivers/net/veth.c, veth_skb_is_eligible_for_gro).

Times are short where the kernel has a setting for them: a SYN is given up after
2 s, unacknowledged data after 4.8 s, an ARP or ND request after 1.35 s.
"""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import linux

HERE = os.path.dirname(os.path.abspath(__file__))

CLIENT = {4: "10.76.0.2", 6: "fd76::2"}
ROUTER = {4: "10.76.0.1", 6: "fd76::1"}

ADDRESSES = 3000  # of the server in IPv6

# Modules whose functions are spawned inside.
WORKERS = ("servers", "names")


class NetError(RuntimeError):
    pass


def requirements():
    """None, or why the network cannot be made here: one line."""
    if os.geteuid() != 0:
        return "the network tests make network namespaces and need root: run them with sudo"
    for program in ("ip", "tc", "nft", "ss", "conntrack"):
        if not any(os.access(os.path.join(place, program), os.X_OK)
                   for place in ("/usr/sbin", "/usr/bin", "/sbin", "/bin")):
            return f"the network tests need the program {program} (Debian: iproute2 nftables conntrack)"
    return None


class Task:
    """A process inside a namespace; with a channel if it is a Python function."""

    def __init__(self, namespace, pid, pidfd, channel=None):
        self.namespace = namespace
        self.pid = pid  # as seen inside the namespace
        self.pidfd = pidfd
        self._channel = channel
        self._buffer = b""
        self._heard = []

    def kill(self, number=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def until_stopped(self):
        """After SIGSTOP: every thread of it stands still."""
        with open(f"/proc/self/fdinfo/{self.pidfd}", encoding="ascii") as file:
            pid = next(line.split()[1] for line in file if line.startswith("Pid:"))
        while self.alive():
            states = []
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
                    states.append(file.read().rpartition(")")[2].split()[0])
            if set(states) == {"T"}:
                return
            time.sleep(0.001)

    def alive(self):
        return not select.select([self.pidfd], [], [], 0)[0]

    def wait(self, timeout=60):
        """Its exit status; negative: the signal that ended it."""
        if not select.select([self.pidfd], [], [], timeout)[0]:
            raise NetError(f"process {self.pid} in {self.namespace.name} did not end in {timeout} s")
        deadline = time.monotonic() + 60
        while True:  # the keeper reaps it in the next moment
            status = self.namespace.ask("status", pid=self.pid)["status"]
            if status is not None or time.monotonic() > deadline:
                return status
            time.sleep(0.002)

    def tell(self, command, **arguments):
        self._channel.sendall(json.dumps([command, arguments]).encode() + b"\n")

    def hear(self, event, timeout=60):
        """The next report of that name, as a dict; earlier ones of other names stay to be heard."""
        deadline = time.monotonic() + timeout
        while True:
            for place, (name, report) in enumerate(self._heard):
                if name == event:
                    del self._heard[place]
                    return report
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                raise NetError(f"no \"{event}\" from process {self.pid} in {self.namespace.name} "
                               f"in {timeout} s; heard {self._heard}")
            data = self._channel.recv(65536)
            if not data:
                raise NetError(f"process {self.pid} in {self.namespace.name} ended before "
                               f"\"{event}\"; heard {self._heard}")
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._heard += [json.loads(line) for line in lines]

    def do(self, command, timeout=60, **arguments):
        """tell, and wait until it says that it has done so."""
        self.tell(command, **arguments)
        return self.hear(command, timeout)

    def close(self):
        self.kill()
        if self._channel:
            self._channel.close()
            self._channel = None
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Namespace:
    """Used on any thread; `with namespace:` moves the calling thread into its network."""

    _home = None  # of the process, opened once

    def __init__(self, name):
        self.name = name
        self._lock = threading.Lock()
        self._before = threading.local()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()
        self._keeper = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "keeper.py"), str(theirs.fileno()), *WORKERS],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=self._errors)
        theirs.close()
        self._fd = None
        _, (self._fd,) = self._ask("namespace")
        with self._home_lock:
            if Namespace._home is None:
                Namespace._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    _home_lock = threading.Lock()

    def close(self):
        """Ends everything inside and waits for it."""
        self._control.close()
        self._keeper.wait()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._errors.close()

    @property
    def keeper_pid(self):
        return self._keeper.pid

    def errors(self):
        """What the processes inside wrote to their standard error, if not elsewhere."""
        return os.pread(self._errors.fileno(), 1 << 20, 0).decode(errors="replace")

    # -- the keeper

    def _ask(self, ask, send=(), **request):
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps({"ask": ask, **request}).encode()], send)
                message, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 8)
            except OSError as error:
                raise NetError(f"the keeper of {self.name} is gone ({error}): {self.errors()}") from None
        if not message:
            raise NetError(f"the keeper of {self.name} is gone: {self.errors()}")
        reply = json.loads(message)
        if "error" in reply:
            raise NetError(f"in {self.name}: {reply['error']}")
        return reply, fds

    def ask(self, ask, **request):
        return self._ask(ask, **request)[0]

    def spawn(self, function, **arguments):
        """Runs "module:function" of this directory in a process inside; ready when it says so."""
        ours, theirs = socket.socketpair()
        with theirs:
            reply, (pidfd,) = self._ask("spawn", [theirs.fileno()], function=function,
                                        arguments=arguments)
        task = Task(self, reply["pid"], pidfd, ours)
        try:
            task.hear("ready")
        except NetError as error:
            task.close()
            raise NetError(f"{error}\n{self.errors()}") from None
        return task

    def execute(self, argv, stdout, stderr, environment=None):
        """Runs a program inside; stdout and stderr are open files."""
        reply, (pidfd,) = self._ask("execute", [stdout.fileno(), stderr.fileno()], argv=argv,
                                    environment=environment or {})
        return Task(self, reply["pid"], pidfd)

    def write(self, path, text):
        self.ask("write", path=path, text=text)

    # -- the network alone, on the calling thread

    def __enter__(self):
        if getattr(self._before, "inside", False):
            raise NetError("entered twice")
        linux.setns(self._fd, linux.CLONE_NEWNET)
        self._before.inside = True
        return self

    def __exit__(self, *_):
        self._before.inside = False
        linux.setns(Namespace._home, linux.CLONE_NEWNET)

    def socket(self, *arguments):
        with self:
            return socket.socket(*arguments)

    def run(self, *argv, text=None, check=True):
        with self:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        out, err = process.communicate(text)
        if check and process.returncode != 0:
            raise NetError(f"{self.name}: {' '.join(argv)}: {err.strip()}\n{text or ''}")
        return out

    def ip(self, commands):
        """One ip(8) command a line."""
        for family, lines in itertools.groupby(
                (line.strip() for line in commands.splitlines() if line.strip()),
                lambda line: "-6" if line.startswith("-6 ") else "-4"):
            self.run("ip", family, "-batch", "-",
                     text="".join(line.removeprefix("-6 ") + "\n" for line in lines))

    def nft(self, commands):
        self.run("nft", "-f", "-", text=commands)

    def sysctl(self, **settings):
        """Names under /proc/sys/net with __ for the slash: ipv4__tcp_retries2=4."""
        with self:
            for name, value in settings.items():
                with open("/proc/sys/net/" + name.replace("__", "/"), "w", encoding="ascii") as file:
                    file.write(f"{value}\n")

    def counters(self):
        """/proc/net/netstat and /proc/net/snmp: {"TcpExt.TCPTimeouts": 3, ...}."""
        found = {}
        with self:
            for path in ("/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"):
                with open(path, encoding="ascii") as file:
                    lines = file.read().splitlines()
                for names, values in zip(lines[::2], lines[1::2]):
                    group, _, names = names.partition(":")
                    for name, value in zip(names.split(), values.partition(":")[2].split()):
                        found[f"{group}.{name}"] = int(value)
        return found

    def asynchronous(self, *interfaces):
        with self:
            for interface in interfaces:
                linux.ethtool(interface, linux.ETHTOOL_STSO, 0)
                linux.ethtool(interface, linux.ETHTOOL_SGSO, 0)
                linux.ethtool(interface, linux.ETHTOOL_SGRO, 1)
        for interface in interfaces:
            # veth's own ring holds 256 packets and drops the next; before a queueing discipline
            # it pushes back instead
            self.run("tc", "qdisc", "replace", "dev", interface, "root", "pfifo", "limit", "10000")
            self.write(f"/sys/class/net/{interface}/threaded", "1")


_HOOKS = {"client": ("input", "output"), "router": ("forward", "postrouting"),
          "server": ("input", "output")}


def _fault_table(hooks):
    """An empty table that sends a packet to the chain of the fault on its address, by hash maps."""
    text = ["add table inet fault"]
    for hook in hooks:
        text.append(f"add chain inet fault {hook} {{ type filter hook {hook} priority 0; }}")
        for family, word, kind in ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr")):
            for side in ("daddr", "saddr"):
                name = f"{hook}_{side}{family}"
                text.append(f"add map inet fault {name} {{ type {kind} : verdict; }}")
                text.append(f"add rule inet fault {hook} {word} {side} vmap @{name}")
    return "\n".join(text) + "\n"


class Net:
    """The three of them. close() (or leaving the with) ends all that was started."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count(1)
        self._addresses = itertools.count(1)
        self._lock = threading.Lock()
        try:
            self.client, self.router, self.server = (
                self._stack.enter_context(contextlib.closing(Namespace(name)))
                for name in ("client", "router", "server"))
            self._link()
            self._settle()
            self._address()
            for namespace in (self.client, self.router, self.server):
                namespace.nft(_fault_table(_HOOKS[namespace.name]))
            self._until_it_forwards()
        except BaseException:
            self._stack.close()
            raise

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespaces(self):
        return self.client, self.router, self.server

    def address(self, family, own_link=False):
        """An address of the server that nobody was given before."""
        with self._lock:
            number = next(self._addresses)
        assert number <= ADDRESSES
        second = 87 if own_link else 77
        if family == 6:
            return f"fd{second}::{number:x}"
        return f"10.{second}.{1 + number // 250}.{1 + number % 250}"

    def number(self):
        with self._lock:
            return next(self._numbers)

    def source(self):
        """An IPv4 address of the client's own: routers limit their ICMP errors by it."""
        number = self.number()
        return f"10.76.{1 + number // 250}.{1 + number % 250}"

    def unique(self, prefix="x"):
        return f"{prefix}{self.number()}"

    # -- making it

    def _link(self):
        self.join(self.client, "c0", self.router, "r0")
        self.join(self.server, "s0", self.router, "r1")
        self.join(self.router, "g0", self.router, "g1")

    @staticmethod
    def join(here, name, there, peer):
        """A pair of interfaces, both down."""
        fd = there._fd
        with here:
            subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", peer,
                            "netns", f"/proc/self/fd/{fd}"], pass_fds=[fd], check=True)
        for namespace, interface in ((here, name), (there, peer)):
            namespace.sysctl(**{f"ipv{family}__neigh__{interface}__retrans_time_ms": 450
                                for family in (4, 6)})

    def _settle(self):
        for namespace in self.namespaces():
            namespace.sysctl(
                ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
                ipv4__icmp_ratelimit=0, ipv6__icmp__ratelimit=0,
                ipv4__icmp_msgs_per_sec=100000, ipv4__icmp_msgs_burst=100000,
                ipv4__tcp_syn_retries=1, ipv4__tcp_retries2=4, ipv4__tcp_rto_max_ms=1000)
        # few ports, so that they are soon all taken
        self.client.sysctl(ipv4__ip_local_port_range="40000 41999")
        self.router.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1,
                           netfilter__nf_conntrack_tcp_loose=0)
        # every address of the server's networks may be bound; a full accept queue drops SYNs
        self.server.sysctl(ipv6__ip_nonlocal_bind=1, ipv4__ip_nonlocal_bind=1,
                           ipv4__tcp_syncookies=0)

    def _address(self):
        self.client.ip(f"""
            link set lo up
            link set c0 up
            addr add 10.76.0.2/16 dev c0
            route add 10.77.0.0/16 via 10.76.0.1
            route add 10.79.0.0/24 via 10.76.0.1
            -6 addr add fd76::2/64 dev c0 nodad
            -6 route add fd77::/64 via fd76::1
            -6 route add fd79::/64 via fd76::1""")
        self.router.ip("""
            link set lo up
            link set r0 up
            link set r1 up
            link set g0 up
            link set g1 up
            addr add 10.76.0.1/16 dev r0
            addr add 10.79.0.1/24 dev r1
            route add 10.77.0.0/16 via 10.79.0.2
            route add 10.87.0.0/16 via 10.79.0.2
            -6 addr add fd76::1/64 dev r0 nodad
            -6 addr add fd79::1/64 dev r1 nodad
            -6 route add fd77::/64 via fd79::2
            -6 route add fd87::/64 via fd79::2""")
        self.server.ip("""
            link set lo up
            link set s0 up
            addr add 10.79.0.2/24 dev s0
            route add default via 10.79.0.1
            route add local 10.77.0.0/16 dev lo
            route add local 10.87.0.0/16 dev lo
            -6 addr add fd79::2/64 dev s0 nodad
            -6 route add default via fd79::1
""" + "".join(
            # IPv6 needs them configured: a routed one is never the source of an ICMP error
            f"-6 addr add fd{network}::{number:x}/128 dev lo nodad\n"
            for network in (77, 87) for number in range(1, ADDRESSES + 1)))
        # after they are up: a link that is down has no NAPI to thread
        self.client.asynchronous("c0")
        self.router.asynchronous("r0", "r1", "g0", "g1")
        self.server.asynchronous("s0")

    def _until_it_forwards(self):
        """Links come up asynchronously: wait for an answer on each path, in both families."""
        for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            deadline = time.monotonic() + 60
            while True:
                with self.client.socket(kind, socket.SOCK_STREAM) as sock:
                    sock.settimeout(0.5)
                    try:
                        error = sock.connect_ex((self.address(family), 1))
                    except TimeoutError:
                        error = None
                if error == 111:  # ECONNREFUSED: it got there and back
                    break
                if time.monotonic() > deadline:
                    raise NetError(f"IPv{family} does not get through: {error}")
                time.sleep(0.02)
