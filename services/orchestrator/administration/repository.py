"""Queries of administration: over the jobs of all accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, case, func, select

from services.kit.database import ReadSession, WriteSession
from services.kit.spans import step_of
from services.orchestrator.administration.models import JobMeasure, QueuePause, QueueSample
from services.orchestrator.feedback.models import Feedback
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.repository import OPEN
from services.orchestrator.jobs.states import Status
from services.orchestrator.queue.repository import audio_left
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.workers.models import Worker


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is still to be separated by one model in one mode."""

    model: str
    mode: str
    queued: int
    running: int
    audio_seconds: float
    """Of what is queued, and of what runs the part that is left."""


def outstanding(session: ReadSession) -> list[Outstanding]:
    """By model and mode, those with nothing left out; without the canary's."""
    running = Job.status == Status.RUNNING
    query = (
        select(
            Job.model_name,
            Job.mode,
            func.count(case((running, None), else_=1)).label("queued"),
            func.count(case((running, 1))).label("running"),
            func.sum(audio_left()).label("audio_seconds"),
        )
        .outerjoin(KnownUpload, KnownUpload.id == Job.upload_id)
        .where(Job.status.in_([Status.QUEUED, Status.RUNNING]), Job.canary.is_(False))
        .group_by(Job.model_name, Job.mode)
        .order_by(Job.model_name, Job.mode)
    )
    return [
        Outstanding(row.model_name, row.mode, row.queued, row.running, float(row.audio_seconds))
        for row in session.execute(query)
    ]


def pause(session: ReadSession) -> QueuePause | None:
    """The pause of the queue, while there is one."""
    return session.get(QueuePause, 1)


def audio_by_step(session: ReadSession, edges: Sequence[datetime]) -> dict[int, float]:
    """How much there was to do, on average, in the steps of which something is known."""
    sampled = (
        select(step_of(QueueSample.minute, edges).label("step"), QueueSample.outstanding_audio_seconds.label("audio"))
        .where(QueueSample.minute >= edges[0], QueueSample.minute < edges[-1])
        .subquery()
    )
    query = select(sampled.c.step, func.avg(sampled.c.audio).label("mean")).group_by(sampled.c.step)
    return {row.step: float(row.mean) for row in session.execute(query)}


@dataclass(frozen=True, slots=True)
class Ended:
    """How many jobs ended in a step in one way, and how much audio they had."""

    step: int
    status: str
    jobs: int
    audio_seconds: float


