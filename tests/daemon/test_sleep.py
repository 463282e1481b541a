# SPDX-License-Identifier: Apache-2.0
"""Sleep and shutdown of the machine. login1 is a mock on the private bus: a machine that runs tests
cannot be put to sleep. It says what systemd-logind says, and waits for its lock as that does."""

import os
import select
import socket
import threading

import pytest
from jeepney import DBusAddress, HeaderFields, MessageType, message_bus, new_error
from jeepney import new_method_return, new_signal

from daemon import CALM, seconds, unused_port
from real_servers import Redis
from system_bus import OPEN
from test_servers import PING

LOGIN = DBusAddress("/org/freedesktop/login1", bus_name="org.freedesktop.login1",
                    interface="org.freedesktop.login1.Manager")


class MockLogin1:
    """Answers Inhibit with a pipe; a lock is held until the pipe's other end is closed."""

    def __init__(self, client):
        self.connection = client.connection
        self.locks = []
        self.calls = []
        self._changed = threading.Condition()
        self._ending = False
        reply = self.connection.send_and_get_reply(message_bus.RequestName(LOGIN.bus_name))
        assert reply.body == (1,)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._ending:
            try:
                message = self.connection.receive(timeout=0.2)
            except TimeoutError:
                continue
            if message.header.message_type != MessageType.method_call:
                continue
            if message.header.fields[HeaderFields.member] != "Inhibit":
                self.connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))
                continue
            ours, theirs = os.pipe()
            self.connection.send(new_method_return(message, "h", (theirs,)))
            os.close(theirs)
            with self._changed:
                self.calls.append(message.body)
                self.locks.append(ours)
                self._changed.notify_all()

    def close(self):
        self._ending = True
        self._thread.join(10)
        for lock in self.locks:
            os.close(lock)

    def wait_lock(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.locks) >= count, seconds(40))
            return self.locks[count - 1]

    def announce(self, member, value):
        self.connection.send(new_signal(LOGIN, member, "b", (value,)))

    def wait_released(self, lock):
        assert select.select([lock], [], [], seconds(40))[0], "the lock is still held"
        assert os.read(lock, 1) == b""


@pytest.fixture
def login(bus):
    system = bus(OPEN)
    mock = MockLogin1(system.client())
    mock.bus = system
    yield mock
    mock.close()


def configuration(address, responder=None):
    found = {
        "groups": [{
            "name": "service", "interval": CALM, "timeout": CALM, "connect": {},
            "heartbeat": dict(PING), "keepalive": {},
            "static_configs": [{"targets": [address]}],
        }],
        "sockets": {"interval": "1h"},
    }
    if responder:
        found["responder"] = {"listen": [responder]}
    return found


def attempts(watcher):
    return {t["probe"]: t["attempts"] for t in watcher.targets()}


def failures(watcher):
    return {t["probe"]: sum(t["failures"].values()) for t in watcher.targets()}


def test_a_sleep_is_no_outage(daemon, login, server):
    service = server(Redis)
    watcher = daemon(configuration(service.address), environment=login.bus.environment)
    first = login.wait_lock(1)
    assert login.calls[0][0] == "sleep:shutdown" and login.calls[0][3] == "delay"
    for probe in ("connect", "heartbeat", "keepalive"):
        watcher.wait_success(probe)
    assert watcher.target("heartbeat")["connection"]["established"] is True
    before = failures(watcher)
    opens = watcher.value("connhealth_connection_opens_total", probe="heartbeat")

    login.announce("PrepareForSleep", True)
    login.wait_released(first)
    # nothing is held and nothing attempted: the service may go and come back unnoticed
    assert watcher.target("heartbeat")["connection"]["established"] is False
    asleep = attempts(watcher)
    service.kill()
    service.start()
    watcher.configure(configuration(service.address))
    assert watcher.reload() is True
    assert attempts(watcher) == asleep

    login.announce("PrepareForSleep", False)
    login.wait_lock(2)  # the next sleep will wait for us again
    for probe in ("connect", "heartbeat", "keepalive"):
        watcher.wait_success(probe)
    assert failures(watcher) == before
    assert watcher.value("connhealth_connection_opens_total", probe="heartbeat") == opens + 1
    said = [line["msg"] for line in watcher.log()]
    assert said.count("the machine goes to sleep, probing rests") == 1
    assert said.count("probing goes on") == 1  # both came seconds ago


def test_a_shutdown_says_goodbye_and_may_be_called_off(daemon, login, redis):
    port = unused_port()
    watcher = daemon(configuration(redis.address, f"127.0.0.1:{port}"),
                     environment=login.bus.environment)
    peer = daemon({"groups": [{
        "name": "native", "interval": CALM, "timeout": CALM, "heartbeat": {},
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]})
    lock = login.wait_lock(1)
    peer.wait_success("heartbeat")
    watcher.wait_success("connect")

    login.announce("PrepareForShutdown", True)
    login.wait_released(lock)
    peer.wait(lambda: any(e["cause"] == "peer_shutdown" for e in peer.events()), what="a goodbye")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    watcher.wait_success("connect")  # what we watch, we watch to the end

    login.announce("PrepareForShutdown", False)
    login.wait_lock(2)
    peer.wait_success("heartbeat")


def test_a_stop_at_rest_is_as_quick_as_any(daemon, login, redis):
    watcher = daemon(configuration(redis.address), environment=login.bus.environment)
    lock = login.wait_lock(1)
    watcher.wait_success("connect")
    login.announce("PrepareForSleep", True)
    login.wait_released(lock)
    watcher.stop()


def test_login1_that_comes_later_is_asked_for_its_lock(daemon, bus, redis):
    system = bus(OPEN)
    watcher = daemon(configuration(redis.address), environment=system.environment)
    system.wait_name(watcher)
    mock = MockLogin1(system.client())
    try:
        mock.wait_lock(1)
    finally:
        mock.close()
