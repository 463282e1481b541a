# SPDX-License-Identifier: Apache-2.0
"""connhealthd.service of a machine, as an operator sees it."""

import json
import pathlib

from process import poll_until

CONFIGURATION = "/etc/connhealthd/connhealthd.yml"
UNIT = "connhealthd.service"
WAIT = 30  # seconds for what takes some milliseconds on a machine that has nothing else to do


class Service:
    def __init__(self, machine):
        self.machine = machine

    def install(self, package):
        """What dpkg says; a configuration file that was changed stays, without a question."""
        inside = self.machine.path("/root/connhealthd.deb")
        inside.write_bytes(pathlib.Path(package).read_bytes())
        return self.machine.ok(
            "dpkg", "--force-confold", "--install", "/root/connhealthd.deb", timeout=180
        )

    def systemctl(self, verb):
        return self.machine.run("systemctl", verb, UNIT, timeout=120)

    def restart(self):
        result = self.systemctl("restart")
        assert result.status == 0, result

    def show(self, *properties):
        return self.machine.show(UNIT, *properties)

    @property
    def pid(self):
        """Of its main process, as the machine numbers it."""
        return int(self.show("MainPID")["MainPID"])

    def configure(self, text):
        self.machine.write(CONFIGURATION, text)

    def drop_in(self, name, text):
        """Lines for [Service] in a drop-in; "" takes it away."""
        path = f"/etc/systemd/system/{UNIT}.d/{name}.conf"
        if text:
            self.machine.write(path, f"[Service]\n{text}\n")
        else:
            self.machine.path(path).unlink(missing_ok=True)
        self.machine.ok("systemctl", "daemon-reload")

    def get(self, path, *arguments):
        return self.machine.ok("curl", "-sS", "--fail-with-body", "--max-time", "30", *arguments,
                               f"http://127.0.0.1:10337{path}")

    def json(self, path):
        return json.loads(self.get(path))

    def metric(self, series):
        """The value of one series, named with its labels; None if it is not there."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None

    def await_metric(self, series, wanted):
        return poll_until(lambda: wanted(self.metric(series)), WAIT, series, every=0.1)

    def await_started_after(self, since):
        """Until the service was started by systemd itself after a moment of its clock."""

        def started():
            state = self.show("ActiveState", "SubState", "ActiveEnterTimestampMonotonic")
            return (
                state["SubState"] == "running"
                and int(state["ActiveEnterTimestampMonotonic"]) > since
            )

        poll_until(started, WAIT, "the service runs again", every=0.1)
