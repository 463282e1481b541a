# SPDX-License-Identifier: Apache-2.0
"""The collector as a whole: without privileges, configured and reconfigured, and what it shows to
whom."""

import http.client
import json
import os
import pathlib
import pwd

from collector import (Collector, listener_of, needs_of_root, states_of, trouble_of,
                       unit_of)

UNPRIVILEGED = ["setpriv", "--reuid=nobody", f"--regid={pwd.getpwnam('nobody').pw_gid}",
                "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def test_without_any_capability(namespace, collect, tmp_path):
    """It sees everybody's sockets, and says what it would need to hear of every end."""
    pair = namespace.pair()
    privileged = collect()
    nobody = pwd.getpwnam("nobody")
    directory = tmp_path / "unprivileged"
    directory.mkdir()
    collector = Collector(directory, namespace, prefix=UNPRIVILEGED)
    try:
        for path in (directory, pathlib.Path(collector.socket).parent):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        for path in (tmp_path, *tmp_path.parents[:2]):
            path.chmod(0o755)
        collector.start()
        status = pathlib.Path(f"/proc/{collector.process.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        sweep = collector.sweep()
        assert states_of(sweep) == states_of(privileged.sweep())
        assert sweep["complete"] is True
        pair.client.close()
        pair.server.close()
        collector.wait_for(lambda seen: unit_of(seen)["ends"] == {"closed": 2})
        assert collector.json("/api/v1/status")["sockets"]["missing"] == [{
            "what": "event_buffer",
            "meaning": "the buffer for ends of connections is held to net.core.rmem_max: bursts may "
                       "be lost (they are counted)",
            "needs": "CAP_NET_ADMIN",
        }]
    finally:
        collector.close()
    assert privileged.missing() == needs_of_root()


def test_peers(namespace, collect):
    web = namespace.listen(port=20080)
    database = namespace.listen(port=20081)
    for listener in (web, web, database):
        namespace.pair(listener=listener)
    collector = collect(peers=[
        {"name": "web", "networks": ["127.0.0.0/8"], "ports": [20080]},
        {"name": "elsewhere", "networks": ["10.0.0.0/8", "fd00::/8"]},
        {"name": "rest", "networks": ["127.0.0.0/8"], "ports": [20081, 20082]},
    ])
    sweep = collector.seen()
    assert [(peer["peer"], peer["sockets"]) for peer in sweep["peers"]] == [
        ("web", {"established": 2}), ("elsewhere", {}), ("rest", {"established": 1}),
    ]
    assert collector.value("connhealth_peer_sockets", peer="web", state="established") == 2
    assert collector.value("connhealth_peer_sockets", peer="elsewhere", state="established") == 0
    assert collector.value("connhealth_peer_rtt_seconds_count", peer="web") == 2
    client = namespace.connect(("127.0.0.1", 20080))
    with namespace.silence(20080):
        client.send(b"x")
        collector.wait_for(
            lambda seen: seen["peers"][0]["retransmitted_segments"] >= 2)
    counted = collector.value("connhealth_peer_retransmitted_segments_total", peer="web")
    assert counted >= 2
    # Another configuration: the counter of a peer that stays goes on.
    collector.configure({"sockets": {"interval": "1h", "peers": [
        {"name": "web", "networks": ["127.0.0.0/8"]}]}})
    sweep = collector.wait_for(lambda seen: len(seen["peers"]) == 1 and seen)
    assert sweep["peers"][0]["sockets"]["established"] >= 4
    assert sweep["peers"][0]["retransmitted_segments"] >= counted


def test_listeners_switched_off(namespace, collect):
    pair = namespace.pair()
    collector = collect(listeners=False)
    sweep = collector.seen()
    assert sweep["listeners"] == []
    assert states_of(sweep)["ipv4", "listen"] == 1
    assert collector.samples("connhealth_listener_backlog") == {}
    # They still say whose a short connection was.
    pair.client.close()
    pair.server.close()
    collector.wait_for(lambda seen: unit_of(seen)["ends"] == {"closed": 2})


def test_switched_off_and_on(namespace, collector):
    namespace.pair()
    assert states_of(collector.sweep())
    collector.configure({"sockets": {"enabled": False}})
    collector.reload()
    collector.wait(lambda: collector.seen()["time"] is None, 60)
    assert collector.samples("connhealth_sockets") == {}
    assert collector.get("/-/healthy").status == 200
    collector.configure({"sockets": {"interval": "1h"}})
    collector.reload()
    collector.wait(lambda: collector.seen()["time"], 60)
    assert states_of(collector.seen())["ipv4", "established"] == 2


def test_it_sweeps_at_its_interval(collect):
    collector = collect(interval="100ms")
    times = set()
    collector.wait(lambda: times.add(collector.seen()["time"]) or len(times) >= 5, 60)
    count = collector.value("connhealth_sockets_sweep_duration_seconds_count")
    assert count >= 5


def ask(namespace, address, port):
    with namespace.entered():
        connection = http.client.HTTPConnection(address, port, timeout=10)
        connection.connect()
    connection.request("GET", "/api/v1/sockets")
    answer = json.load(connection.getresponse())
    connection.close()
    return answer


def worst(sweep, port):
    return trouble_of(listener_of(sweep, port), "close_wait")["worst"]


def test_addresses_of_peers_are_not_for_everybody(namespace, collect):
    namespace.run("ip", "address", "add", "10.9.8.7/32", "dev", "lo")
    pair = namespace.pair()
    pair.client.close()
    port = 10337  # in a namespace of its own it is certainly free
    collector = collect(listen=f"0.0.0.0:{port}")
    collector.wait_for(lambda sweep: trouble_of(listener_of(sweep, pair.port), "close_wait"))
    for sweep in (collector.seen(), ask(namespace, "127.0.0.1", port)):
        assert sweep["details"] is True
        assert worst(sweep, pair.port)["remote"] == f"127.0.0.1:{pair.client_port}"
    elsewhere = ask(namespace, "10.9.8.7", port)
    assert elsewhere["details"] is False
    assert "remote" not in json.dumps(elsewhere)
    assert f":{pair.client_port}" not in json.dumps(elsewhere)
    assert worst(elsewhere, pair.port)["age_seconds"] >= 0
    collector.configure({"sockets": {"interval": "1h"}, "web": {"expose_socket_details": True}})
    collector.reload()
    exposed = collector.wait(lambda: (lambda s: s["details"] and s)(
        ask(namespace, "10.9.8.7", port)), 60)
    assert worst(exposed, pair.port)["remote"] == f"127.0.0.1:{pair.client_port}"
