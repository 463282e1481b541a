# SPDX-License-Identifier: Apache-2.0
"""What the collector counted goes on over a restart; systemd's store of descriptors is played by
manager.py."""

import pytest
from collector import ends_of, listener_of
from manager import Manager
from test_ends import reset_on_close, settled


@pytest.fixture
def manager():
    one = Manager()
    yield one
    one.close()


PEERS = [{"name": "here", "networks": ["127.0.0.0/8"]}]
ENDS = "connhealth_socket_ends_total"
COUNTERS = (
    ENDS, "connhealth_unit_retransmitted_segments_total", "connhealth_unit_rtt_seconds_bucket",
    "connhealth_unit_rtt_seconds_count", "connhealth_peer_retransmitted_segments_total",
    "connhealth_listener_drops_total", "connhealth_sockets_sweep_duration_seconds_count",
)


def counted(collector):
    return {(name, key): value for name in COUNTERS
            for key, value in collector.samples(name).items() if value > 0}


def drop_some(namespace, collector):
    """A listener whose full queue has dropped something, and will not any more: its port."""
    listener = namespace.listen(backlog=0)
    port = listener.getsockname()[1]
    clients = [namespace.connect(listener.getsockname(), wait=False) for _ in range(4)]
    collector.wait_for(lambda sweep: listener_of(sweep, port)["drops"] >= 1)
    for one in clients:
        one.close()
    return port


def retransmit(namespace, collector):
    pair = namespace.pair()
    collector.sweep()
    with namespace.silence(pair.port):
        pair.client.send(b"x")
        collector.wait_for(lambda _: collector.value(
            "connhealth_peer_retransmitted_segments_total", peer="here") >= 1)


def test_counters_of_sockets_go_on(namespace, collect, manager):
    first = collect(peers=PEERS, **manager.options())
    pair, late = namespace.pair(), namespace.pair()
    settled(pair)
    settled(late)
    first.sweep()
    reset_on_close(pair.client)
    pair.client.close()
    pair.server.close()
    first.wait_for(lambda sweep: ends_of(sweep).get("reset", 0) >= 1)
    retransmit(namespace, first)
    drop_some(namespace, first)
    before, resets = counted(first), first.value(ENDS, unit="", end="reset")
    assert {name for name, _ in before} == set(COUNTERS)
    first.stop()
    assert [name for name, _ in manager.store] == ["counters"]

    second = collect(peers=PEERS, **manager.options())
    now = counted(second)
    assert {key: value for key, value in before.items() if now.get(key, 0) < value} == {}
    assert second.value(ENDS, unit="", end="reset") == resets


def test_no_drop_is_counted_twice(namespace, collect, manager):
    first = collect(**manager.options())
    port = drop_some(namespace, first)
    drops = listener_of(first.sweep(), port)["drops"]
    first.stop()
    assert f"\ndrops {drops}\n" in manager.text()
    second = collect(**manager.options())
    assert listener_of(second.seen(), port)["drops"] == drops
