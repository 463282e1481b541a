# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a browser for the whole run, daemons and targets that end with their test."""

import pytest

from browser import Browser
from daemon import DAEMON, Daemon, unused_port


def pytest_sessionstart():
    if not DAEMON.exists():
        pytest.exit(f"{DAEMON} is not built: tests/run builds it", returncode=1)


@pytest.fixture(scope="session")
def session_browser():
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def browser(session_browser, daemon):
    """A page that had an error in its console fails its test. What the page asks for ends after this,
    as all fixtures that came before it: a daemon that ends under an open page is such an error."""
    session_browser.expected_problems = ()
    yield session_browser
    unexpected = [
        problem
        for problem in session_browser.problems()
        if not any(part in problem for part in session_browser.expected_problems)
    ]
    assert not unexpected


def make_daemon(directory, configuration, **options):
    """A daemon that serves the page at .url."""
    port = unused_port()
    made = Daemon(directory, configuration, listen=f"127.0.0.1:{port}", **options)
    made.url = f"http://127.0.0.1:{port}/"
    return made.start()


@pytest.fixture
def daemon(tmp_path):
    made = []

    def make(configuration, **options):
        directory = tmp_path / f"daemon{len(made)}"
        directory.mkdir()
        made.append(make_daemon(directory, configuration, **options))
        return made[-1]

    yield make
    for one in reversed(made):
        one.close()
