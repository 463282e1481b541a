# SPDX-License-Identifier: Apache-2.0
"""--web.config.file: TLS, clients' certificates, users, what happens to all that without a restart,
and that promtool takes the same files for good."""

import base64
import http.client
import pathlib
import shutil
import socket
import ssl
import statistics
import subprocess
import threading
import time

import pytest
import yaml

from certificates import Authority, bcrypt
from daemon import run_daemon, seconds, unused_port
from process import poll_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "ca")


@pytest.fixture(scope="module")
def server_pair(authority):
    return authority.issue("server", "serverAuth")


@pytest.fixture(scope="module")
def clients(authority, tmp_path_factory):
    """What a client may show, by name."""
    foreign = Authority(tmp_path_factory.mktemp("foreign"), "foreign")
    return {
        "none": None,
        "good": authority.issue("client", "clientAuth", "DNS:scraper.example"),
        "expired": authority.issue("late", "clientAuth", days=-1),
        "foreign": foreign.issue("client", "clientAuth"),
        "of a server": authority.issue("another", "serverAuth"),
    }


class Web:
    """A daemon with a web configuration, and a client of it over TCP."""

    def __init__(self, daemon, tmp_path, authority, server_pair):
        self.directory = tmp_path / "web"
        self.directory.mkdir()
        self.file = self.directory / "web.yml"
        for source, name in zip(server_pair, ("server.pem", "server.key")):
            shutil.copy(source, self.directory / name)
        shutil.copy(authority.certificate, self.directory / "ca.pem")
        self._daemon, self._authority = daemon, authority
        self.one, self.port, self.tls = None, unused_port(), False

    def write(self, configuration):
        text = configuration if isinstance(configuration, str) else yaml.safe_dump(configuration)
        self.replace("web.yml", text)
        return self

    def replace(self, name, content):
        """Whole, by rename, as certbot and editors do."""
        fresh = self.directory / f"{name}.new"
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.rename(self.directory / name)

    def start(self, configuration, *arguments):
        self.write(configuration)
        self.tls = "tls_server_config" in configuration
        self.one = self._daemon("groups: []\n", listen=f"127.0.0.1:{self.port}",
                                arguments=[f"--web.config.file={self.file}", *arguments])
        return self

    def context(self, pair=None, check=True, maximum=None):
        context = ssl.create_default_context(cafile=self._authority.certificate)
        if not check:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if pair:
            context.load_cert_chain(*pair)
        if maximum:
            context.maximum_version = maximum
        return context

    def connect(self, source=None, **options):
        """An http.client connection, not yet open."""
        arguments = {"timeout": seconds(100), "source_address": (source, 0) if source else None}
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port,
                                               context=self.context(**options), **arguments)
        return http.client.HTTPConnection("127.0.0.1", self.port, **arguments)

    def ask(self, user=None, path="/-/healthy", connection=None, method="GET", **options):
        """The answer, read; user is (name, password)."""
        own = connection is None
        connection = connection or self.connect(**options)
        try:
            connection.request(method, path, headers=authorization(user))
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            if own:
                connection.close()

    def status(self, *arguments, **options):
        return self.ask(*arguments, **options).status

    def metric(self, name):
        return self.one.value(f"connhealth_web_{name}")


def authorization(user):
    if user is None:
        return {}
    if isinstance(user, str):
        return {"Authorization": user}
    return {"Authorization": "Basic " + base64.b64encode(":".join(user).encode()).decode()}


@pytest.fixture
def web(daemon, tmp_path, authority, server_pair):
    return Web(daemon, tmp_path, authority, server_pair)


TLS = {"cert_file": "server.pem", "key_file": "server.key"}
ALICE = ("alice", "a secret of hers")
USERS = {"alice": bcrypt(ALICE[1]), "bob": bcrypt("of his")}


# --- users

def test_right_wrong_unknown_and_none(web):
    web.start({"tls_server_config": TLS, "basic_auth_users": USERS})
    answer = web.ask()
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    for path in ("/", "/metrics", "/-/ready", "/api/v1/targets", "/nowhere"):
        assert web.status(path=path) == 401
    assert web.status(ALICE) == 200
    assert web.status(ALICE, path="/nowhere") == 404
    assert web.status(ALICE, path="/metrics", method="HEAD") == 200
    assert web.status(("alice", "of his")) == 401
    assert web.status(("alice", "")) == 401
    assert web.status(("carol", ALICE[1])) == 401
    assert web.status(("bob", "of his"), source="127.0.0.2") == 200


