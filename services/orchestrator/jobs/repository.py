"""All SQL of jobs. Whatever a client may ask for is looked up together with the account it belongs to."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Exists, Select, delete, func, or_, select

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.batches.models import Batch
from services.orchestrator.jobs.models import Job, JobEvent
from services.orchestrator.jobs.states import FINAL, Status
from services.orchestrator.uploads.models import KnownUpload

MAX_EVENTS = 100

AT_ONCE = 100
"""Jobs of one upload that are seen to when the word of it comes. The others are when they would ask again, or start."""

OPEN = tuple(sorted(set(Status) - FINAL))


def owned_job(session: ReadSession, account_id: str, job_id: str) -> Job | None:
    """The account's job, unless it was deleted."""
    return session.scalar(_visible(account_id).where(Job.id == job_id))


def owned_jobs(
    session: ReadSession,
    account_id: str,
    *,
    limit: int,
    before: str | None,
    status: str | None,
    search: str | None = None,
    batch_id: str | None = None,
) -> Sequence[Job]:
    """The account's jobs, newest first; `search` is part of the name of the song's file."""
    query = _visible(account_id).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Job.id < before)
    if status is not None:
        query = query.where(Job.status == status)
    if batch_id is not None:
        query = query.where(Job.batch_id == batch_id)
    if search is not None:
        named = KnownUpload.filename.icontains(search, autoescape=True)
        query = query.join(KnownUpload, KnownUpload.id == Job.upload_id).where(named)
    return session.scalars(query).all()


def waiting_in_turn(session: ReadSession, account_id: str, limit: int) -> Sequence[Job]:
    """The account's jobs that wait for a worker, the next one first."""
    return session.scalars(_queued(account_id).order_by(Job.queued_at, Job.id).limit(limit)).all()


def locked_waiting(session: WriteSession, account_id: str) -> Sequence[Job]:
    """The same, all of them, locked in the order in which everybody locks several jobs."""
    return session.scalars(_queued(account_id).order_by(Job.id).with_for_update()).all()


def _queued(account_id: str) -> Select[Job]:
    return _visible(account_id).where(Job.status == Status.QUEUED)


def _visible(account_id: str) -> Select[Job]:
    return select(Job).where(Job.account_id == account_id, Job.deleted_at.is_(None))


def locked_owned_job(session: WriteSession, account_id: str, job_id: str) -> Job | None:
    """The account's job, unless it was deleted, held against other writers until the transaction ends."""
    return session.scalar(_visible(account_id).where(Job.id == job_id).with_for_update())


def locked_job(session: WriteSession, job_id: str) -> Job | None:
    """The job, held against other writers until the transaction ends."""
    return session.scalar(select(Job).where(Job.id == job_id).with_for_update())


def open_jobs(session: ReadSession, account_id: str, limit: int) -> int:
    """How many jobs of the account have not ended, those of batches aside; counted no further than the limit."""
    return _count(session, select(Job.id).where(*_single(account_id), Job.status.in_(OPEN)), limit)


def waiting_jobs(session: ReadSession, account_id: str, limit: int) -> int:
    """How many jobs of the account wait for an upload, those of batches aside; counted no further than the limit."""
    waiting = (*_single(account_id), Job.status == Status.RESERVING, Job.price_credits.is_(None))
    return _count(session, select(Job.id).where(*waiting), limit)


def _single(account_id: str) -> tuple[ColumnElement[bool], ...]:
    return Job.account_id == account_id, Job.batch_id.is_(None)


def _count(session: ReadSession, query: Select[str], limit: int) -> int:
    return session.scalar(select(func.count()).select_from(query.limit(limit).subquery())) or 0


def holder_of(session: ReadSession, job_id: str) -> str | None:
    """Id of the worker that holds the job's present attempt, as it stands without a lock."""
    return session.scalar(select(Job.worker_id).where(Job.id == job_id))


def locked_jobs_of_upload(session: WriteSession, upload_id: str) -> Sequence[Job]:
    """Jobs that wait for this upload, the oldest; no more than one transaction should see to."""
    waiting = select(Job).where(Job.upload_id == upload_id, Job.status == Status.RESERVING, Job.price_credits.is_(None))
    return session.scalars(waiting.order_by(Job.id).limit(AT_ONCE).with_for_update()).all()


