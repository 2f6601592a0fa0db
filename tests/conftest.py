"""Fixtures that every folder of tests may use."""

import gc
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.apache_kafka", "tests.broker", "tests.databases", "tests.object_store", "tests.triton_server"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Importing leaves a million objects and next to no garbage: the collector need not look for it, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
