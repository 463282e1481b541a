# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "e2e"), os.path.join(TESTS, "net"), os.path.join(TESTS, "rules")]

import net  # noqa: E402  (found by the line above)
import story as tale  # noqa: E402


@pytest.fixture(scope="session")
def network():
    missing = net.requirements()
    if missing:
        pytest.fail(missing, pytrace=False)
    with net.Net() as made:
        yield made


@pytest.fixture(scope="session")
def story(network, tmp_path_factory):
    """The whole of it, told once; the tests look at what was seen."""
    told = tale.Story(network, tmp_path_factory.mktemp("story"))
    try:
        told.run()
        yield told
    finally:
        told.close()