def locked_unstarted_jobs_of_upload(session: WriteSession, upload_id: str) -> Sequence[Job]:
    """Jobs that would still have to read this upload, the oldest; no more than one transaction should see to."""
    unstarted = select(Job).where(Job.upload_id == upload_id, Job.status.in_([Status.RESERVING, Status.QUEUED]))
    return session.scalars(unstarted.order_by(Job.id).limit(AT_ONCE).with_for_update()).all()


def events_after(session: ReadSession, job_id: str, event_id: str | None) -> Sequence[JobEvent]:
    """The job's public events, oldest first; those after `event_id` if that is given. The newest hundred at most."""
    query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq.desc()).limit(MAX_EVENTS)
    if event_id is not None:
        seen = select(JobEvent.seq).where(JobEvent.job_id == job_id, JobEvent.id == event_id).scalar_subquery()
        query = query.where(JobEvent.seq > func.coalesce(seen, 0))
    return session.scalars(query).all()[::-1]


def last_event(session: ReadSession, job_id: str) -> JobEvent | None:
    """The newest public event of the job."""
    return session.scalar(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq.desc()).limit(1))


def forgotten_jobs(session: WriteSession) -> Sequence[Job]:
    """Deleted jobs that nobody needs any more, no more than one transaction should see to; one of a batch is counted
    in it until that is over."""
    query = select(Job).where(
        Job.deleted_at.is_not(None), Job.settled.is_(True), Job.status.in_(sorted(FINAL)), ~_open_batch()
    )
    return session.scalars(query.limit(AT_ONCE)).all()


def _open_batch() -> Exists:
    return select(Batch.id).where(Batch.id == Job.batch_id, Batch.finished_at.is_(None)).exists()


def forget_unrun(session: WriteSession, before: datetime, most: int) -> bool:
    """Deletes jobs that no worker ever had and that are over: those from before then, and of an account with more than
    so many the oldest; no more than one transaction should see to. Whether there may be more."""
    unrun = (
        Job.attempt == 0,
        Job.status.in_([Status.REJECTED, Status.CANCELED]),
        Job.settled.is_(True),
        ~_open_batch(),
    )
    old = select(Job.id).where(*unrun, Job.finished_at < before).limit(AT_ONCE)
    ids = list(session.scalars(old))
    crowded = select(Job.account_id).where(*unrun).group_by(Job.account_id).having(func.count() > most).limit(1)
    account_id = session.scalar(crowded)
    if account_id is not None:
        newest_first = select(Job.id).where(*unrun, Job.account_id == account_id).order_by(Job.id.desc())
        ids += session.scalars(newest_first.offset(most).limit(AT_ONCE))
    session.execute(delete(Job).where(Job.id.in_(ids)).execution_options(synchronize_session=False))
    return len(ids) >= AT_ONCE or account_id is not None


def locked_jobs_to_empty(session: WriteSession, account_id: str) -> Sequence[Job]:
    """Jobs of the account that have not ended or still hold something of it, locked; no more than one transaction
    should see to."""
    full = or_(Job.status.in_(OPEN), Job.deleted_at.is_(None), Job.job_metadata.is_not(None), Job.result.is_not(None))
    query = select(Job).where(Job.account_id == account_id, full).order_by(Job.id).limit(AT_ONCE)
    return session.scalars(query.with_for_update()).all()


def empty_events(session: WriteSession, job_id: str) -> None:
    """Deletes the job's public events but the last, which may be told again: without what the client noted on it."""
    session.flush()
    last = last_event(session, job_id)
    if last is not None:
        session.execute(delete(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq != last.seq))
        last.data = {"job": {**last.data["job"], "metadata": None, "callback_url": None}}


def job_ids(session: ReadSession, account_id: str, *, after: str) -> Sequence[str]:
    """Ids of the account's jobs, deleted ones too, from the one behind `after` on; some of them."""
    query = select(Job.id).where(Job.account_id == account_id, Job.id > after).order_by(Job.id)
    return session.scalars(query.limit(AT_ONCE)).all()


def delete_settled(session: WriteSession, job_ids: Sequence[str]) -> None:
    """Deletes those among these jobs that have ended and whose holds have."""
    ended = (Job.settled.is_(True), Job.status.in_(sorted(FINAL)), Job.deleted_at.is_not(None))
    session.execute(delete(Job).where(Job.id.in_(job_ids), *ended))


def has_jobs(session: ReadSession, account_id: str) -> bool:
    """Whether there is any job of the account, deleted ones too."""
    return session.scalar(select(Job.id).where(Job.account_id == account_id).limit(1)) is not None
