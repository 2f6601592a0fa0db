"""Whether a database has the schema that this version of a service works with."""

import re
from functools import cache
from importlib.resources import files

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.kit.database import Database
from services.kit.health import NotReady

SERVICES_WITH_DATABASE = ("accounts", "upload", "orchestrator", "notifier")


class SchemaMissing(NotReady):
    """The database has no schema, or one that is too old. `problem` is that alone, without what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}: run `stemwright migrate`")
        self.problem = problem


def no_schema(service: str) -> SchemaMissing:
    """What is wrong with a database that was never migrated."""
    return SchemaMissing(f"the database of {service} has no schema")


_STEP = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)


@cache
def _history(service: str) -> tuple[frozenset[str], str]:
    """The revisions of a service, and the newest of them. Their files are read and not run: every service asks at its
    start, and Alembic takes a tenth of a second to import."""
    revisions, before = set(), set()
    for file in files(f"services.{service}.migrations.versions").iterdir():
        if file.name.endswith(".py") and (found := dict(_STEP.findall(file.read_text(encoding="utf-8")))):
            revisions.add(found["revision"])
            before.add(found["down_revision"])
    [newest] = revisions - before
    return frozenset(revisions), newest


def newest(service: str) -> str:
    """The revision that this version's migrations of a service lead to."""
    return _history(service)[1]


def revision_of(database: Database) -> str | None:
    """The revision that the database is at; None where it was never migrated. Raises as a database does."""
    try:
        with database.read() as session:
            revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError:  # no such table, or no such schema
        return None
    return revision


def is_newest(database: Database) -> bool:
    """Whether the database is at the newest revision that this version knows. Raises as a database does."""
    return revision_of(database) == newest(database.service)


def newer_revision(database: Database) -> str | None:
    """The revision that the database is at where this version does not know it. Raises as a database does."""
    revision = revision_of(database)
    return None if revision in _history(database.service)[0] else revision


def check_schema(database: Database) -> None:
    """Raises SchemaMissing, in words for whoever runs it.

    One that this version does not know is newer, and fine: while a version is rolled out the old one goes on, and
    migrations only add what it does not know.
    """
    revision = revision_of(database)
    known, wanted = _history(database.service)
    if revision is None:
        raise no_schema(database.service)
    if revision in known - {wanted}:
        raise SchemaMissing(f"the schema of {database.service} is at revision {revision}, not yet at {wanted}")
