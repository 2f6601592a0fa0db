"""Placement: queued jobs onto free slots, one transaction at a time."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from prometheus_client import Counter as PrometheusCounter

from services.kit.database import DATABASE_AWAY, Database, WriteSession
from services.kit.leadership import BUSY_SECONDS, LeaseLost, lease_of
from services.orchestrator.administration import repository as administration
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.models import Job
from services.orchestrator.queue import repository
from services.orchestrator.queue.placement import Candidate, Slot, choose
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.workers import repository as worker_rows
from services.orchestrator.workers.heartbeats import HeartbeatMonitor
from services.orchestrator.workers.models import Worker

log = logging.getLogger(__name__)

FAILED = PrometheusCounter("stemwright_placements_failed_total", "Placements that ended in a defect.")

LOOK_SECONDS = 2.0
"""Placement is woken by every change in this process; this is for what others change and for backoffs that end."""


UNPIN_AFTER = timedelta(minutes=5)
"""With no worker heard for this long that serves the version of its model with which a song began, any other does."""

UNPINNED_AT_ONCE = 200


class Dispatcher:
    """A background task. Replicas take turns: whichever is woken places, under a lease, until there is nothing more.

    Rows of workers and jobs are locked while they are matched, for consumers write them too.
    """

    name = "dispatcher"

    def __init__(
        self,
        database: Database,
        settings: Settings,
        lifecycle: Lifecycle,
        signals: Signals,
        heartbeats: HeartbeatMonitor,
    ) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals
        self._heartbeats = heartbeats
        self._turn = lease_of(database, "dispatcher")
        self._listening_since: datetime | None = None
        """When this process began, by the database's clock."""

    def run(self, stop: threading.Event) -> None:
        """Places jobs until told to stop."""
        pause_seconds = LOOK_SECONDS
        while not stop.is_set():
            self._signals.placement.wait(pause_seconds)
            self._signals.placement.clear()
            pause_seconds = LOOK_SECONDS
            try:
                if self._may_place() and not self._place_in_turn(stop):
                    # Whoever places just now may have looked before there was what woke us.
                    pause_seconds = BUSY_SECONDS
            except LeaseLost:
                log.info("another process places since")
            except DATABASE_AWAY as error:
                log.warning("placement put off: the database does not answer: %s", error)
                stop.wait(LOOK_SECONDS)
            except Exception:
                FAILED.inc()
                log.exception("a placement failed")
                stop.wait(LOOK_SECONDS)

    def _place_in_turn(self, stop: threading.Event) -> bool:
        """Places all that can be; False where another process is at it."""
        if not self._turn.acquire():
            return False
        try:
            with self._database.fenced(self._turn.fence):
                while self.place() and not stop.is_set():
                    pass
        finally:
            self._turn.release()
        return True

    def wake(self) -> None:
        """Has it look now."""
        self._signals.placement.set()

    def place(self) -> bool:
        """Gives one job to one worker; False where no job fits a free slot, or an operator has paused the queue."""
        return self._may_place() and self._place()

    def _may_place(self) -> bool:
        """Looked at without any lock first: most of the time there is nothing to do, and a queue may be long."""
        with self._database.read() as session:
            if self._listening_since is None:
                self._listening_since = session.now()
            if administration.pause(session) is not None or not repository.anything_queued(session):
                return False
            now = session.now()
            workers = worker_rows.live_workers(session, now, self._heard_since(now))
            return bool(_with_room(workers, worker_rows.leased_jobs(session)))

    def _place(self) -> bool:
        lapsed = self._heartbeats.are_steady()
        with self._database.write() as session:
            now = session.now()
            workers = worker_rows.locked_live_workers(session, now, self._heard_since(now))
            leased = worker_rows.leased_jobs(session)
            heads = repository.candidates(session, now, lapsed=lapsed)
            if self._unpin(session, heads, now):
                heads = repository.candidates(session, now, lapsed=lapsed)
            stranded = self._stranded(heads, workers)
            # A trial must not keep a song waiting that has not begun: the default model is always there.
            if stranded and repository.change_model(session, stranded, self._settings.default_model):
                heads = repository.candidates(session, now, lapsed=lapsed)
            pair = choose(
                heads,
                _with_room(workers, leased),
                Counter(running.account_id for running in leased),
            )
            if pair is None:
                return False
            candidate, slot = pair
            job = repository.locked_head(session, candidate, now, lapsed=lapsed)
            if job is not None:
                self._assign(session, job, next(worker for worker in workers if worker.id == slot.worker_id))
            return True

    def _assign(self, session: WriteSession, job: Job, worker: Worker) -> None:
        """One job that trips us must not keep all others from being placed: it fails."""
        try:
            with session.begin_nested():
                self._lifecycle.assign(session, job, worker, listening_since=self._listening_since)
        except DATABASE_AWAY:
            raise
        except Exception:
            FAILED.inc()
            log.exception("%s could not be placed", job.id)
            session.refresh(job)
            self._lifecycle.give_up(session, job, "internal", "Something went wrong on our side.")

    def _unpin(self, session: WriteSession, heads: Iterable[Candidate], now: datetime) -> bool:
        """Lets songs go on that began with a version of their model which is gone: a result that nobody can make is no
        reason to wait. Never while a worker that serves it lives, nor before who lives has been heard; True where
        there were any."""
        pinned = {(head.model_name, head.model_digest) for head in heads if head.model_digest is not None}
        if not pinned or not self._heartbeats.are_steady(UNPIN_AFTER.total_seconds()):
            return False
        heard = worker_rows.heard_since(session, now - UNPIN_AFTER)
        gone = pinned - {version for worker in heard for version in worker.models.items()}
        unpinned = [
            job
            for name, digest in sorted(gone)
            for job in repository.locked_pinned(session, now, name, digest, UNPINNED_AT_ONCE)
        ]
        for job in unpinned:
            log.warning(
                "job %s began with %s %s, which no worker serves any more: it begins anew with any version",
                *(job.id, job.model_name, job.model_digest),
            )
            self._lifecycle.unpin(job)
        return bool(unpinned)

    def _stranded(self, heads: Iterable[Candidate], workers: Iterable[Worker]) -> set[str]:
        """Models that no live worker serves, of songs that have not begun."""
        served = {self._settings.default_model}.union(*(worker.models for worker in workers))
        return {head.model_name for head in heads if head.model_digest is None} - served

    def _heard_since(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self._settings.worker_expiry_seconds)


def _with_room(workers: Iterable[Worker], leased: Iterable[Job]) -> list[Slot]:
    """Free slots: those that neither a lease of ours takes nor, by its own word, the worker itself."""
    occupied = {worker.id: {(job_id, attempt) for job_id, attempt in worker.running} for worker in workers}
    for job in leased:
        if job.worker_id in occupied:
            occupied[job.worker_id].add((job.id, job.attempt))
    slots = [
        Slot(worker.id, worker.models, worker.slots - len(occupied[worker.id]), worker.speed) for worker in workers
    ]
    return [slot for slot in slots if slot.free > 0]
