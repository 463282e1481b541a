# SPDX-License-Identifier: Apache-2.0
"""Prometheus, Alertmanager, connhealthd and a receiver of alerts, all in the client's network."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import threading
import urllib.parse

import scaled
from daemon import DAEMON, sanitizer_environment
from inside import InsideProcess
from process import poll_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
FACTOR = 12  # five minutes are 25 s
LIMIT = 150  # seconds; what is waited for comes much sooner


def program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed: deploy/install-packages test"
    return found


def unused_port(namespace):
    """One that the kernel gives out; nobody else is in the namespace to take it meanwhile."""
    with namespace.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _Connection(http.client.HTTPConnection):
    def __init__(self, namespace, port):
        super().__init__("127.0.0.1", port, timeout=30)
        self._namespace = namespace

    def connect(self):
        self.sock = self._namespace.socket()
        self.sock.settimeout(self.timeout)
        self.sock.connect((self.host, self.port))


class Program:
    """A program in the client's network that serves HTTP there."""

    ready = "/-/ready"

    def __init__(self, namespace, directory, argv, port):
        self.namespace = namespace
        self.port = port
        self.log = directory / f"{pathlib.Path(argv[0]).name}.log"
        self.process = InsideProcess(namespace, argv, sanitizer_environment(), self.log)
        poll_until(self.serves, LIMIT, f"{argv[0]} serves", every=0.1)

    def serves(self):
        assert self.process.running(), self.process.text
        try:
            return self.get(self.ready)[0] == 200
        except OSError:
            return False

    def get(self, path, **query):
        """(status, body)"""
        return self.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def request(self, method, path, body=None, headers=None):
        connection = _Connection(self.namespace, self.port)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def json(self, path, **query):
        status, body = self.get(path, **query)
        assert status == 200, f"{path} {query}: {status} {body[:500]}"
        return json.loads(body)

    def close(self):
        self.process.close()


class Prometheus(Program):
    def query(self, expression, time=None):
        """[(labels, value)]"""
        at = {"time": time} if time else {}
        result = self.json("/api/v1/query", query=expression, **at)["data"]["result"]
        return [(row["metric"], float(row["value"][1])) for row in result]


class Alertmanager(Program):
    """With the shipped configuration, made quicker."""

    def __init__(self, namespace, directory, webhook_port):
        port = unused_port(namespace)
        source = (ROOT / "deploy/prometheus/alertmanager.yml").read_text()
        config = directory / "alertmanager.yml"
        config.write_text(scaled.alertmanager(source, FACTOR, f"http://127.0.0.1:{webhook_port}/"))
        super().__init__(namespace, directory, [
            program("prometheus-alertmanager"), f"--config.file={config}",
            f"--storage.path={directory}/alertmanager", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}"], port)

    def alerts(self):
        return self.json("/api/v2/alerts")

    def post(self, alerts):
        """alerts: their labels."""
        status, body = self.request("POST", "/api/v2/alerts", json.dumps(
            [{"labels": labels} for labels in alerts]), {"Content-Type": "application/json"})
        assert status == 200, body


class Webhook:
    """Keeps what Alertmanager sends, in the order in which it came."""

    def __init__(self, namespace):
        self.alerts = []  # as sent, each with its status
        self.changed = threading.Condition()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.changed:
                    owner.alerts += body["alerts"]
                    owner.changed.notify_all()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler,
                                                       bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = namespace.socket()
        self._server.socket.bind(("127.0.0.1", 0))
        self._server.server_activate()
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def of(self, status):
        """{(alertname, group or host)}: all that ever came with this status."""
        with self.changed:
            return {name_of(alert) for alert in self.alerts if alert["status"] == status}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def name_of(alert):
    labels = alert["labels"]
    return labels["alertname"], labels.get("group") or labels.get("host") or ""


class Stack:
    """All of it, running. configuration: connhealthd's, as YAML."""

    def __init__(self, network, directory, configuration):
        self.namespace = network.client
        self.directory = directory
        self._undo = contextlib.ExitStack()
        try:
            self.webhook = self._enter(Webhook(self.namespace))
            self.daemon = self._daemon(configuration)
            self.alertmanager = self._enter(
                Alertmanager(self.namespace, directory, self.webhook.port))
            self.prometheus = self._prometheus()
        except BaseException:
            self._undo.close()
            raise

    def _enter(self, made):
        self._undo.callback(made.close)
        return made

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def _daemon(self, configuration):
        port = unused_port(self.namespace)
        config = self.write("connhealthd.yml", configuration)
        # a cgroup tree of its own, for its units: the network's own /sys has none
        argv = ["unshare", "--cgroup", "--mount", "sh", "-c",
                'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', "sh", DAEMON,
                f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        return self._enter(Program(self.namespace, self.directory, argv, port))

    def _prometheus(self):
        port = unused_port(self.namespace)
        source = (ROOT / "deploy/prometheus/connhealth.rules.yml").read_text()
        rules = self.write("rules.yml", scaled.rules(source, FACTOR))
        config = self.write("prometheus.yml", f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{self.alertmanager.port}"]}}]
scrape_configs:
  - job_name: connhealth
    static_configs: [{{targets: ["127.0.0.1:{self.daemon.port}"]}}]
""")
        return self._enter(Prometheus(self.namespace, self.directory, [
            program("prometheus"), f"--config.file={config}",
            f"--storage.tsdb.path={self.directory}/prometheus", f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn"], port))

    def close(self):
        self._undo.close()
