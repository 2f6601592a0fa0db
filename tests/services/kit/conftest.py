"""A service's database with the kit's tables in it; the kit has no database of its own."""

import pytest

from services.kit.database import Database
from tests.databases import MakeDatabase


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Migrated, once on each kind of database."""
    return make_database("orchestrator")
