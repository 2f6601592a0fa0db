"""The migrated schema is the one that the models describe."""

from services.kit.database import Database
from services.kit.migrations import drift
from services.upload.models import Base


def test_models_and_migrations_agree(database: Database) -> None:
    assert drift(database, Base.metadata) == []
