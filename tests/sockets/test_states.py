# SPDX-License-Identifier: Apache-2.0
"""Sockets in every state, made on purpose, counted as they are and as ss(8) counts them."""

import contextlib
import socket

import linux
from collector import listener_of, states_of, unit_of
from process import poll_until

# ss(8)'s names of the states; it does not list sockets that are only bound.
SS = {
    "ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_recv",
    "FIN-WAIT-1": "fin_wait1", "FIN-WAIT-2": "fin_wait2", "TIME-WAIT": "time_wait",
    "CLOSE-WAIT": "close_wait", "LAST-ACK": "last_ack", "LISTEN": "listen", "CLOSING": "closing",
}


def wait_state(sock, state):
    poll_until(lambda: linux.tcp_info(sock)["state"] == state, 60, state)


def closing(namespace, faults):
    """CLOSING: both FINs cross, and only one comes through, the answers do not."""
    pair = namespace.pair()
    # Until the faults end, what the client sends is lost; the server's FIN is sent again.
    faults.enter_context(namespace.rules(f"tcp dport {pair.port} drop"))
    with namespace.rules(f"tcp sport {pair.port} drop"):
        pair.client.shutdown(socket.SHUT_WR)
        pair.server.shutdown(socket.SHUT_WR)
    wait_state(pair.client, "CLOSING")
    return pair


def last_ack(namespace):
    pair = namespace.pair()
    pair.client.shutdown(socket.SHUT_WR)
    wait_state(pair.server, "CLOSE_WAIT")
    return pair


def test_every_state_is_counted_as_it_is(namespace, collector):
    namespace.pair()
    with contextlib.ExitStack() as faults:
        closing(namespace, faults)
        last = last_ack(namespace)
        fin_wait = namespace.pair()  # its FIN will not get through
        namespace.listen(port=30000)
        namespace.listen(port=31000)
        faults.enter_context(namespace.rules(
            f"tcp dport {{ {fin_wait.port}, {last.client_port}, 30000 }} drop"))
        faults.enter_context(namespace.half_made(31000))
        last.server.shutdown(socket.SHUT_WR)
        fin_wait.client.shutdown(socket.SHUT_WR)
        namespace.connect(("127.0.0.1", 30000), wait=False)
        namespace.connect(("127.0.0.1", 31000))
        half_closed = namespace.pair()
        half_closed.client.shutdown(socket.SHUT_WR)
        wait_state(half_closed.server, "CLOSE_WAIT")
        wait_state(half_closed.client, "FIN_WAIT2")
        over = namespace.pair()
        over.client.close()
        wait_state(over.server, "CLOSE_WAIT")
        over.server.close()
        bound = namespace.socket()
        bound.bind(("127.0.0.1", 32000))
        wait_state(last.server, "LAST_ACK")
        wait_state(fin_wait.client, "FIN_WAIT1")

        before = namespace.ss()
        sweep = collector.sweep()
        after = namespace.ss()
        assert before == after, "the states were to stay as they are"
        seen = states_of(sweep)
        assert seen.pop(("ipv4", "close")) == 1, "the socket that is only bound"
        assert seen == {(family, SS[state]): n for (family, state), n in after.items()}
        for state in SS.values():
            assert seen.get(("ipv4", state), 0) >= 1, f"there is none in {state}: {seen}"
        # all that is known here belongs to one unit, and its sums are the same
        units = {}
        for unit in sweep["units"]:
            for state, count in unit["sockets"].items():
                units[state] = units.get(state, 0) + count
        assert units == {state: n for (_, state), n in seen.items()} | {"close": 1}


def test_a_half_made_connection_belongs_to_its_listener(namespace, collector):
    listener = namespace.listen()
    port = listener.getsockname()[1]
    with namespace.half_made(port):
        namespace.connect(("127.0.0.1", port))
        sweep = collector.sweep()
    assert states_of(sweep)["ipv4", "syn_recv"] == 1
    assert listener_of(sweep, port)["connections"]["syn_recv"] == 1


def test_dual_stack_sockets_are_counted_once_by_their_addresses(namespace, collector):
    listener = namespace.listen("::")
    port = listener.getsockname()[1]
    namespace.connect(("127.0.0.1", port))
    namespace.connect(("::1", port))
    for _ in range(2):
        namespace.accept(listener)
    sweep = collector.sweep()
    assert states_of(sweep) == {
        ("ipv6", "listen"): 1, ("ipv4", "established"): 2, ("ipv6", "established"): 2,
    }
    assert states_of(sweep) == {(f, SS[s]): n for (f, s), n in namespace.ss().items()}
    assert listener_of(sweep, port)["connections"] == {"established": 2}


def test_udp_is_connected_or_not(namespace, collector):
    unconnected = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    unconnected.bind(("127.0.0.1", 5000))
    connected = namespace.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    connected.connect(("::1", 5001))
    mapped = namespace.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    mapped.connect(("::ffff:127.0.0.1", 5000))
    mapped.send(b"x" * 100)
    poll_until(lambda: linux.unread(unconnected), 60, "it has come")
    sweep = collector.sweep()
    assert states_of(sweep, "udp") == {
        ("ipv4", "unconnected"): 1, ("ipv6", "connected"): 1, ("ipv4", "connected"): 1,
    }
    # what an skb takes, not its payload (sk_rmem_alloc)
    assert unit_of(sweep)["receive_queue_bytes"] >= 100


def test_metrics_say_the_same(namespace, collector):
    namespace.pair()
    sweep = collector.sweep()
    for (family, state), count in states_of(sweep).items():
        assert collector.value("connhealth_sockets", family=family, protocol="tcp",
                               state=state) == count
    assert collector.value("connhealth_sockets", family="ipv6", protocol="tcp",
                           state="established") == 0
    assert collector.value("connhealth_sockets_sweep_duration_seconds_count") >= 2
