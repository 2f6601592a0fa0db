"""All SQL of batches."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.batches.models import Batch
from services.orchestrator.batches.states import Status as BatchStatus
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.repository import OPEN
from services.orchestrator.jobs.states import Status

ASKED_AT_ONCE = 50
REFUSED_AT_ONCE = 100
"""Songs of one transaction: nobody else has to wait long for it."""


def owned(session: ReadSession, account_id: str, batch_id: str) -> Batch | None:
    """The account's batch."""
    return session.scalar(select(Batch).where(Batch.id == batch_id, Batch.account_id == account_id))


def locked(session: WriteSession, batch_id: str) -> Batch | None:
    """The batch, held against other writers until the transaction ends. Its jobs are locked before it."""
    query = select(Batch).where(Batch.id == batch_id).with_for_update().execution_options(populate_existing=True)
    session.flush()
    return session.scalar(query)


def page(session: ReadSession, account_id: str, *, limit: int, before: str | None) -> Sequence[Batch]:
    """The account's batches, newest first."""
    query = select(Batch).where(Batch.account_id == account_id).order_by(Batch.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Batch.id < before)).all()


def open_batches(session: ReadSession, account_id: str) -> int:
    """How many batches of the account have not ended, or have songs of which accounts has not said so yet."""
    unsettled = select(Job.id).where(Job.batch_id == Batch.id, Job.settled.is_(False)).exists()
    still_open = or_(Batch.finished_at.is_(None), and_(Batch.ask_at.is_not(None), unsettled))
    query = select(func.count()).select_from(Batch).where(Batch.account_id == account_id, still_open)
    return session.scalar(query) or 0


def songs(session: ReadSession, batch_id: str, *, after: str | None, limit: int) -> Sequence[Job]:
    """Jobs of the batch that were not deleted, in the order in which they were named."""
    query = select(Job).where(Job.batch_id == batch_id, Job.deleted_at.is_(None)).order_by(Job.id).limit(limit)
    return session.scalars(query if after is None else query.where(Job.id > after)).all()


def counts(session: ReadSession, batch_id: str) -> dict[str, int]:
    """How many songs of the batch stand where."""
    query = select(Job.status, func.count().label("number")).where(Job.batch_id == batch_id).group_by(Job.status)
    return {row.status: row.number for row in session.execute(query)}


def charged(session: ReadSession, batch_id: str) -> int:
    """What the songs that succeeded cost together."""
    paid = (Job.batch_id == batch_id, Job.status == Status.SUCCEEDED)
    return session.scalar(select(func.coalesce(func.sum(Job.price_credits), 0)).where(*paid)) or 0


def anything_open(session: ReadSession, batch_id: str) -> bool:
    """Whether any song of the batch has not ended."""
    return session.scalar(_of(batch_id).where(Job.status.in_(OPEN)).limit(1)) is not None


def anything_unpriced(session: ReadSession, batch_id: str) -> bool:
    """Whether any song of the batch waits for its length or its rate."""
    unpriced = (Job.status == Status.RESERVING, Job.price_credits.is_(None))
    return session.scalar(_of(batch_id).where(*unpriced).limit(1)) is not None


def anything_unsettled(session: ReadSession, batch_id: str) -> bool:
    """Whether accounts has still to say of any song that its share is taken or given back."""
    return session.scalar(_of(batch_id).where(Job.settled.is_(False)).limit(1)) is not None


def prices(session: ReadSession, batch_id: str) -> dict[str, int]:
    """What the songs cost whose prices are to be held, by job."""
    query = select(Job.id, Job.price_credits).where(Job.batch_id == batch_id, Job.status == Status.RESERVING)
    return {row.id: row.price_credits or 0 for row in session.execute(query.order_by(Job.id))}


def locked_reserving(session: WriteSession, batch_id: str) -> Sequence[Job]:
    """Songs whose prices are to be held, locked in the order in which everybody locks several jobs."""
    query = select(Job).where(Job.batch_id == batch_id, Job.status == Status.RESERVING)
    return session.scalars(query.order_by(Job.id).with_for_update()).all()


def locked_to_refuse(session: WriteSession, batch_id: str) -> Sequence[Job]:
    """Some of them."""
    query = select(Job).where(Job.batch_id == batch_id, Job.status == Status.RESERVING)
    return session.scalars(query.order_by(Job.id).limit(REFUSED_AT_ONCE).with_for_update()).all()


def locked_open(session: WriteSession, batch_id: str, *, limit: int) -> Sequence[Job]:
    """Some of the songs that have not ended, locked in that order."""
    query = select(Job).where(Job.batch_id == batch_id, Job.status.in_(OPEN)).order_by(Job.id).limit(limit)
    return session.scalars(query.with_for_update()).all()


def to_ask_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Batches whose question has been open for too long."""
    query = select(Batch.id).where(Batch.ask_at <= now).order_by(Batch.ask_at).limit(ASKED_AT_ONCE)
    return session.scalars(query).all()


def to_cancel_ids(session: ReadSession) -> Sequence[str]:
    """Batches that are canceled and have songs that are not: who began with it did not come to the end."""
    query = select(Batch.id).where(Batch.finished_at.is_(None), Batch.canceled_at.is_not(None))
    return session.scalars(query.limit(ASKED_AT_ONCE)).all()


def forget_fruitless(session: WriteSession, before: datetime, most: int) -> bool:
    """Deletes batches that were rejected or canceled before any song had run: those that ended before then, and of an
    account with more than so many the oldest; some of them. Whether there may be more."""
    ran = select(Job.id).where(Job.batch_id == Batch.id, Job.attempt > 0).exists()
    ended = (Batch.status.in_([BatchStatus.REJECTED, BatchStatus.CANCELED]), Batch.finished_at.is_not(None))
    fruitless = (*ended, Batch.ask_at.is_(None), ~ran)
    ids = list(session.scalars(select(Batch.id).where(*fruitless, Batch.finished_at < before).limit(ASKED_AT_ONCE)))
    crowded = select(Batch.account_id).where(*fruitless).group_by(Batch.account_id).having(func.count() > most)
    account_id = session.scalar(crowded.limit(1))
    if account_id is not None:
        newest_first = select(Batch.id).where(*fruitless, Batch.account_id == account_id).order_by(Batch.id.desc())
        ids += session.scalars(newest_first.offset(most).limit(ASKED_AT_ONCE))
    session.execute(delete(Batch).where(Batch.id.in_(ids)).execution_options(synchronize_session=False))
    return len(ids) >= ASKED_AT_ONCE or account_id is not None


def empty(session: WriteSession, account_id: str) -> None:
    """Takes away what the account noted on its batches."""
    session.execute(update(Batch).where(Batch.account_id == account_id).values(batch_metadata=None, callback_url=None))


def forget_account(session: WriteSession, account_id: str) -> None:
    """Deletes the account's batches."""
    session.execute(delete(Batch).where(Batch.account_id == account_id))


def _of(batch_id: str):  # type: ignore[no-untyped-def]  # the type of a selection is SQLAlchemy's affair
    return select(Job.id).where(Job.batch_id == batch_id)
