"""The sweeper: whatever did not happen by itself. It is why every job ends, whoever dies and whatever Kafka loses."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from prometheus_client import Gauge
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.kit.database import Database, WriteSession
from services.kit.storage import ObjectStorage, StorageRefused, StorageUnavailable
from services.orchestrator import repository
from services.orchestrator.lifecycle import Lifecycle
from services.orchestrator.models import Job, Worker
from services.orchestrator.settings import Settings
from services.orchestrator.states import Status

log = logging.getLogger(__name__)

WAITING_AUDIO = Gauge("queue_audio_seconds", "Seconds of audio waiting in the queue; workers are scaled by it.")
OLDEST_WAIT = Gauge("queue_oldest_seconds", "How long the job at the head of the queue has waited.")
JOBS = Gauge("jobs_open", "Jobs that have not ended.", ["status"])

FORGET_WORKERS_AFTER = timedelta(hours=1)
FORGET_UNKNOWN_UPLOADS_AFTER = timedelta(minutes=10)
"""How long it is remembered that an upload somebody named does not exist."""


class Sweeper:
    """A background task. Replicas may sweep side by side: a job is locked and looked at again before it is changed."""

    name = "sweeper"

    def __init__(self, database: Database, storage: ObjectStorage, settings: Settings, lifecycle: Lifecycle) -> None:
        self._database = database
        self._storage = storage
        self._settings = settings
        self._lifecycle = lifecycle

    def run(self, stop: threading.Event) -> None:
        """Sweeps until told to stop."""
        while not stop.wait(self._settings.sweep_seconds):
            try:
                self.sweep()
            except (OperationalError, PoolTimeoutError) as error:
                log.warning("sweep put off: the database does not answer: %s", error)

    def sweep(self) -> None:
        """One round."""
        settings = self._settings
        with self._database.read() as session:
            now = session.now()
            lapsed = repository.lapsed_ids(session, now)
            overdue = repository.overdue_ids(session, now - timedelta(seconds=settings.attempt_limit_seconds))
            unconfirmed = repository.unconfirmed_ids(session, now - timedelta(seconds=settings.resend_seconds))
            stranded = repository.stranded_ids(session, now - timedelta(seconds=settings.queue_limit_seconds))
            to_ask = repository.to_ask_ids(session, now)
            WAITING_AUDIO.set(repository.waiting_audio_seconds(session))
            OLDEST_WAIT.set(repository.oldest_wait(session, now).total_seconds())
            counts = repository.jobs_by_status(session)
        for status in (Status.RESERVING, Status.QUEUED, Status.RUNNING):
            JOBS.labels(status).set(counts.get(status, 0))
        self._each(lapsed, self._lapse)
        self._each(overdue, self._take_back)
        self._each(unconfirmed, self._send_again)
        self._each(stranded, self._give_up_waiting)
        self._each(to_ask, self._ask_again)
        self._delete_objects()
        self._forget()

    def _each(self, job_ids: Sequence[str], action: Callable[[WriteSession, Job], None]) -> None:
        for job_id in job_ids:
            with self._database.write() as session:
                job = repository.locked_job(session, job_id)
                if job is not None:
                    action(session, job)

    def _lapse(self, session: WriteSession, job: Job) -> None:
        now = session.now()
        if job.state is not Status.RUNNING or job.lease_until is None or job.lease_until >= now:
            return
        # With nobody heard, it is the event log that is away rather than this worker, and the job is not to blame.
        since = job.lease_until - timedelta(seconds=self._settings.lease_seconds)
        died = job.lease_confirmed and repository.heard_other_than(session, job.worker_id, since)
        log.warning("lease of %s at attempt %d lapsed (worker %s)", job.id, job.attempt, job.worker_id)
        self._lifecycle.lapse(session, job, worker_died=died)

    def _take_back(self, session: WriteSession, job: Job) -> None:
        limit = session.now() - timedelta(seconds=self._settings.attempt_limit_seconds)
        if job.state is Status.RUNNING and job.assigned_at is not None and job.assigned_at < limit:
            self._lifecycle.recall(session, job.worker_id, job.id, job.attempt)
            self._lifecycle.fail_attempt(
                session, job, "attempt_too_long", "The separation took too long.", retryable=True
            )

    def _send_again(self, session: WriteSession, job: Job) -> None:
        if job.state is not Status.RUNNING or job.lease_confirmed or job.worker_id is None:
            return
        worker = session.get(Worker, job.worker_id)
        if worker is not None:
            self._lifecycle.send_assignment(session, job, worker)

    def _give_up_waiting(self, session: WriteSession, job: Job) -> None:
        if job.state in (Status.RESERVING, Status.QUEUED):
            self._lifecycle.give_up(session, job, "waited_too_long", "The job could not be started in time.")

    def _ask_again(self, session: WriteSession, job: Job) -> None:
        if job.ask_at is not None and job.ask_at <= session.now():
            self._lifecycle.ask(session, job)

    def _delete_objects(self) -> None:
        with self._database.read() as session:
            due = [(deletion.id, deletion.prefix) for deletion in repository.due_deletions(session, session.now())]
        for deletion_id, prefix in due:
            try:
                self._storage.delete_prefix(prefix)
            except (StorageUnavailable, StorageRefused) as error:
                log.warning("objects under %s could not be deleted yet: %s", prefix, error)
                return
            with self._database.write() as session:
                repository.finish_deletion(session, deletion_id)

    def _forget(self) -> None:
        with self._database.read() as session:
            nothing = not repository.anything_to_forget(
                session, session.now() - FORGET_WORKERS_AFTER, session.now() - FORGET_UNKNOWN_UPLOADS_AFTER
            )
        if nothing:
            return
        with self._database.write() as session:
            repository.forget_workers(session, session.now() - FORGET_WORKERS_AFTER)
            repository.forget_unknown_uploads(session, session.now() - FORGET_UNKNOWN_UPLOADS_AFTER)
            for job in repository.forgotten_jobs(session):
                session.delete(job)
