# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import net  # noqa: E402  (found by the line above)
from inside import InsideDaemon  # noqa: E402

PORT = 7000


@pytest.fixture(scope="session")
def say(pytestconfig):
    """Prints a line, whatever becomes of the tests."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(line=""):
        with capture.global_and_fixture_disabled():
            print(line, flush=True)
    return write


@pytest.fixture
def inside(network, tmp_path):
    """inside(configuration, namespace=..., ...): connhealthd in a namespace, the client's unless
    said otherwise; see inside.InsideDaemon."""
    with contextlib.ExitStack() as stack:
        def make(configuration, **options):
            directory = tmp_path / f"daemon{network.number()}"
            directory.mkdir()
            made = InsideDaemon(network, directory, configuration, **options)
            stack.callback(made.close)
            return made.start()

        yield make


@pytest.fixture
def serve(network):
    """serve(family, ...): a fault server on an address of its own, (address, server)."""
    with contextlib.ExitStack() as stack:
        def make(family=4, address=None, **options):
            address = address or network.address(family)
            return address, stack.enter_context(network.server.spawn(
                "servers:serve", address=address, port=PORT, **options))

        yield make


@pytest.fixture(scope="session")
def network():
    """One client, router and server for all tests; each case takes addresses of its own."""
    missing = net.requirements()
    if missing:
        pytest.fail(missing, pytrace=False)
    with net.Net() as made:
        yield made
