"""The sweeper: whatever did not happen by itself. It is why every job ends, whoever dies and whatever Kafka loses."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from prometheus_client import Counter

from services.kit import outbox
from services.kit.database import DATABASE_AWAY, Database, WriteSession
from services.kit.periodic import Periodic
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import Status
from services.orchestrator.queue import repository
from services.orchestrator.settings import Settings
from services.orchestrator.workers import repository as worker_rows

log = logging.getLogger(__name__)

FAILED = Counter("stemwright_sweeps_failed_total", "Jobs that the sweeper could not see to because of a defect.")

BACKED_UP_AFTER = timedelta(seconds=10)
"""With events this old in the outbox the event log is away: questions asked again would only pile up behind them."""


class Sweeper(Periodic):
    """A background task. Consumers and requests go on beside it: each job is locked and looked at again."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle) -> None:
        super().__init__("sweeper", settings.sweep_seconds, self.sweep)
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle

    def sweep(self) -> None:
        """One round."""
        settings = self._settings
        with self._database.read() as session:
            if not repository.anything_open(session):
                return
            now = session.now()
            lapsed = repository.lapsed_ids(session, now)
            overdue = repository.overdue_ids(session, now - timedelta(seconds=settings.attempt_limit_seconds))
            stranded = repository.stranded_ids(session, now - timedelta(seconds=settings.queue_limit_seconds))
            to_ask = [] if outbox.backed_up(session, BACKED_UP_AFTER) else repository.to_ask_ids(session, now)
        self._each(lapsed, self._lapse)
        self._each(overdue, self._take_back)
        self._each(stranded, self._give_up_waiting)
        self._each(to_ask, self._ask_again)

    def _locked(self, session: WriteSession, job_id: str) -> Job | None:
        """The job, locked after its worker: in this order heartbeats take both."""
        holder = job_rows.holder_of(session, job_id)
        if holder is not None:
            worker_rows.locked_worker(session, holder)
        return job_rows.locked_job(session, job_id)

    def _each(self, job_ids: Sequence[str], action: Callable[[WriteSession, Job], None]) -> None:
        """Each job in a transaction of its own: one that trips us must not keep the others from ending."""
        for job_id in job_ids:
            try:
                with self._database.write() as session:
                    job = self._locked(session, job_id)
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
