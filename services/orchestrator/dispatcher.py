"""Placement: queued jobs onto free slots, one transaction at a time."""

import logging
import threading
from collections import Counter
from datetime import timedelta

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.kit.database import Database
from services.orchestrator import repository
from services.orchestrator.lifecycle import Lifecycle
from services.orchestrator.placement import Slot, choose
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.states import Status

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Placement is woken by every change in this process; this is for what others change and for backoffs that end."""


class Dispatcher:
    """A background task. Replicas may run side by side: rows of workers and jobs are locked while they are matched."""

    name = "dispatcher"

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle, signals: Signals) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals

    def run(self, stop: threading.Event) -> None:
        """Places jobs until told to stop."""
        while not stop.is_set():
            self._signals.placement.wait(LOOK_SECONDS)
            self._signals.placement.clear()
            try:
                while self.place() and not stop.is_set():
                    pass
            except (OperationalError, PoolTimeoutError) as error:
                log.warning("placement put off: the database does not answer: %s", error)
                stop.wait(LOOK_SECONDS)

    def place(self) -> bool:
        """Gives one job to one worker; False where no job fits a free slot."""
        with self._database.read() as session:
            if not repository.candidates(session, session.now()):
                return False
        with self._database.write() as session:
            now = session.now()
            workers = repository.live_workers(session, now - timedelta(seconds=self._settings.worker_expiry_seconds))
            if not workers:
                return False
            leased = repository.leased_jobs(session)
            occupied = {worker.id: {(job_id, attempt) for job_id, attempt in worker.running} for worker in workers}
            for job in leased:
                if job.worker_id in occupied:
                    occupied[job.worker_id].add((job.id, job.attempt))
            slots = [
                Slot(worker.id, worker.models, worker.slots - len(occupied[worker.id]), worker.speed)
                for worker in workers
            ]
            pair = choose(repository.candidates(session, now), slots, Counter(running.account_id for running in leased))
            if pair is None:
                return False
            chosen = repository.locked_job(session, pair[0].job_id)
            if chosen is None or chosen.state is not Status.QUEUED:
                return True
            self._lifecycle.assign(
                session, chosen, next(worker for worker in workers if worker.id == pair[1].worker_id)
            )
            return True
