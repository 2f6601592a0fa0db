"""What the databases of a release before hold is there after its upgrade, and what it still writes fits."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, column, insert, select, table

from services.kit.database import Database, JsonDocument, UtcDateTime
from services.kit.ids import new_id
from services.kit.migrations import migrate
from services.orchestrator.jobs.models import Job


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that nobody has migrated yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/{{service}}.db"
    template: str = request.getfixturevalue("postgres_server")
    name = f"before_{new_id('job').lower()}"
    with psycopg.connect(template.replace("{database}", "postgres"), autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return template.replace("{database}", name)


def write_job_as_before(database: Database) -> str:
    """A row as the first release writes it, without the columns that came later."""
    values: dict[str, object] = {
        "id": new_id("job"),
        "account_id": new_id("usr"),
        "upload_id": new_id("upl"),
        "mode": "full",
        "stems": ["vocals"],
        "output": {"format": "flac"},
        "model_name": "spleeter-2stems",
        "status": "queued",
        "attempt": 0,
        "failures": 0,
        "silent_deaths": 0,
        "lease_confirmed": False,
        "progress_fraction": 0.0,
        "created_at": datetime.now(UTC),
        "settled": False,
        "asked_times": 0,
    }
    kinds: dict[str, Any] = {"stems": JsonDocument, "output": JsonDocument, "created_at": UtcDateTime()}
    jobs = table("jobs", *(column(name) for name in values))
    typed = {name: bindparam(name, value, kinds.get(name)) for name, value in values.items()}
    with database.write_engine.begin() as connection:
        connection.execute(insert(jobs).values(typed))
    return str(values["id"])


def test_jobs_of_the_release_before_named_no_model(empty_url: str) -> None:
    migrate(empty_url, "orchestrator", "0001")
    database = Database(empty_url, "orchestrator")
    try:
        old = write_job_as_before(database)
        migrate(empty_url, "orchestrator")
        late = write_job_as_before(database)  # by a process that has not been replaced yet
        with database.read() as session:
            found = {job.id: (job.model_name, job.model_ordered) for job in session.scalars(select(Job))}
        assert found == dict.fromkeys([old, late], ("spleeter-2stems", False))
    finally:
        database.close()