def ended_by_step(session: ReadSession, edges: Sequence[datetime]) -> list[Ended]:
    """For each step and status, where any ended."""
    ended = select(
        step_of(JobMeasure.ended_at, edges).label("step"), JobMeasure.status, JobMeasure.audio_seconds
    ).where(*_ended_within(edges))
    part = ended.subquery()
    query = select(
        part.c.step, part.c.status, func.count().label("jobs"), func.sum(part.c.audio_seconds).label("audio")
    ).group_by(part.c.step, part.c.status)
    return [Ended(row.step, row.status, row.jobs, float(row.audio)) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that half of the jobs, and 95 of 100, waited no longer than."""

    p50: float
    p95: float


def waits_by_step(session: ReadSession, edges: Sequence[datetime]) -> dict[int, Waits]:
    """Of the jobs that ended in each step and had begun: percentiles by nearest rank."""
    waited = (
        select(step_of(JobMeasure.ended_at, edges).label("step"), JobMeasure.wait_seconds.label("wait"))
        .where(*_ended_within(edges), JobMeasure.wait_seconds.is_not(None))
        .subquery()
    )
    ranked = select(
        waited.c.step,
        waited.c.wait,
        func.row_number().over(partition_by=waited.c.step, order_by=waited.c.wait).label("rank"),
        func.count().over(partition_by=waited.c.step).label("all"),
    ).subquery()

    def percentile(percent: int) -> ColumnElement[float]:
        return func.min(case((ranked.c.rank * 100 >= ranked.c.all * percent, ranked.c.wait)))

    query = select(ranked.c.step, percentile(50).label("p50"), percentile(95).label("p95")).group_by(ranked.c.step)
    return {row.step: Waits(row.p50, row.p95) for row in session.execute(query)}


def failures(session: ReadSession, edges: Sequence[datetime], limit: int) -> list[tuple[str, int]]:
    """What jobs failed of, the most frequent first."""
    number = func.count().label("number")
    query = (
        select(JobMeasure.error_code, number)
        .where(*_ended_within(edges), JobMeasure.status == Status.FAILED)
        .group_by(JobMeasure.error_code)
        .order_by(number.desc(), JobMeasure.error_code)
        .limit(limit)
    )
    return [(row.error_code or "", row.number) for row in session.execute(query)]


def _ended_within(edges: Sequence[datetime]) -> tuple[ColumnElement[bool], ...]:
    return (JobMeasure.ended_at >= edges[0], JobMeasure.ended_at < edges[-1])


def ratings_by_step(session: ReadSession, edges: Sequence[datetime]) -> dict[int, tuple[int, float]]:
    """How many ratings each step has, and their mean; of those whose jobs are still there."""
    given = (
        select(step_of(Feedback.updated_at, edges).label("step"), Feedback.rating.label("rating"))
        .where(Feedback.updated_at >= edges[0], Feedback.updated_at < edges[-1])
        .subquery()
    )
    query = select(given.c.step, func.count().label("number"), func.avg(given.c.rating).label("mean"))
    return {row.step: (row.number, float(row.mean)) for row in session.execute(query.group_by(given.c.step))}


def workers(session: ReadSession, *, after: str | None, limit: int) -> Sequence[Worker]:
    """Workers heard of lately, the newest first, from the one after `after` on."""
    query = select(Worker).order_by(Worker.id.desc()).limit(limit)
    return session.scalars(query if after is None else query.where(Worker.id < after)).all()


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What is looked for; None where it does not matter."""

    text: str | None = None
    """The id of a job, an upload, an account or a worker."""
    status: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_COLUMNS = {"job": Job.id, "upl": Job.upload_id, "usr": Job.account_id, "wrk": Job.worker_id}


def jobs(
    session: ReadSession, wanted: JobFilter, *, before: str | None, limit: int
) -> Sequence[tuple[Job, float | None]]:
    """Jobs of all accounts with the length of their songs, the newest first, from the one before `before` on."""
    query = _with_length().order_by(Job.id.desc()).limit(limit)
    if wanted.text is not None:
        column = _COLUMNS.get(wanted.text.partition("_")[0])
        if column is None:
            return ()
        query = query.where(column == wanted.text)
    if wanted.status is not None:
        query = query.where(Job.status == wanted.status)
    if wanted.model is not None:
        query = query.where(Job.model_name == wanted.model)
    if wanted.since is not None:
        query = query.where(Job.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Job.created_at < wanted.until)
    if before is not None:
        query = query.where(Job.id < before)
    return [(job, length) for job, length in session.execute(query)]


def job(session: ReadSession, job_id: str) -> tuple[Job, float | None] | None:
    """The job, whoever's it is, and the length of its song."""
    row = session.execute(_with_length().where(Job.id == job_id)).one_or_none()
    return None if row is None else (row[0], row[1])


def _with_length() -> Select[Job, float | None]:
    length = func.coalesce(Job.preview_duration_seconds, KnownUpload.duration_seconds)
    return select(Job, length).outerjoin(KnownUpload, KnownUpload.id == Job.upload_id)


def tried_again(session: WriteSession, job: Job) -> bool:
    """Whether there is a job in its place that has not ended, or succeeded."""
    again = (Job.account_id == job.account_id, Job.id > job.id, Job.retry_of == job.id, Job.deleted_at.is_(None))
    query = select(Job.id).where(*again, Job.status.in_([*OPEN, Status.SUCCEEDED]))
    return session.scalar(query.limit(1)) is not None
