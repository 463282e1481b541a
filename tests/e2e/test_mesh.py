# SPDX-License-Identifier: Apache-2.0
"""The mesh of deploy/examples: two hosts, with the same files, probe each other."""

import contextlib
import shutil

import pytest
import yaml

from inside import InsideDaemon
from process import poll_until
from stack import LIMIT, ROOT

MESH = ROOT / "deploy/examples/mesh"
HOSTS = {"client": "10.76.0.2", "server": "10.79.0.2"}


@pytest.fixture
def mesh(network, tmp_path):
    """mesh(name, peers): the example on a host of that name; peers replace its own, if given."""
    with contextlib.ExitStack() as undo:
        def make(name, peers=None):
            directory = tmp_path / name
            shutil.copytree(MESH, directory)
            if peers:
                (directory / "targets.d/ssh.yml").unlink()
                (directory / "targets.d/peers.yml").write_text(
                    yaml.safe_dump([{"targets": [f"{host}:10338" for host in peers]}]))
            made = InsideDaemon(network, directory, (MESH / "connhealthd.yml").read_text(),
                                namespace=getattr(network, name))
            undo.callback(made.close)
            return made.start()

        yield make


def test_every_host_reaches_every_other(mesh):
    daemons = [mesh(name, HOSTS.values()) for name in HOSTS]
    wanted = {(group, f"{host}:10338") for group in ("mesh", "mesh-udp") for host in HOSTS.values()}
    for daemon in daemons:
        poll_until(lambda daemon=daemon: wanted == {
            (one["group"], one["target"]) for one in daemon.targets() if one["success"]},
            LIMIT, "every probe of the mesh succeeds", every=0.2)


def test_its_files_are_read(mesh):
    """Nothing is sent: the client has no route to the addresses of the example."""
    daemon = mesh("client")
    groups = [one["group"] for one in daemon.targets()]
    assert {group: groups.count(group) for group in groups} == {"mesh": 4, "mesh-udp": 4, "mesh-ssh": 4}
