# SPDX-License-Identifier: Apache-2.0
"""Servers that nobody here wrote, as their packages bring them: each in the foreground, on a port
and in a directory of its own."""

import glob
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request

from daemon import unused_port
from process import Process, poll_until


def account(name):
    """Who a server runs as that refuses to be root; None when the tests are not root either."""
    return pwd.getpwnam(name) if os.geteuid() == 0 else None


def program(name):
    """Debian puts daemons where a user's PATH may not look."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed: deploy/install-packages test"
    return found


class Server:
    """One server. A subclass says what to run and when it serves."""

    user = None
    kind = socket.SOCK_STREAM
    forks = False

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="connhealth-server-"))
        if self.user:
            os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        self.port = unused_port(self.kind)
        self.process = None
        self.prepare()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def prepare(self):
        """Writes what the server reads."""

    def command(self):
        raise NotImplementedError

    def write(self, name, text, mode=0o644):
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def serves(self):
        """Whether a client is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True

    def start(self):
        if self.process is not None:
            self.process.close()
        self.process = Process(self.command(), user=self.user, cwd=self.directory)

        def up():
            assert self.process.running(), f"{self.argv0()} ended:\n{self.process.text}"
            try:
                return self.serves()
            except OSError:
                return False

        poll_until(up, 60, f"{self.argv0()} serves")
        return self

    def argv0(self):
        return pathlib.Path(self.command()[0]).name

    def kill(self):
        self.process.kill(self.forks)

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def close(self):
        if self.process is not None:
            self.process.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis(Server):
    def command(self):
        return [program("redis-server"), "--port", self.port, "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--dir", self.directory]


class Nginx(Server):
    """settings: lines for the server block."""

    def __init__(self, settings=""):
        self.settings = settings
        super().__init__()

    def prepare(self):
        temporary = "\n".join(
            f"{kind}_temp_path {self.directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.write("nginx.conf", f"""
            daemon off;
            master_process off;
            pid {self.directory}/pid;
            error_log stderr;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                {temporary}
                server {{
                    listen 127.0.0.1:{self.port};
                    {self.settings}
                    location / {{ return 200 "fine"; }}
                }}
            }}
        """)

    def command(self):
        return [program("nginx"), "-e", "stderr", "-p", self.directory, "-c", "nginx.conf"]


class Sshd(Server):
    """As an ordinary user: it needs no privileges to greet. grace: LoginGraceTime, 0 for ever."""

    user = account("nobody")
    forks = True

    def __init__(self, grace=0):
        self.grace = grace
        super().__init__()

    def prepare(self):
        key = self.directory / "key"
        subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.write("key", key.read_text(), 0o600)
        self.write("config", f"""
ListenAddress 127.0.0.1:{self.port}
HostKey {self.directory}/key
PidFile none
UsePAM no
LoginGraceTime {self.grace}
MaxStartups 100
""")

    def command(self):
        return [program("sshd"), "-D", "-e", "-f", self.directory / "config"]


# A query for probe.test IN A with the id 0x2a2a, and the answer that a server
# which has 192.0.2.7 for it gives (RFC 1035, 4.1); the name is repeated by a pointer.
DNS_QUERY = (
    "2a2a 0100 0001 0000 0000 0000"
    " 05 70726f6265 04 74657374 00 0001 0001"
)
DNS_ANSWER_STARTS = r"^\x2a\x2a\x85\x80\x00\x01\x00\x01"


class Dnsmasq(Server):
    kind = socket.SOCK_DGRAM

    def command(self):
        return [program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null",
                f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces",
                "--no-resolv", "--no-hosts", "--address=/probe.test/192.0.2.7",
                "--log-facility=-", "--pid-file=", f"--user={pwd.getpwuid(os.geteuid()).pw_name}"]

    def serves(self):
        return bool(self.ask())

    def ask(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)  # who does not listen is told at once
            client.connect(("127.0.0.1", self.port))
            client.send(bytes.fromhex(DNS_QUERY))
            return client.recv(512)


# postgresql's protocol, "SSLRequest": length 8, code 80877103
SSL_REQUEST = "00000008 04d2162f"


class Postgres(Server):
    user = account("postgres")
    forks = True

    def prepare(self):
        self.data = self.directory / "data"
        self.binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        as_user = ["setpriv", "--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid),
                   "--clear-groups"] if self.user else []
        subprocess.run(
            [*as_user, f"{self.binaries}/initdb", "--no-sync", "--auth=trust", "--no-locale",
             "--encoding=UTF8", "-D", self.data],
            check=True, cwd=self.directory, stdout=subprocess.DEVNULL)

    def command(self):
        return [f"{self.binaries}/postgres", "-D", self.data, "-p", self.port,
                "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}",
                "-c", "fsync=off", "-c", "authentication_timeout=60s"]

    def serves(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(bytes.fromhex(SSL_REQUEST))
            return client.recv(1) in (b"N", b"S")


class Prometheus(Server):
    """Scrapes targets (HOST:PORT) every second."""

    def __init__(self, targets):
        self.targets = targets
        super().__init__()

    def prepare(self):
        self.write("prometheus.yml", f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: connhealth
    static_configs: [{{targets: {list(self.targets)}}}]
""")

    def command(self):
        return [program("prometheus"), f"--config.file={self.directory}/prometheus.yml",
                f"--storage.tsdb.path={self.directory}/tsdb", f"--web.listen-address={self.address}",
                "--log.level=warn"]

    def serves(self):
        with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
            return answer.status == 200

    def get(self, path, **query):
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """An instant query: [(labels, value)]."""
        result = self.get("/api/v1/query", query=expression)["result"]
        return [(row["metric"], float(row["value"][1])) for row in result]
