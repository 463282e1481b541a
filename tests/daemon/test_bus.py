# SPDX-License-Identifier: Apache-2.0
"""The daemon on D-Bus, on a private bus: every method, who may call it, what is signalled, and that
nothing depends on there being a bus."""

import json
import os
import pwd
import socket
import subprocess
import xml.etree.ElementTree as tree

import pytest

from daemon import ROOT, ms, seconds, unused_port
from process import poll_until
from real_servers import Redis
from system_bus import MANAGER, NAME, OPEN, PATH, BusError

XML = ROOT / "deploy/dbus/org.connhealth1.Manager.xml"
# Far beyond the test: nothing is attempted unless it is asked for.
NEVER = {"interval": "24h", "timeout": ms(2000)}


def group(*addresses, name="service", **extra):
    probes = {} if "heartbeat" in extra else {"connect": {}}
    return {"name": name, **probes, **extra, "static_configs": [{"targets": list(addresses)}]}


def closed_port():
    return f"127.0.0.1:{unused_port()}"


@pytest.fixture
def silent():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", unused_port())) as listener:
        yield "127.0.0.1:%d" % listener.getsockname()[1]


@pytest.fixture
def start(daemon, bus):
    """start(groups...): the daemon on a bus, and a client of that."""

    def make(*groups, template=None, **options):
        system = bus(template) if template else bus()
        watcher = daemon({"groups": list(groups), "sockets": {"interval": "1h"}},
                         environment=system.environment, **options)
        return watcher, system.wait_name(watcher), system

    return make


def plain(variants):
    """a{sv} as a dictionary of values."""
    return {key: value for key, (_, value) in variants.items()}


# --- reading


def members(interface):
    """{(tag, name): its arguments and direction, or its type}"""
    found = {}
    for member in interface:
        if member.tag in ("method", "signal"):
            arguments = tuple(
                (a.get("type"), a.get("name"), a.get("direction", "in" if member.tag == "method" else None))
                for a in member.findall("arg")
            )
            if member.tag == "signal":
                arguments = tuple(a[:2] for a in arguments)
            found[member.tag, member.get("name")] = arguments
        elif member.tag == "property":
            found[member.tag, member.get("name")] = (member.get("type"), member.get("access"))
    return found


def test_what_is_documented_is_what_introspection_shows(start):
    _, client, system = start()
    shown = subprocess.run(
        ["busctl", f"--address={system.address}", "introspect", "--xml-interface", NAME, PATH],
        capture_output=True, text=True, check=True, timeout=seconds(30),
    ).stdout
    interfaces = {i.get("name"): i for i in tree.fromstring(shown).findall("interface")}
    documented = tree.parse(XML).getroot().find("interface")
    assert documented.get("name") == MANAGER
    assert members(interfaces[MANAGER]) == members(documented)
    table = subprocess.run(
        ["busctl", f"--address={system.address}", "introspect", NAME, PATH],
        capture_output=True, text=True, check=True, timeout=seconds(30),
    )
    assert table.stderr == "" and ".ListTargets" in table.stdout
    assert client.get("Version")


def test_lists_and_properties(start, redis):
    closed = closed_port()
    watcher, client, _ = start(
        group(redis.address, closed, interval=ms(1000), timeout=ms(1000)),
        group("127.0.0.1:9", name="later", **NEVER),
    )
    watcher.wait_failure("connect", target=closed)
    watcher.wait_success("connect", target=redis.address)
    (rows,) = client.call("ListTargets")
    assert [row[:4] for row in rows] == [
        ("service", redis.address, "connect", "succeeding"),
        ("service", closed, "connect", "failing"),
        ("later", "127.0.0.1:9", "connect", "untried"),
    ]
    assert [row[6:] for row in rows] == [("", ""), ("refused", "port_closed"), ("", "")]
    assert rows[2][4:6] == (0, 0) and 0 < rows[1][4] <= rows[1][5]
    (failing,) = client.call("ListFailing")
    assert [row[1] for row in failing] == [closed]
    assert (client.get("NTargets"), client.get("NFailing")) == (3, 1)
    assert client.get("ConfigLoadedUSec") > 0