@pytest.mark.parametrize("header", [
    "Basic", "Basic ", "Basic !", "Basic YQ==", "Basic " + "A" * 5000, "Bearer YWxpY2U6YQ==",
    "Basic YWxpY2U6YQA=", "basic\tYWxpY2U6YQ==", "Basic YWxpY2U6Y Q==",
])
def test_headers_that_are_none(web, header):
    web.start({"basic_auth_users": USERS})
    assert web.status(header) == 401


def test_a_unix_socket_of_owner_and_group_needs_no_password(web):
    web.start({"tls_server_config": TLS, "basic_auth_users": USERS})
    assert web.one.get("/metrics").status == 200


def threads_ns(pid, name):
    """Time on a processor of the threads of that name."""
    spent = [int((task / "schedstat").read_text().split()[0])
             for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
             if (task / "comm").read_text() == f"{name}\n"]
    assert spent, "there is no such thread"
    return sum(spent)


def auth_thread_ns(pid):
    return threads_ns(pid, "http-auth")


def spent_ns(web, name, source):
    """What one question with a wrong password costs the thread."""
    before = auth_thread_ns(web.one.process.pid)
    assert web.status((name, "wrong"), source=source) == 401
    return auth_thread_ns(web.one.process.pid) - before


def test_an_unknown_user_takes_as_long_as_a_wrong_password(web):
    """In the middle of several questions, asked in turn: what slows the processor down for a while
    slows all three down. The best of four, for it may do so for one alone."""
    web.start({"basic_auth_users": {"dear": bcrypt("x", 8), "cheap": bcrypt("x", 5)}})
    measures = []
    for number in range(4):
        rounds = [[spent_ns(web, name, f"127.0.{number}.{2 + place}")
                   for place, name in enumerate(("dear", "cheap", "nobody"))] for _ in range(5)]
        measures.append([statistics.median(spent) for spent in zip(*rounds)])
        if max(measures[-1]) < 1.6 * min(measures[-1]):
            return
    pytest.fail(f"they differ: {measures}")


def test_what_was_right_is_not_computed_again(web):
    web.start({"basic_auth_users": {"alice": bcrypt(ALICE[1], 8)}})
    assert web.status(ALICE) == 200
    before = auth_thread_ns(web.one.process.pid)
    for _ in range(20):
        assert web.status(ALICE) == 200
    assert auth_thread_ns(web.one.process.pid) - before < 5_000_000, "one takes thrice as much"


def guess_and_ask(web, source):
    """Much work for guesses, and meanwhile one who is known asks from there, too. What the guesses
    were answered before that, after it, and in the end."""
    answers = []

    def guess():
        answer = web.ask(("dear", "wrong"), source=source)
        answers.append((answer.status, answer.headers["Retry-After"]))

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        poll_until(lambda: len(answers) >= 3, seconds(60), "some are told to wait", every=0.001)
        before = list(answers)
        assert web.status(ALICE, source=source) == 200
        return before, list(answers), answers
    finally:
        for thread in threads:
            thread.join()


def test_known_users_are_served_while_hashes_are_computed(web):
    """Who is known does not wait, who guesses too much is told so. A guess is made dearer and dearer
    until it takes longer than the questions meanwhile: which of them a busy machine holds up, and
    for how long, nobody knows."""
    web.start({"basic_auth_users": USERS})
    assert web.status(ALICE) == 200
    seen = []
    for cost, source in ((10, "127.0.0.2"), (11, "127.0.0.3"), (12, "127.0.0.4"), (13, "127.0.0.5")):
        web.write({"basic_auth_users": {**USERS, "dear": bcrypt("x", cost)}})
        before, after, whole = guess_and_ask(web, source)
        seen.append((before, after, whole))
        if set(before) == {(429, "1")} and len(after) < 8 and (401, None) in whole:
            return
    pytest.fail(f"nobody waits, or everybody does: {seen}")


def test_who_guesses_is_told_to_wait(web):
    web.start({"basic_auth_users": USERS})
    statuses = []
    while 429 not in statuses and len(statuses) < 2000:
        statuses.append(web.status(("alice", f"guess {len(statuses)}"), source="127.0.0.2"))
    assert statuses[:10] == [401] * 10 and statuses[-1] == 429
    answer = web.ask(("alice", "another guess"), source="127.0.0.3")
    assert answer.status == 401, "others are not meant"


