"""All SQL of results."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.jobs.models import Job
from services.orchestrator.results.models import Deletion

DELETED_AT_ONCE = 100


def expired_jobs(session: WriteSession, now: datetime) -> Sequence[Job]:
    """Jobs whose stems were kept long enough and are still stored."""
    query = select(Job).where(Job.expires_at <= now, Job.result_prefix.is_not(None)).order_by(Job.expires_at)
    return session.scalars(query.limit(200)).all()


def due_deletions(session: ReadSession, now: datetime) -> Sequence[Deletion]:
    """Prefixes whose objects are to be removed now, some of them."""
    query = select(Deletion).where(Deletion.due_at <= now).order_by(Deletion.due_at)
    return session.scalars(query.limit(DELETED_AT_ONCE)).all()


def finish_deletion(session: WriteSession, deletion_id: int) -> None:
    """The objects are gone."""
    session.execute(delete(Deletion).where(Deletion.id == deletion_id))


def put_off_deletion(session: WriteSession, deletion_id: int, until: datetime) -> None:
    """The objects are still there; to be tried again."""
    session.execute(update(Deletion).where(Deletion.id == deletion_id).values(due_at=until))