def test_one_target_with_all_that_is_known(start, redis):
    closed = closed_port()
    watcher, client, _ = start({
        "name": "service", "interval": ms(1000), "timeout": ms(1000), "connect": {}, "keepalive": {},
        "static_configs": [{"targets": [closed], "labels": {"team": "störage"}}],
    })
    watcher.wait_failure("connect")
    (found,) = client.call("GetTarget", "sss", "service", closed, "")
    assert [plain(one)["Probe"] for one in found] == ["connect", "keepalive"]
    (found,) = client.call("GetTarget", "sss", "service", closed, "connect")
    one = plain(found[0])
    assert one["Labels"] == {"team": "störage"}
    assert (one["State"], one["Category"], one["Cause"]) == ("failing", "refused", "port_closed")
    assert one["Failures"]["refused"] == one["Attempts"] >= 1
    assert one["Certain"] is True and one["Errno"] == "ECONNREFUSED" and closed in one["Detail"]


@pytest.mark.parametrize("arguments,error", [
    (("service", "127.0.0.1:9", "keepalive"), "org.connhealth1.Error.NoSuchTarget"),
    (("service", "127.0.0.1:8", ""), "org.connhealth1.Error.NoSuchTarget"),
    (("other", "127.0.0.1:9", ""), "org.connhealth1.Error.NoSuchTarget"),
    (("service", "127.0.0.1:9", "ping"), "org.freedesktop.DBus.Error.InvalidArgs"),
])
def test_no_such_target(start, arguments, error):
    _, client, _ = start(group("127.0.0.1:9", **NEVER))
    for method in ("GetTarget", "Probe"):
        with pytest.raises(BusError) as raised:
            client.call(method, "sss", *arguments)
        assert raised.value.name == error


def test_describe_answers_what_http_answers(start):
    closed = closed_port()
    watcher, client, _ = start(
        group(closed, "127.0.0.1:9", **NEVER), group("127.0.0.1:9", name="a b&c", **NEVER)
    )
    client.call("Probe", "sss", "service", closed, "")
    for resource in ("targets", "targets?group=service&target=" + closed, "targets?failing=true",
                     "targets?group=a+b%26c", "events", "events?limit=1", "categories"):
        (text,) = client.call("Describe", "s", resource)
        assert text.encode() == watcher.get("/api/v1/" + resource).body, resource
    assert len(json.loads(client.call("Describe", "s", "targets?group=a%20b%26c")[0])["targets"]) == 1
    (text,) = client.call("Describe", "s", "status")
    status = json.loads(text)
    assert status.keys() == watcher.json("/api/v1/status").keys()
    assert status["counts"]["targets"] == 3
    assert json.loads(client.call("Describe", "s", "sockets")[0])["details"] is True


@pytest.mark.parametrize("resource", [
    "", "nothing", "targets?grou=x", "targets?limit=1", "events?limit=0", "targets?failing=maybe",
    "status?group=x", "targets?group=a&group=b", "targets?group=%00", "/api/v1/targets",
])
def test_a_bad_resource_is_refused_with_a_reason(start, resource):
    _, client, _ = start()
    with pytest.raises(BusError) as raised:
        client.call("Describe", "s", resource)
    assert raised.value.name == "org.freedesktop.DBus.Error.InvalidArgs" and raised.value.message


# --- changing


def test_an_attempt_now(start, redis):
    closed = closed_port()
    watcher, client, _ = start(group(redis.address, closed, **NEVER))
    (found,) = client.call("Probe", "sss", "service", redis.address, "connect")
    one = plain(found[0])
    assert (one["State"], one["Attempts"]) == ("succeeding", 1) and one["LastDurationUSec"] > 0
    (found,) = client.call("Probe", "sss", "service", closed, "")
    one = plain(found[0])
    assert (one["State"], one["Category"], one["Attempts"]) == ("failing", "refused", 1)
    assert watcher.target("connect", target=redis.address)["attempts"] == 1


def test_an_attempt_that_hangs_is_answered_at_its_deadline(start, silent):
    heartbeat = {"send": "PING\r\n", "expect": "PONG"}
    watcher, client, _ = start(group(silent, heartbeat=heartbeat, interval="24h", timeout=ms(500)))
    # the second one comes while the first is under way: it gets an attempt of its own
    calls = [client.send("Probe", "sss", "service", silent, "heartbeat") for _ in range(2)]
    assert client.get("NTargets") == 1  # nobody else waits meanwhile
    for call in calls:
        (found,) = client.reply(call)
        assert plain(found[0])["Category"] == "timeout"
    assert 1 <= watcher.target("heartbeat")["attempts"] <= 2


