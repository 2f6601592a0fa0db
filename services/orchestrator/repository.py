"""All SQL of the orchestrator. Whatever a client may ask for is looked up together with the account it belongs to."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, or_, select

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.models import BalanceView, Deletion, Feedback, Job, JobEvent, UploadView, Worker
from services.orchestrator.placement import Candidate
from services.orchestrator.states import FINAL, Status

CANDIDATES_PER_ACCOUNT = 16
"""How many queued jobs of one account are looked at in one round of placement."""


def owned_job(session: ReadSession, account_id: str, job_id: str) -> Job | None:
    """The account's job, unless it was deleted."""
    return session.scalar(_visible(account_id).where(Job.id == job_id))


def owned_jobs(
    session: ReadSession, account_id: str, *, limit: int, before: str | None, status: str | None
) -> Sequence[Job]:
    """The account's jobs, newest first."""
    query = _visible(account_id).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Job.id < before)
    if status is not None:
        query = query.where(Job.status == status)
    return session.scalars(query).all()


def _visible(account_id: str) -> Select[Job]:
    return select(Job).where(Job.account_id == account_id, Job.deleted_at.is_(None))


def locked_job(session: WriteSession, job_id: str) -> Job | None:
    """The job, held against other writers until the transaction ends."""
    return session.scalar(select(Job).where(Job.id == job_id).with_for_update())


def locked_jobs_of_upload(session: WriteSession, upload_id: str) -> Sequence[Job]:
    """Jobs that wait for this upload."""
    waiting = select(Job).where(Job.upload_id == upload_id, Job.status == Status.RESERVING, Job.price_credits.is_(None))
    return session.scalars(waiting.with_for_update()).all()


def owned_upload(session: ReadSession, account_id: str, upload_id: str) -> UploadView | None:
    """The account's upload as far as it is known here, unless it was deleted."""
    query = select(UploadView).where(
        UploadView.id == upload_id, UploadView.account_id == account_id, UploadView.status != "deleted"
    )
    return session.scalar(query)


def upload(session: ReadSession, upload_id: str) -> UploadView | None:
    """The upload, whoever owns it."""
    return session.get(UploadView, upload_id)


def balance(session: ReadSession, account_id: str) -> BalanceView | None:
    """The last known balance."""
    return session.get(BalanceView, account_id)


def events_after(session: ReadSession, job_id: str, event_id: str | None) -> Sequence[JobEvent]:
    """The job's public events, oldest first; those after `event_id` if that is given."""
    query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq)
    if event_id is not None:
        seen = select(JobEvent.seq).where(JobEvent.job_id == job_id, JobEvent.id == event_id).scalar_subquery()
        query = query.where(JobEvent.seq > func.coalesce(seen, 0))
    return session.scalars(query).all()


def last_event(session: ReadSession, job_id: str) -> JobEvent | None:
    """The newest public event of the job."""
    return session.scalar(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq.desc()).limit(1))


def feedback(session: ReadSession, job_id: str) -> Feedback | None:
    """Feedback on the job."""
    return session.get(Feedback, job_id)


def candidates(session: ReadSession, now: datetime) -> list[Candidate]:
    """Queued jobs that may start now: the oldest few of every account."""
    place = func.row_number().over(partition_by=Job.account_id, order_by=(Job.queued_at, Job.id)).label("place")
    ready = (
        select(Job.id, Job.account_id, Job.mode, Job.queued_at, Job.model_name, Job.model_digest, place)
        .where(Job.status == Status.QUEUED, or_(Job.not_before.is_(None), Job.not_before <= now))
        .subquery()
    )
    rows = session.execute(select(ready).where(ready.c.place <= CANDIDATES_PER_ACCOUNT)).all()
    return [
        Candidate(
            job_id=row.id,
            account_id=row.account_id,
            paid=row.mode == "full",
            waited_seconds=(now - row.queued_at).total_seconds(),
            model_name=row.model_name,
            model_digest=row.model_digest,
        )
        for row in rows
    ]


def live_workers(session: WriteSession, since: datetime) -> Sequence[Worker]:
    """Workers heard of since then that take work, held against other placements until the transaction ends."""
    query = select(Worker).where(Worker.last_seen_at >= since, Worker.stopping.is_(False))
    return session.scalars(query.order_by(Worker.id).with_for_update()).all()


def leased_jobs(session: ReadSession) -> Sequence[Job]:
    """Jobs that a worker holds a lease on."""
    return session.scalars(select(Job).where(Job.status == Status.RUNNING)).all()


