"""The migrated schema is the one that the models describe."""

from services.kit.migrations import drift
from services.notifier.models import Base
from tests.databases import MakeDatabase


def test_models_and_migrations_agree(make_database: MakeDatabase) -> None:
    assert drift(make_database("notifier"), Base.metadata) == []
