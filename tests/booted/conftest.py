# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the built package, and machines that have it installed."""

import os
import pathlib

import pytest

from machine import Machine, base_system, dependencies_of, obstacle
from service import Service

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = pathlib.Path(os.environ.get("CH_DEB", ROOT / "build/deb"))


def pytest_collection_modifyitems(items):
    reason = obstacle()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(name="package", scope="session")
def fixture_package():
    found = sorted(PACKAGES.glob("connhealthd_*.deb"))
    if len(found) != 1:
        pytest.exit(f"{PACKAGES} holds {len(found)} packages: deploy/build-deb makes one", 1)
    return found[0]


@pytest.fixture(name="base", scope="session")
def fixture_base(package):
    return base_system(dependencies_of(package))


@pytest.fixture(name="machine", scope="module")
def fixture_machine(base):
    """A machine without the package."""
    with Machine(base) as machine:
        yield machine


@pytest.fixture(name="service", scope="module")
def fixture_service(machine, package):
    """The service, as the package's installation leaves it."""
    service = Service(machine)
    service.install(package)
    yield service
    print(machine.journal("--unit", "connhealthd")[-20000:])
