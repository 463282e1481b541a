# SPDX-License-Identifier: Apache-2.0
"""Fixtures: whatever they hand out ends with the test, and a daemon that leaves a sanitizer's report
or does not end cleanly fails its test."""

import pytest

import real_servers
from daemon import DAEMON, Daemon


def pytest_sessionstart():
    if not DAEMON.exists():
        pytest.exit(f"{DAEMON} is not built: tests/run builds it", returncode=1)


@pytest.fixture
def daemon(tmp_path):
    """daemon(configuration, start=True, ...): see daemon.Daemon."""
    made = []

    def make(configuration, start=True, **options):
        directory = tmp_path / f"daemon{len(made)}"
        directory.mkdir()
        made.append(Daemon(directory, configuration, **options))
        return made[-1].start() if start else made[-1]

    yield make
    errors = []
    for one in reversed(made):
        try:
            one.close()
        except AssertionError as error:
            errors.append(str(error))
        print(f"--- the log of {one.directory.name}\n{one.log_text[-20000:]}")
    assert not errors, "\n".join(errors)


@pytest.fixture
def server():
    """server(CLASS, ...): one of real_servers, running."""
    made = []

    def make(kind, *arguments, **options):
        made.append(kind(*arguments, **options))
        return made[-1].start()

    yield make
    for one in reversed(made):
        one.close()


@pytest.fixture
def bus():
    """bus(template=STRICT): a system_bus.Bus, running."""
    import system_bus  # pylint: disable=import-outside-toplevel

    made = []

    def make(*arguments):
        made.append(system_bus.Bus(*arguments))
        return made[-1].start()

    yield make
    for one in made:
        one.close()


@pytest.fixture
def redis(server):
    return server(real_servers.Redis)