# --- without a restart

def test_changed_users_apply_to_the_next_request(web):
    web.start({"basic_auth_users": USERS})
    connection = web.connect()
    assert web.status(ALICE, connection=connection) == 200
    used = connection.sock
    web.write({"basic_auth_users": {"alice": bcrypt("a new one")}})
    assert web.status(ALICE, connection=connection) == 401
    assert web.status(("alice", "a new one"), connection=connection) == 200
    assert web.status(("bob", "of his"), connection=connection) == 401
    assert connection.sock is used
    connection.close()


def serial(connection):
    connection.connect()
    return connection.sock.getpeercert()["serialNumber"]


def test_a_changed_certificate_applies_to_the_next_connection(web, authority):
    web.start({"tls_server_config": TLS})
    old = web.connect()
    before = serial(old)
    certificate, key = authority.issue("renewed", "serverAuth")
    web.replace("server.key", key.read_bytes())  # half of it: they do not fit
    assert web.status() == 200
    web.replace("server.pem", certificate.read_bytes())
    new = web.connect()
    assert serial(new) != before
    assert web.status(connection=old) == web.status(connection=new) == 200
    for connection in (old, new):
        connection.close()
    assert web.metric("config_last_reload_successful") == 1
    assert web.metric("config_reload_failures_total") == 1


def test_a_bad_file_keeps_the_old_state_and_says_so_once(web):
    web.start({"basic_auth_users": USERS})
    web.write("basic_auth_users:\n  alice: nonsense\n")
    for _ in range(5):
        assert web.status(ALICE) == 200
    assert web.metric("config_last_reload_successful") == 0

    def errors():
        return [line for line in web.one.log() if line["level"] == "error"]

    poll_until(lambda: len(errors()) >= 2, seconds(40), "it is logged")
    assert f"{web.file}:2:3: basic_auth_users.alice:" in errors()[0]["error"]
    assert len(errors()) == 2
    web.write({"basic_auth_users": {"bob": USERS["bob"]}})
    assert web.status(ALICE) == 401
    assert web.metric("config_last_reload_successful") == 1
    web.file.unlink()
    assert web.status(("bob", "of his")) == 200
    assert web.metric("config_last_reload_successful") == 0
    assert web.metric("config_reload_failures_total") == 2


def test_tls_can_come_and_go(web):
    web.start({"basic_auth_users": {}})
    assert web.status() == 200
    web.write({"tls_server_config": TLS})
    web.tls = True
    assert web.status() == 200
    web.write({})
    web.tls = False
    assert web.status() == 200


# --- TLS

def test_an_expired_certificate_of_the_server_is_told_and_served(web, authority):
    """As Go does: it is the client that judges. The metric tells before it comes to that."""
    certificate, key = authority.issue("expired", "serverAuth", days=-1)
    web.replace("server.pem", certificate.read_bytes())
    web.replace("server.key", key.read_bytes())
    web.start({"tls_server_config": TLS})
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        web.ask()
    assert web.status(check=False) == 200
    assert 0 < web.metric("certificate_expiry_timestamp_seconds") < \
        web.one.value("process_start_time_seconds")


VERDICTS = {
    "NoClientCert": {"none", "good", "expired", "foreign", "of a server"},
    "RequestClientCert": {"none", "good", "expired", "foreign", "of a server"},
    "RequireAnyClientCert": {"good", "expired", "foreign", "of a server"},
    "VerifyClientCertIfGiven": {"none", "good"},
    "RequireAndVerifyClientCert": {"good"},
}


def is_let_in(web, pair, **options):
    try:
        return web.status(pair=pair, **options) == 200
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return False


