# SPDX-License-Identifier: Apache-2.0
"""A system bus of a test's own: dbus-daemon on a socket in a directory that every user may enter,
with the policy that Debian's has (nobody owns a name, nobody is called) and ours on top."""

import collections
import os
import pathlib
import shutil
import tempfile
import time

from jeepney import DBusAddress, HeaderFields, MatchRule, MessageType, message_bus, new_method_call
from jeepney.io.blocking import open_dbus_connection

from daemon import ROOT, seconds
from process import Process, poll_until

NAME = "org.connhealth1"
PATH = "/org/connhealth1"
MANAGER = "org.connhealth1.Manager"
POLICY = ROOT / "deploy/dbus/org.connhealth1.conf"

# As in /usr/share/dbus-1/system.conf, but for what a bus for all users needs: another user to run
# as, services to start. Whoever runs the tests may own names: here that may not be root.
STRICT = """
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
  <policy user="{user}">
    <allow own="*"/>
    <allow send_destination="*"/>
  </policy>
</busconfig>
"""

# A bus that lets everything through, so that only the daemon itself refuses.
OPEN = """
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


Signal = collections.namedtuple("Signal", "member body")


class Client:
    """One connection, with the signals that came over it."""

    def __init__(self, address):
        self.connection = open_dbus_connection(address, enable_fds=True, auth_timeout=seconds(40))
        self.signals = []
        self._replies = {}

    def close(self):
        self.connection.close()

    def send(self, member, signature=None, *arguments, interface=MANAGER, name=NAME, path=PATH):
        message = new_method_call(
            DBusAddress(path, bus_name=name, interface=interface), member, signature, arguments
        )
        message.header.serial = next(self.connection.outgoing_serial)
        self.connection.send(message, serial=message.header.serial)
        return message.header.serial

    def receive(self, limit):
        """One message; signals are kept, and None is returned for them."""
        message = self.connection.receive(timeout=limit)
        if message.header.message_type == MessageType.signal:
            self.signals.append(Signal(message.header.fields[HeaderFields.member], message.body))
            return None
        return message

    def reply(self, serial, limit=40):
        deadline = time.monotonic() + seconds(limit)
        while serial not in self._replies:
            message = self.receive(deadline - time.monotonic())
            if message is not None:
                self._replies[message.header.fields.get(HeaderFields.reply_serial)] = message
        return body_of(self._replies.pop(serial))

    def call(self, member, signature=None, *arguments, limit=40, **options):
        return self.reply(self.send(member, signature, *arguments, **options), limit)

    def get(self, name):
        (_, value), = self.call("Get", "ss", MANAGER, name,
                                interface="org.freedesktop.DBus.Properties")
        return value

    def subscribe(self, interface, path=PATH):
        rule = MatchRule(type="signal", interface=interface, path=path)
        body_of(self.connection.send_and_get_reply(message_bus.AddMatch(rule)))

    def wait_signal(self, wanted, limit=40):
        """The first signal, of all that came, for which wanted(signal) is true."""
        deadline = time.monotonic() + seconds(limit)
        seen = 0
        while True:
            for signal in self.signals[seen:]:
                if wanted(signal):
                    return signal
            seen = len(self.signals)
            self.receive(deadline - time.monotonic())


def body_of(message):
    if message.header.message_type == MessageType.error:
        text = message.body[0] if message.body else ""
        raise BusError(message.header.fields[HeaderFields.error_name], text)
    return message.body


class Bus:
    def __init__(self, template=STRICT):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="connhealth-bus-"))
        self.directory.chmod(0o755)
        self.socket = self.directory / "socket"
        self.address = f"unix:path={self.socket}"
        self.environment = {"DBUS_SYSTEM_BUS_ADDRESS": self.address}
        (self.directory / "bus.conf").write_text(
            template.format(socket=self.socket, policy=POLICY, user=os.geteuid())
        )
        self.process = None
        self._clients = []
        self._past = []

    def start(self):
        self.process = Process(
            ["dbus-daemon", f"--config-file={self.directory}/bus.conf", "--nofork", "--nopidfile",
             "--print-address"],
        )
        self.process.wait_line(lambda line: line.startswith("unix:"), seconds(40))
        return self

    def stop(self):
        for client in self._clients:
            client.close()
        self._clients = []
        if self.process is not None:
            self.process.close()
            self._past.append(self.process)
            self.process = None
            self.socket.unlink(missing_ok=True)

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self):
        self._clients.append(Client(self.address))
        return self._clients[-1]

    def wait_name(self, daemon, name=NAME):
        """Waits until the daemon has its name; a client that may be asked at once."""
        client = self.client()

        def owned():
            assert daemon.process.running(), daemon.log_text
            reply = client.connection.send_and_get_reply(message_bus.NameHasOwner(name))
            return body_of(reply)[0]

        poll_until(owned, seconds(40), f"{name} is on the bus")
        return client
