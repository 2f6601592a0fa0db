"""The orchestrator on each kind of database."""

from collections.abc import Iterator

import pytest

from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.world import World, running_world


@pytest.fixture
def world(make_database: MakeDatabase) -> Iterator[World]:
    """The orchestrator, once on each kind of database."""
    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock) as made:
        yield made
