"""The sweeper: whatever did not happen by itself. It is why every job ends, whoever dies and whatever Kafka loses."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from prometheus_client import Counter, Gauge

from services.kit import outbox
from services.kit.database import DATABASE_AWAY, Database, WriteSession
from services.kit.periodic import Periodic
from services.orchestrator import repository
from services.orchestrator.lifecycle import Lifecycle
from services.orchestrator.models import Job
from services.orchestrator.settings import Settings
from services.orchestrator.states import Status

log = logging.getLogger(__name__)

WAITING_AUDIO = Gauge("queue_audio_seconds", "Seconds of audio waiting in the queue; workers are scaled by it.")
OLDEST_WAIT = Gauge("queue_oldest_seconds", "How long the job at the head of the queue has waited.")
JOBS = Gauge("jobs_open", "Jobs that have not ended.", ["status"])
FAILED = Counter("sweeps_failed_total", "Jobs that the sweeper could not see to because of a defect.")

FORGET_WORKERS_AFTER = timedelta(hours=1)
FORGET_UNKNOWN_UPLOADS_AFTER = timedelta(minutes=10)
"""How long it is remembered that an upload somebody named does not exist."""
BACKED_UP_AFTER = timedelta(seconds=10)
"""With events this old in the outbox the event log is away: questions asked again would only pile up behind them."""


class Sweeper(Periodic):
    """A background task. Replicas may sweep side by side: a job is locked and looked at again before it is changed."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle) -> None:
        super().__init__("sweeper", settings.sweep_seconds, self.sweep)
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle

    def sweep(self) -> None:
        """One round."""
        settings = self._settings
        with self._database.read() as session:
            now = session.now()
            lapsed = repository.lapsed_ids(session, now)
            overdue = repository.overdue_ids(session, now - timedelta(seconds=settings.attempt_limit_seconds))
            stranded = repository.stranded_ids(session, now - timedelta(seconds=settings.queue_limit_seconds))
            to_ask = [] if outbox.backed_up(session, BACKED_UP_AFTER) else repository.to_ask_ids(session, now)
            WAITING_AUDIO.set(repository.waiting_audio_seconds(session))
            OLDEST_WAIT.set(repository.oldest_wait(session, now).total_seconds())
            counts = repository.jobs_by_status(session)
        for status in (Status.RESERVING, Status.QUEUED, Status.RUNNING):
            JOBS.labels(status).set(counts.get(status, 0))
        self._each(lapsed, self._lapse)
        self._each(overdue, self._take_back)
        self._each(stranded, self._give_up_waiting)
        self._each(to_ask, self._ask_again)
        self._forget()

    def _each(self, job_ids: Sequence[str], action: Callable[[WriteSession, Job], None]) -> None:
        """Each job in a transaction of its own: one that trips us must not keep the others from ending."""
        for job_id in job_ids:
            try:
                with self._database.write() as session:
                    job = repository.locked_job(session, job_id)
                    if job is not None:
                        action(session, job)
            except DATABASE_AWAY:
                raise
            except Exception:
                FAILED.inc()
                log.exception("the sweeper could not see to %s", job_id)

    def _lapse(self, session: WriteSession, job: Job) -> None:
        if job.state is Status.RUNNING and job.lease_until is not None and job.lease_until < session.now():
            log.warning("lease of %s at attempt %d lapsed (worker %s)", job.id, job.attempt, job.worker_id)
            self._lifecycle.lapse(session, job)

    def _take_back(self, session: WriteSession, job: Job) -> None:
        limit = session.now() - timedelta(seconds=self._settings.attempt_limit_seconds)
        if job.state is Status.RUNNING and job.assigned_at is not None and job.assigned_at < limit:
            self._lifecycle.recall(session, job.worker_id, job.id, job.attempt)
            self._lifecycle.fail_attempt(
                session, job, "attempt_too_long", "The separation took too long.", retryable=True
            )

    def _give_up_waiting(self, session: WriteSession, job: Job) -> None:
        if job.state in (Status.RESERVING, Status.QUEUED):
            self._lifecycle.give_up(session, job, "waited_too_long", "The job could not be started in time.")

    def _ask_again(self, session: WriteSession, job: Job) -> None:
        if job.ask_at is not None and job.ask_at <= session.now():
            self._lifecycle.ask(session, job)

    def _forget(self) -> None:
        with self._database.read() as session:
            now = session.now()
            workers_before, uploads_before = now - FORGET_WORKERS_AFTER, now - FORGET_UNKNOWN_UPLOADS_AFTER
            if not repository.anything_to_forget(session, workers_before, uploads_before):
                return
        with self._database.write() as session:
            repository.forget_workers(session, workers_before)
            repository.forget_unknown_uploads(session, uploads_before)
            for job in repository.forgotten_jobs(session):
                session.delete(job)
