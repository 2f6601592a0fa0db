"""All SQL of the queue."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, case, func, or_, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.repository import OPEN
from services.orchestrator.jobs.states import Status
from services.orchestrator.queue.placement import Candidate
from services.orchestrator.uploads.models import KnownUpload


def candidates(session: ReadSession, now: datetime, *, lapsed: bool) -> list[Candidate]:
    """Heads of the queues: for each account and need, the job that has waited longest and may start now.

    The oldest comes first, and of one age the oldest account's: left to itself a database answers in the order of its
    plan, which changes with its statistics.

    `lapsed` says whether jobs whose last worker may still be running them are among those.
    """
    queue = (Job.account_id, Job.mode, Job.tier, Job.model_name, Job.model_digest)
    queued_at = func.min(Job.queued_at)
    heads = select(*queue, queued_at.label("queued_at")).where(*_may_start(now, lapsed)).group_by(*queue)
    return [
        Candidate(
            account_id=row.account_id,
            mode=row.mode,
            tier=row.tier,
            model_name=row.model_name,
            model_digest=row.model_digest,
            queued_at=row.queued_at,
            waited_seconds=(now - row.queued_at).total_seconds(),
        )
        for row in session.execute(heads.order_by(queued_at, *queue))
    ]


def locked_head(session: WriteSession, candidate: Candidate, now: datetime, *, lapsed: bool) -> Job | None:
    """The job at the head of that queue, locked; None where another replica was faster."""
    query = select(Job).where(
        *_may_start(now, lapsed),
        Job.account_id == candidate.account_id,
        Job.mode == candidate.mode,
        Job.tier == candidate.tier,
        Job.model_name == candidate.model_name,
        Job.model_digest.is_not_distinct_from(candidate.model_digest),
        Job.queued_at == candidate.queued_at,
    )
    return session.scalar(query.order_by(Job.id).limit(1).with_for_update(skip_locked=True))


def _may_start(now: datetime, lapsed: bool) -> tuple[ColumnElement[bool], ...]:
    ready = (Job.status == Status.QUEUED, or_(Job.not_before.is_(None), Job.not_before <= now))
    return ready if lapsed else (*ready, Job.worker_id.is_(None))


def locked_pinned(session: WriteSession, now: datetime, name: str, digest: str, limit: int) -> Sequence[Job]:
    """Jobs that may start, in this version of a model only; locked, without those that somebody else holds."""
    pinned = (Job.model_name == name, Job.model_digest == digest)
    query = select(Job).where(*_may_start(now, lapsed=True), *pinned).order_by(Job.id).limit(limit)
    return session.scalars(query.with_for_update(skip_locked=True)).all()


def change_model(session: WriteSession, names: Collection[str], to: str) -> int:
    """Gives queued jobs that have not begun and did not ask for their model, one of these, another one; how many."""
    waiting = (Job.status == Status.QUEUED, Job.model_digest.is_(None), Job.model_ordered.is_(False))
    changed = session.execute(update(Job).where(*waiting, Job.model_name.in_(names)).values(model_name=to))
    return cast("CursorResult[Any]", changed).rowcount


def anything_open(session: ReadSession) -> bool:
    """Whether any job has not ended, or has ended and is not settled: whether there is anything to sweep."""
    unfinished = select(Job.id).where(Job.status.in_(OPEN)).limit(1)
    asking = select(Job.id).where(Job.ask_at.is_not(None)).limit(1)
    return session.scalar(unfinished) is not None or session.scalar(asking) is not None


def anything_queued(session: ReadSession) -> bool:
    """Whether any job waits for a worker."""
    return session.scalar(select(Job.id).where(Job.status == Status.QUEUED).limit(1)) is not None


def lapsed_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Running jobs whose lease has run out."""
    return session.scalars(select(Job.id).where(Job.status == Status.RUNNING, Job.lease_until < now)).all()


def overdue_ids(session: ReadSession, started_before: datetime) -> Sequence[str]:
    """Running jobs whose attempt began too long ago."""
    return session.scalars(select(Job.id).where(Job.status == Status.RUNNING, Job.assigned_at < started_before)).all()


def stranded_ids(session: ReadSession, created_before: datetime) -> Sequence[str]:
    """Jobs that never got to run and have waited too long."""
    query = select(Job.id).where(Job.status.in_([Status.RESERVING, Status.QUEUED]), Job.created_at < created_before)
    return session.scalars(query).all()


def to_ask_ids(session: ReadSession, now: datetime) -> Sequence[str]:
    """Jobs whose question to a sibling has been open for too long."""
    return session.scalars(select(Job.id).where(Job.ask_at <= now).order_by(Job.ask_at).limit(200)).all()


def audio_left() -> ColumnElement[float]:
    """Seconds of a job's audio that are still to be separated. The query joins the job's upload."""
    length = func.coalesce(Job.preview_duration_seconds, KnownUpload.duration_seconds, 0.0)
    return length * (1.0 - case((Job.status == Status.RUNNING, Job.progress_fraction), else_=0.0))


def outstanding_audio_seconds(session: ReadSession) -> dict[tuple[str, str], float]:
    """Seconds of audio queued, and of what runs the part that is left, by model and tier; the canary's left out."""
    query = (
        select(Job.model_name, Job.tier, func.sum(audio_left()).label("seconds"))
        .outerjoin(KnownUpload, KnownUpload.id == Job.upload_id)
        .where(Job.status.in_([Status.QUEUED, Status.RUNNING]), Job.canary.is_(False))
        .group_by(Job.model_name, Job.tier)
    )
    return {(row.model_name, row.tier): float(row.seconds) for row in session.execute(query)}


def waiting_audio_seconds(session: ReadSession) -> dict[str, float]:
    """Seconds of audio in the queue, by tier; the canary's left out."""
    length = func.coalesce(Job.preview_duration_seconds, KnownUpload.duration_seconds, 0.0)
    query = (
        select(Job.tier, func.sum(length).label("seconds"))
        .join(KnownUpload, KnownUpload.id == Job.upload_id)
        .where(Job.status == Status.QUEUED, Job.canary.is_(False))
        .group_by(Job.tier)
    )
    return {row.tier: float(row.seconds) for row in session.execute(query)}


def jobs_by_status(session: ReadSession) -> dict[str, int]:
    """How many jobs stand where, final ones left out."""
    query = select(Job.status, func.count().label("number")).where(Job.status.in_(OPEN)).group_by(Job.status)
    return {row.status: row.number for row in session.execute(query)}


def oldest_waits(session: ReadSession, now: datetime) -> dict[str, timedelta]:
    """How long the job at the head of the queue has waited, by tier; the canary's left out."""
    waiting = (Job.status == Status.QUEUED, Job.canary.is_(False))
    query = select(Job.tier, func.min(Job.queued_at).label("since")).where(*waiting).group_by(Job.tier)
    return {row.tier: now - row.since for row in session.execute(query)}