@pytest.mark.parametrize("kind", VERDICTS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificates_of_clients(web, clients, kind, version):
    settings = {**TLS, "client_auth_type": kind}
    if kind != "NoClientCert":
        settings["client_ca_file"] = "ca.pem"
    web.start({"tls_server_config": settings})
    let_in = {name for name, pair in clients.items() if is_let_in(web, pair, maximum=version)}
    assert let_in == VERDICTS[kind]


@pytest.mark.parametrize("sans,expected", [
    (["other.example", "scraper.example"], True), (["other.example"], False),
    (["*.example"], False),
])
def test_names_that_clients_may_have(web, clients, sans, expected):
    web.start({"tls_server_config": {
        **TLS, "client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem",
        "client_allowed_sans": sans}})
    assert is_let_in(web, clients["good"]) is expected


def negotiated(web, **options):
    connection = web.connect(**options)
    connection.connect()
    try:
        return connection.sock.version(), connection.sock.cipher()[0]
    finally:
        connection.close()


def test_versions_and_ciphers(web):
    web.start({"tls_server_config": TLS})
    assert negotiated(web)[0] == "TLSv1.3"
    assert negotiated(web, maximum=ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
    web.write({"tls_server_config": {**TLS, "min_version": "TLS13"}})
    with pytest.raises(ssl.SSLError):
        negotiated(web, maximum=ssl.TLSVersion.TLSv1_2)
    web.write({"tls_server_config": {
        **TLS, "max_version": "TLS12",
        "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]}})
    assert negotiated(web) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")


def test_inline_certificates(web, authority, clients):
    read = {name: (web.directory / name).read_text() for name in ("server.pem", "server.key", "ca.pem")}
    web.start({"tls_server_config": {
        "cert": read["server.pem"], "key": read["server.key"], "client_ca": read["ca.pem"],
        "client_auth_type": "RequireAndVerifyClientCert"}})
    assert is_let_in(web, clients["good"]) and not is_let_in(web, None)


def test_who_speaks_no_tls_is_closed(web):
    web.start({"tls_server_config": TLS})
    with socket.create_connection(("127.0.0.1", web.port), seconds(40)) as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        try:
            while chunk := client.recv(4096):
                received += chunk
        except ConnectionError:
            pass
    assert b"HTTP/1.1 200" not in received
    assert web.status() == 200


def test_a_handshake_that_waits_costs_nothing(web):
    web.start({"tls_server_config": TLS})
    with socket.create_connection(("127.0.0.1", web.port), seconds(40)) as client:
        client.sendall(bytes.fromhex("16030102000100"))  # the start of a record
        assert web.status() == 200
        before = threads_ns(web.one.process.pid, "http")
        time.sleep(1)
        spent = threads_ns(web.one.process.pid, "http") - before
    assert spent < 300_000_000 * seconds(1), "a thread that spins takes all of a processor"


def test_a_large_answer_comes_whole_over_tls(web):
    web.start({"tls_server_config": TLS})
    connection = web.connect()
    for _ in range(5):
        answer = web.ask(path="/metrics", connection=connection)
        assert answer.status == 200 and b"connhealth_build_info" in answer.body
        assert b"process_start_time_seconds" in answer.body
    connection.close()


# --- the rest of the file

def test_headers(web):
    web.start({"http_server_config": {"headers": {
        "Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "deny",
        "Content-Security-Policy": "default-src 'self'"}}})
    headers = web.ask().headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Frame-Options"] == "deny"
    assert headers.get_all("Content-Security-Policy") == ["default-src 'self'"]
    assert headers["X-Content-Type-Options"] == "nosniff", "ours, where nothing is said"


def test_rate_limit_of_each_address(web):
    web.start({"rate_limit": {"interval": "1h", "burst": 3}})
    assert [web.status() for _ in range(4)] == [200, 200, 200, 429]
    answer = web.ask()
    assert 3500 <= int(answer.headers["Retry-After"]) <= 3600
    assert web.status(source="127.0.0.2") == 200
    assert web.one.get("/metrics").status == 200


HASH = USERS["alice"]
GOOD = [
    "", "{}", "tls_server_config: {}", "basic_auth_users: {}", "http_server_config: {http2: false}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, min_version: TLS13}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, curve_preferences: [CurveP256]}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem,"
    " client_auth_type: VerifyClientCertIfGiven}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, prefer_server_cipher_suites: false,"
    " cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}",
    "http_server_config: {headers: {X-Frame-Options: sameorigin, X-XSS-Protection: '1'}}",
    f"basic_auth_users: {{alice: '{HASH}', bob: '{HASH.replace('$2b$', '$2y$')}'}}",
]
BAD = [
    ("nonsense: 1", "nonsense: is no key"),
    ("tls_server_config: {cert_file: server.pem}", "has neither key_file nor key"),
    ("tls_server_config: {key_file: server.key}", "has neither cert_file nor cert"),
    ("tls_server_config: {cert_file: nowhere.pem, key_file: server.key}", "cert_file: cannot read"),
    ("tls_server_config: {cert_file: ca.pem, key_file: server.key}",
     "cert_file: cannot be used with its key"),
    ("tls_server_config: {cert_file: server.key, key_file: server.key}",
     "cert_file: cannot be used with its key"),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, min_version: TLS14}",
     'min_version: "TLS14" is not one of: TLS10, TLS11, TLS12, TLS13'),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: Always}",
     "client_auth_type: \"Always\" is not one of: NoClientCert"),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem}",
     "add client_auth_type: RequireAndVerifyClientCert"),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, cipher_suites: [ROT13]}",
     'cipher_suites[0]: "ROT13" is no name'),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, curve_preferences: [P-256]}",
     'curve_preferences[0]: "P-256" is no name'),
    ("http_server_config: {headers: {X-Frame-Options: maybe}}", "X-Frame-Options: is neither deny"),
    ("http_server_config: {headers: {X-Content-Type-Options: sniff}}", "is not nosniff"),
    ("http_server_config: {headers: {Server: mine}}", "headers.Server: is no key"),
    ("basic_auth_users: {alice: plain text}", "alice: is not a bcrypt hash"),
    ("basic_auth_users: [alice]", "is no mapping"),
]


