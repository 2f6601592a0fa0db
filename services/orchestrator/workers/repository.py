"""All SQL of workers."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, delete, or_, select

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import Status
from services.orchestrator.workers.models import Worker


def worker(session: ReadSession, worker_id: str | None) -> Worker | None:
    """The worker, if it was heard of lately."""
    return session.get(Worker, worker_id) if worker_id else None


def locked_worker(session: WriteSession, worker_id: str) -> Worker | None:
    """The same, held against other writers until the transaction ends."""
    return session.get(Worker, worker_id, with_for_update=True)


def live_workers(session: ReadSession, now: datetime, since: datetime) -> Sequence[Worker]:
    """Workers heard of since then that take work."""
    return session.scalars(_live_workers(now, since)).all()


def heard_since(session: ReadSession, since: datetime) -> Sequence[Worker]:
    """All workers heard of since then, whatever they do."""
    return session.scalars(select(Worker).where(Worker.last_seen_at >= since)).all()


def models_of_workers(session: ReadSession) -> set[str]:
    """Names of the models that workers have served lately, those among them that are away for a moment too."""
    return {name for models in session.scalars(select(Worker.models)) for name in models}


def locked_live_workers(session: WriteSession, now: datetime, since: datetime) -> Sequence[Worker]:
    """The same, held against other placements until the transaction ends."""
    return session.scalars(_live_workers(now, since).with_for_update()).all()


def _live_workers(now: datetime, since: datetime) -> Select[Worker]:
    passed_over = or_(Worker.passed_over_until.is_(None), Worker.passed_over_until <= now)
    live = select(Worker).where(
        Worker.last_seen_at >= since, Worker.stopping.is_(False), Worker.drained_at.is_(None), passed_over
    )
    return live.order_by(Worker.id)


def leased_jobs(session: ReadSession) -> Sequence[Job]:
    """Jobs that a worker holds a lease on."""
    return session.scalars(select(Job).where(Job.status == Status.RUNNING)).all()


def leased_to(session: WriteSession, worker_id: str) -> Sequence[Job]:
    """Jobs that this worker holds, or held until the lease lapsed unheard; locked."""
    query = select(Job).where(Job.worker_id == worker_id, Job.status.in_([Status.RUNNING, Status.QUEUED]))
    # In the order in which everybody locks several jobs: taken the other way round, each would wait for the other.
    return session.scalars(query.order_by(Job.id).with_for_update()).all()


def forget_workers(session: WriteSession, before: datetime) -> None:
    """Drops workers that have been silent for so long that they will not be heard of again."""
    session.execute(delete(Worker).where(Worker.last_seen_at < before))