def leased_to(session: WriteSession, worker_id: str) -> Sequence[Job]:
    """Jobs that this worker holds, or held until the lease lapsed unheard; locked."""
    query = select(Job).where(Job.worker_id == worker_id, Job.status.in_([Status.RUNNING, Status.QUEUED]))
    return session.scalars(query.with_for_update()).all()


def heard_other_than(session: ReadSession, worker_id: str | None, since: datetime) -> bool:
    """Whether any other worker was heard of since then."""
    return (
        session.scalar(select(Worker.id).where(Worker.id != worker_id, Worker.last_seen_at >= since).limit(1))
        is not None
    )


def lapsed_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Running jobs whose lease has run out."""
    return session.scalars(select(Job.id).where(Job.status == Status.RUNNING, Job.lease_until < now)).all()


def overdue_ids(session: ReadSession, started_before: datetime) -> Sequence[str]:
    """Running jobs whose attempt began too long ago."""
    return session.scalars(select(Job.id).where(Job.status == Status.RUNNING, Job.assigned_at < started_before)).all()


def unconfirmed_ids(session: ReadSession, assigned_before: datetime) -> Sequence[str]:
    """Running jobs whose worker has not said that it runs them."""
    query = select(Job.id).where(
        Job.status == Status.RUNNING, Job.lease_confirmed.is_(False), Job.assigned_at < assigned_before
    )
    return session.scalars(query).all()


def stranded_ids(session: ReadSession, created_before: datetime) -> Sequence[str]:
    """Jobs that never got to run and have waited too long."""
    query = select(Job.id).where(Job.status.in_([Status.RESERVING, Status.QUEUED]), Job.created_at < created_before)
    return session.scalars(query).all()


def to_ask_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Jobs whose question to a sibling has been open for too long."""
    return session.scalars(select(Job.id).where(Job.ask_at <= now).order_by(Job.ask_at).limit(200)).all()


def forgotten_jobs(session: WriteSession) -> Sequence[Job]:
    """Deleted jobs that nobody needs any more."""
    query = select(Job).where(Job.deleted_at.is_not(None), Job.settled.is_(True), Job.status.in_(sorted(FINAL)))
    return session.scalars(query.limit(200)).all()


def due_deletions(session: ReadSession, now: datetime) -> Sequence[Deletion]:
    """Prefixes whose objects are to be removed now."""
    return session.scalars(select(Deletion).where(Deletion.due_at <= now).order_by(Deletion.due_at).limit(100)).all()


def finish_deletion(session: WriteSession, deletion_id: int) -> None:
    """The objects are gone."""
    session.execute(delete(Deletion).where(Deletion.id == deletion_id))


def forget_workers(session: WriteSession, before: datetime) -> None:
    """Drops workers that have been silent for so long that they will not be heard of again."""
    session.execute(delete(Worker).where(Worker.last_seen_at < before))


def forget_unknown_uploads(session: WriteSession, before: datetime) -> None:
    """Drops the notes that an upload does not exist."""
    session.execute(delete(UploadView).where(UploadView.account_id == "", UploadView.updated_at < before))


def anything_to_forget(session: ReadSession, workers_before: datetime, uploads_before: datetime) -> bool:
    """Whether `forget_workers`, `forget_unknown_uploads` or `forgotten_jobs` would find something."""
    found = (
        select(Worker.id).where(Worker.last_seen_at < workers_before),
        select(UploadView.id).where(UploadView.account_id == "", UploadView.updated_at < uploads_before),
        select(Job.id).where(Job.deleted_at.is_not(None), Job.settled.is_(True)),
    )
    return any(session.scalar(query.limit(1)) is not None for query in found)


def waiting_audio_seconds(session: ReadSession) -> float:
    """Seconds of audio in the queue: the number by which workers are scaled."""
    length = func.coalesce(Job.preview_duration_seconds, UploadView.duration_seconds, 0.0)
    query = select(func.sum(length)).join(UploadView, UploadView.id == Job.upload_id).where(Job.status == Status.QUEUED)
    return float(session.scalar(query) or 0.0)


def jobs_by_status(session: ReadSession) -> dict[str, int]:
    """How many jobs stand where, final ones left out."""
    query = (
        select(Job.status, func.count().label("number")).where(Job.status.not_in(sorted(FINAL))).group_by(Job.status)
    )
    return {row.status: row.number for row in session.execute(query)}


def oldest_wait(session: ReadSession, now: datetime) -> timedelta:
    """How long the job at the head of the queue has waited."""
    oldest = session.scalar(select(func.min(Job.queued_at)).where(Job.status == Status.QUEUED))
    return now - oldest if oldest is not None else timedelta(0)