def test_a_reload_cancels_what_it_removes(start, silent):
    heartbeat = {"send": "PING\r\n", "expect": "PONG"}
    watcher, client, _ = start(group(silent, heartbeat=heartbeat, interval="24h", timeout="1h"))
    call = client.send("Probe", "sss", "service", silent, "heartbeat")
    watcher.configure({"groups": []})
    client.call("Reload")
    with pytest.raises(BusError) as raised:
        client.reply(call)
    assert raised.value.name == "org.connhealth1.Error.Cancelled"


def test_reload_good_and_bad(start):
    watcher, client, _ = start(group("127.0.0.1:9", **NEVER))
    before = client.get("ConfigLoadedUSec")
    watcher.configure({"groups": [group("127.0.0.1:9", "127.0.0.1:10", **NEVER)]})
    assert client.call("Reload") == ()
    assert client.get("NTargets") == 2 and client.get("ConfigLoadedUSec") > before
    watcher.configure("groups: [{name: x, conect: {}}]\n")
    with pytest.raises(BusError) as raised:
        client.call("Reload")
    assert raised.value.name == "org.connhealth1.Error.BadConfiguration"
    assert "connhealthd.yml:1:" in raised.value.message and "conect" in raised.value.message
    assert client.get("NTargets") == 2


# --- who may


