# SPDX-License-Identifier: Apache-2.0
"""Who sees who is connected to whom: the details of /api/v1/sockets."""

import base64
import json
import sys

import pytest

from certificates import bcrypt

ADDRESS, PORT = "192.0.2.53", 10337

ASK = """
import sys, urllib.request
address, authorization = sys.argv[1:]
request = urllib.request.Request(f"http://{address}/api/v1/sockets")
if authorization:
    request.add_header("Authorization", authorization)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


@pytest.fixture
def asked(network, inside, tmp_path):
    """asked(users, user, password): what a client sees that comes from an address of the network."""

    def ask(users, user=None, password=None, address=ADDRESS):
        (tmp_path / "web.yml").write_text(json.dumps({"basic_auth_users": users}))
        inside("groups: []\n", arguments=[
            f"--web.listen-address={address}:{PORT}", f"--web.config.file={tmp_path}/web.yml"])
        given = base64.b64encode(f"{user}:{password}".encode()).decode()
        said = network.client.run(sys.executable, "-c", ASK, f"{address}:{PORT}",
                                  f"Basic {given}" if user else "")
        return json.loads(said)

    network.client.run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
    yield ask
    network.client.run("ip", "address", "del", f"{ADDRESS}/32", "dev", "lo")


def test_not_everybody_sees_details(asked):
    answer = asked({})
    assert answer["details"] is False


def test_who_has_given_a_password_sees_details(asked):
    assert asked({"alice": bcrypt("secret")}, "alice", "secret")["details"] is True


def test_who_is_on_the_host_sees_details(asked):
    assert asked({}, address="127.0.0.1")["details"] is True