def check(web, text):
    """(our verdict, what was said, promtool's verdict)."""
    web.write(text)
    configuration = web.directory / "connhealthd.yml"
    configuration.write_text("groups: []\n")
    ours = run_daemon("--config.check", f"--config.file={configuration}",
                      f"--web.config.file={web.file}")
    theirs = subprocess.run(["promtool", "check", "web-config", web.file], capture_output=True,
                            timeout=seconds(60), check=False)
    return ours.status == 0, ours, theirs.returncode == 0


@pytest.mark.parametrize("text", GOOD)
def test_what_promtool_takes_is_taken(web, text):
    good, ours, theirs = check(web, text)
    assert good and theirs, ours.stderr


@pytest.mark.parametrize("text,reason", BAD)
def test_what_promtool_refuses_is_refused_with_place_and_remedy(web, text, reason):
    good, ours, theirs = check(web, text)
    assert not good and not theirs
    assert ours.status == 2
    line, = ours.stderr.splitlines()
    assert line.startswith(f"{web.file}:1:") and reason in line


STRICTER = [  # what promtool lets pass, or does not know in every version, and cannot be meant
    ("tls_server_config: {min_version: TLS13}", "there is no TLS without"),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, min_version: TLS13,"
     " max_version: TLS12}", "min_version: is newer than max_version"),
    ("tls_server_config: {cert_file: server.pem, cert: x, key_file: server.key}",
     "stands beside cert; leave one of them out"),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, cipher_suites:"
     " [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]}",
     "list every cipher for each of the key exchanges"),
    ("tls_server_config: {cert_file: server.pem, key_file: server.key, client_allowed_sans: [a]}",
     "client_allowed_sans: needs client_auth_type"),
    (f"basic_auth_users: {{'a:b': '{HASH}'}}", "a colon ends the name"),
    (f"basic_auth_users: {{alice: '{HASH.replace('$04$', '$31$')}'}}", "a cost that is not from 4"),
    ("rate_limit: {interval: 1s, burst: 0}", "burst: \"0\" is out of range"),
    ("http_server_config: {headers: {X-XSS-Protection: \"a\\nb\"}}", "no header may hold"),
]


@pytest.mark.parametrize("text,reason", STRICTER)
def test_what_cannot_be_meant_is_refused(web, text, reason):
    good, ours, _ = check(web, text)
    assert not good and reason in ours.stderr


def test_every_error_comes_in_one_run(web):
    good, ours, _ = check(web, "nonsense: 1\nbasic_auth_users:\n  alice: x\n  bob: y\n")
    assert not good
    assert [line.removeprefix(f"{web.file}:").split(":")[0] for line in ours.stderr.splitlines()] == \
        ["1", "3", "4"]


def test_a_start_with_a_bad_file_is_refused(web):
    web.write("basic_auth_users: {alice: x}")
    configuration = web.directory / "connhealthd.yml"
    configuration.write_text("groups: []\n")
    ours = run_daemon(f"--config.file={configuration}", f"--web.config.file={web.file}",
                      f"--web.listen-address=127.0.0.1:{web.port}")
    assert ours.status == 2 and "bcrypt" in ours.stderr