def as_nobody(system, *arguments):
    """busctl as a user who is not the daemon's and not root."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    user = pwd.getpwnam("nobody")
    return subprocess.run(
        [*sudo, "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
         "busctl", f"--address={system.address}", "--json=short", *arguments],
        capture_output=True, text=True, check=False, timeout=seconds(30), cwd="/",
    )


@pytest.mark.parametrize("template", [None, OPEN], ids=["policy", "daemon"])
def test_others_read_and_change_nothing(start, template):
    watcher, client, system = start(group("127.0.0.1:9", **NEVER), template=template)
    loaded = client.get("ConfigLoadedUSec")
    call = ("call", NAME, PATH, MANAGER)

    for arguments in (("ListTargets",), ("ListFailing",), ("Describe", "s", "status"),
                      ("GetTarget", "sss", "service", "127.0.0.1:9", "")):
        done = as_nobody(system, *call, *arguments)
        assert done.returncode == 0, done.stderr
    done = as_nobody(system, "get-property", NAME, PATH, MANAGER, "NTargets")
    assert json.loads(done.stdout)["data"] == 1
    done = as_nobody(system, *call, "Describe", "s", "sockets")
    assert json.loads(json.loads(done.stdout)["data"][0])["details"] is False

    for arguments in (("Reload",), ("Probe", "sss", "service", "127.0.0.1:9", "")):
        done = as_nobody(system, *call, *arguments)
        assert done.returncode != 0
        assert "Access denied" in done.stderr or "not permitted" in done.stderr, done.stderr
    assert client.get("ConfigLoadedUSec") == loaded
    assert watcher.target("connect")["attempts"] == 0


# --- being told


def test_changes_are_signalled(start, server):
    service = server(Redis)
    watcher, client, _ = start(group(service.address, interval=ms(1000), timeout=ms(1000)))
    client.subscribe(MANAGER)
    client.subscribe("org.freedesktop.DBus.Properties")
    watcher.wait_success("connect")
    service.kill()
    failed = client.wait_signal(lambda s: s.member == "TargetChanged" and not s.body[3]).body
    assert failed[:3] == ("service", service.address, "connect")
    assert failed[4:9] == ("refused", "connect", "rst", "port_closed", True)
    assert service.address in failed[9] and failed[10] > 0
    client.wait_signal(lambda s: s.member == "PropertiesChanged" and s.body[1].get("NFailing") == ("u", 1))
    service.start()
    works = client.wait_signal(lambda s: s.member == "TargetChanged" and s.body[3]).body
    assert works[:9] == ("service", service.address, "connect", True, "", "", "", "", True)
    client.wait_signal(lambda s: s.member == "PropertiesChanged" and s.body[1].get("NFailing") == ("u", 0))
    watcher.configure({"groups": []})
    client.call("Reload")
    client.wait_signal(lambda s: s.member == "PropertiesChanged" and s.body[1].get("NTargets") == ("u", 0))


def test_what_is_not_signalled_is_counted(start, tmp_path):
    """All fail at once: each change is a signal, or one of those that were lost."""
    count = 9000
    targets = tmp_path / "many.json"
    targets.write_text("[]")
    watcher, client, _ = start({
        "name": "many", "interval": ms(3000), "timeout": ms(3000), "connect": {},
        "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1h"}],
    })
    client.subscribe(MANAGER)
    port = unused_port()
    # 127.0.0.0/8 is all ours
    hosts = [f"127.1.{i // 250}.{i % 250 + 1}:{port}" for i in range(count)]
    fresh = tmp_path / "many.new"
    fresh.write_text(json.dumps([{"targets": hosts}]))
    fresh.rename(targets)

    told = 0

    def heard(signal):
        """Asked of each signal once."""
        nonlocal told
        if signal.member == "TargetChanged":
            told += 1
        elif signal.member == "ChangesLost":
            told += signal.body[0]
        return told >= count

    client.wait_signal(heard, limit=100)
    changed = [s for s in client.signals if s.member == "TargetChanged"]
    lost = sum(s.body[0] for s in client.signals if s.member == "ChangesLost")
    assert len(changed) + lost == count
    assert len({s.body[1] for s in changed}) == len(changed)
    assert watcher.process.running()


def test_a_long_list_lets_others_pass(start):
    """10,000 targets: a property asked for after the list is there before it."""
    hosts = [f"127.1.{i // 250}.{i % 250 + 1}:9" for i in range(10000)]
    watcher, client, _ = start(group(*hosts, **NEVER))
    overtaken = 0
    for _ in range(5):
        calls = [client.send("ListTargets"), client.send("Describe", "s", "targets?group=service")]
        quick = client.send("Get", "ss", MANAGER, "NTargets",
                            interface="org.freedesktop.DBus.Properties")
        order, replies = [], {}
        while len(replies) < 3:
            message = client.receive(seconds(60))
            if message is not None:
                serial = message.header.fields[5]
                order.append(serial)
                replies[serial] = message.body
        assert len(replies[calls[0]][0]) == 10000
        assert len(json.loads(replies[calls[1]][0])["targets"]) == 10000
        overtaken += order[0] == quick
    assert overtaken > 0
    assert watcher.get("/-/healthy").status == 200


def test_one_client_cannot_pile_up_work(start):
    hosts = [f"127.1.{i // 250}.{i % 250 + 1}:9" for i in range(3000)]
    _, client, system = start(group(*hosts, **NEVER))
    calls = [client.send("ListTargets") for _ in range(40)]
    assert len(system.client().call("ListTargets", limit=60)[0]) == 3000
    outcomes = []
    for call in calls:
        try:
            outcomes.append(len(client.reply(call, limit=60)[0]))
        except BusError as error:
            outcomes.append(error.name)
    assert set(outcomes) <= {3000, "org.freedesktop.DBus.Error.LimitsExceeded"}
    assert outcomes.count(3000) >= 8


# --- without a bus


def bus_lines(watcher):
    return [line for line in watcher.log() if "D-Bus" in line["msg"]]


def test_a_bus_that_goes_and_comes_back(start):
    watcher, client, system = start(group("127.0.0.1:9", **NEVER))
    assert client.get("NTargets") == 1
    for _ in range(2):
        lost = len(watcher.process.lines)
        system.stop()
        watcher.process.wait_line(lambda line: "connection is lost" in line, seconds(40), lost)
        assert watcher.get("/-/healthy").status == 200
        system.start()
        client = system.wait_name(watcher)
        assert client.get("NTargets") == 1
    said = lambda: [line["msg"] for line in bus_lines(watcher)]
    watcher.wait(lambda: said().count("on D-Bus") == 3)
    assert said().count("the D-Bus connection is lost") >= 1
    assert not [line for line in bus_lines(watcher) if line["level"] in ("warn", "error")]


def test_without_a_bus_one_line_says_so(daemon, redis):
    watcher = daemon({"groups": [group(redis.address, interval=ms(1000), timeout=ms(1000))]},
                     log_level="debug")

    def tried_again():
        return len(bus_lines(watcher)) >= 2

    poll_until(tried_again, seconds(40), "a second try")
    watcher.wait_success("connect")
    assert [line["level"] for line in bus_lines(watcher)].count("info") == 1
    assert {line["level"] for line in bus_lines(watcher)} == {"info", "debug"}


def test_a_name_that_somebody_else_has(daemon, bus):
    from jeepney import message_bus  # pylint: disable=import-outside-toplevel

    system = bus()
    other = system.client()
    other.connection.send_and_get_reply(message_bus.RequestName(NAME))
    watcher = daemon({"groups": []}, environment=system.environment)
    watcher.process.wait_line(lambda line: "does not give us our name" in line, seconds(40))
    other.connection.send_and_get_reply(message_bus.ReleaseName(NAME))
    assert system.wait_name(watcher).get("NTargets") == 0
    watcher.wait(lambda: [line["level"] for line in bus_lines(watcher)] == ["info", "info"])
