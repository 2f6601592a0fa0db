"""Fixtures of the gateway's tests."""

from collections.abc import Iterator

import pytest

from services.local.sockets import LOOPBACK, free_port
from tests.services.gateway.process import Process, running
from tests.services.gateway.standin import Platform, StandIn, platform


@pytest.fixture(scope="module")
def shared() -> Iterator[Platform]:
    """One platform with default settings for all tests of a module that change none."""
    with platform() as running:
        yield running


@pytest.fixture
def gateway(shared: Platform) -> Platform:
    """The shared platform, with services that remember nothing."""
    for service in shared.services:
        service.__init__()  # type: ignore[misc]
    return shared


@pytest.fixture(scope="session")
def _process() -> Iterator[Process]:
    with running(StandIn(), STEMWRIGHT_ADMIN_PORT=str(free_port(LOOPBACK))) as process:
        yield process


@pytest.fixture
def process(_process: Process) -> Process:
    """A gateway process with default settings, for tests that leave it as it was: a start takes two seconds of
    processor time. Its service remembers nothing."""
    _process.service.__init__()  # type: ignore[misc]
    return _process
