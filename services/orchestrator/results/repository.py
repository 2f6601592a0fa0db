"""All SQL of results."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.jobs.models import Job
from services.orchestrator.results.models import Deletion

DELETED_AT_ONCE = 100
EXPIRED_AT_ONCE = 200


def expired_jobs(session: WriteSession, now: datetime) -> Sequence[Job]:
    """Jobs whose stems were kept long enough and are still stored."""
    query = select(Job).where(Job.expires_at <= now, Job.result_prefix.is_not(None)).order_by(Job.expires_at)
    return session.scalars(query.limit(EXPIRED_AT_ONCE)).all()


def crowding_previews(session: WriteSession, most: int) -> Sequence[Job]:
    """Of an account that has stems of more previews than that the oldest such previews; of one account, and no more
    than one transaction should see to. None where no account has."""
    kept = (Job.mode == "preview", Job.result_prefix.is_not(None), Job.deleted_at.is_(None))
    crowded = select(Job.account_id).where(*kept).group_by(Job.account_id).having(func.count() > most).limit(1)
    account_id = session.scalar(crowded)
    if account_id is None:
        return []
    newest_first = select(Job).where(*kept, Job.account_id == account_id).order_by(Job.id.desc())
    return session.scalars(newest_first.offset(most).limit(EXPIRED_AT_ONCE)).all()


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
