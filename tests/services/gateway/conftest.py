"""Fixtures of the gateway's tests."""

from collections.abc import Iterator

import pytest

from tests.services.gateway.standin import Platform, platform


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
