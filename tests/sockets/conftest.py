# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a network namespace of the test's own, and connhealthd inside it."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "net")]

from collector import Collector  # noqa: E402  (found by the line above)
from daemon import DAEMON  # noqa: E402
from namespace import Namespace  # noqa: E402


def pytest_sessionstart():
    if not DAEMON.exists():
        pytest.exit(f"{DAEMON} is not built: tests/run builds it", returncode=1)
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces: they need root", returncode=1)


@pytest.fixture
def namespace():
    with Namespace() as made:
        yield made


@pytest.fixture
def collect(tmp_path, namespace):
    """collect(**sockets): connhealthd in the namespace, with these keys of `sockets`. It has swept
    once. Without an interval it sweeps only when the test says so."""
    made = []

    def make(**options):
        directory = tmp_path / f"daemon{len(made)}"
        directory.mkdir()
        made.append(Collector(directory, namespace, **options))
        made[-1].start()
        return made[-1]

    yield make
    errors = []
    for one in reversed(made):
        try:
            one.close()
        except AssertionError as error:
            errors.append(str(error))
    assert not errors, "\n".join(errors)


@pytest.fixture
def collector(collect):
    return collect()
