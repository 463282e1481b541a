# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import net  # noqa: E402  (found by the line above)


@pytest.fixture(scope="session")
def network():
    """One client, router and server for all tests; each case takes addresses of its own."""
    missing = net.requirements()
    if missing:
        pytest.fail(missing, pytrace=False)
    with net.Net() as made:
        yield made
