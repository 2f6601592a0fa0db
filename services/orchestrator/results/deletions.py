"""Removes what is no longer wanted: objects, and rows that nobody needs.

Tasks of their own: a store that is slow must not delay what the sweeper sees to.
"""

import logging
from datetime import timedelta

from services.kit.database import Database
from services.kit.periodic import Periodic
from services.kit.storage import ObjectStorage
from services.orchestrator.batches import repository as batch_rows
from services.orchestrator.credits import preview_credits, quotes
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.results import repository
from services.orchestrator.results.models import Deletion
from services.orchestrator.settings import Settings
from services.orchestrator.shares import repository as share_rows
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.workers import repository as worker_rows

log = logging.getLogger(__name__)

TRY_AGAIN_AFTER = timedelta(minutes=1)
FORGET_SECONDS = 60.0
FORGET_WORKERS_AFTER = timedelta(hours=1)
UNRUN_KEPT = timedelta(days=30)
UNRUN_JOBS_KEPT, FRUITLESS_BATCHES_KEPT = 5_000, 1_000
"""The newest of an account: orders that come to nothing cost nothing, so anybody may place any number of them."""
FORGET_UNKNOWN_UPLOADS_AFTER = timedelta(minutes=10)
"""How long it is remembered that an upload somebody named does not exist."""


class Deleter(Periodic):
    """A background task."""

    def __init__(self, database: Database, storage: ObjectStorage, settings: Settings) -> None:
        super().__init__("deleter", settings.sweep_seconds, self.delete_due)
        self._database = database
        self._storage = storage

    def delete_due(self) -> None:
        """One round, to the end of what is due. What the store refuses is put off, and the rest goes on."""
        while self._delete_some():
            pass

    def _delete_some(self) -> bool:
        """Whether there is more, and a store that takes it."""
        with self._database.read() as session:
            due = [(deletion.id, deletion.prefix) for deletion in repository.due_deletions(session, session.now())]
        refused = False
        for deletion_id, prefix in due:
            try:
                self._storage.delete_prefix(prefix)
            except Exception as error:
                log.warning("objects under %s could not be deleted yet: %s", prefix, error, exc_info=error)
                refused = True
                with self._database.write() as session:
                    repository.put_off_deletion(session, deletion_id, session.now() + TRY_AGAIN_AFTER)
            else:
                with self._database.write() as session:
                    repository.finish_deletion(session, deletion_id)
        return len(due) == repository.DELETED_AT_ONCE and not refused


class Forgetter(Periodic):
    """A background task."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__("forgetter", FORGET_SECONDS, self.forget)
        self._database = database
        self._previews_kept = settings.previews_kept_per_account

    def forget(self) -> None:
        """One round, to the end of what is due: settled jobs that were deleted, stems kept long enough, and all else
        that is over."""
        with self._database.write() as session:
            now = session.now()
            worker_rows.forget_workers(session, now - FORGET_WORKERS_AFTER)
            upload_rows.forget_unknown_uploads(session, now - FORGET_UNKNOWN_UPLOADS_AFTER)
            upload_rows.erase_deleted_uploads(session)
            quotes.forget(session)
            preview_credits.forget(session)
            share_rows.forget_shares(session, now)
        while self._forget_stems():
            pass
        while self._forget_deleted():
            pass
        while self._forget_unrun():
            pass

    def _forget_stems(self) -> bool:
        """Whether there was anything, and may be more."""
        with self._database.write() as session:
            now = session.now()
            jobs = repository.expired_jobs(session, now)
            if not jobs:
                jobs = repository.crowding_previews(session, self._previews_kept)
            for job in jobs:
                session.add(Deletion(prefix=job.result_prefix, due_at=now))
                job.result_prefix, job.expires_at = None, min(job.expires_at or now, now)
        return bool(jobs)

    def _forget_deleted(self) -> bool:
        """Whether there is more."""
        with self._database.write() as session:
            jobs = job_rows.forgotten_jobs(session)
            for job in jobs:
                session.delete(job)
        return len(jobs) == job_rows.AT_ONCE

    def _forget_unrun(self) -> bool:
        """Whether there is more."""
        with self._database.write() as session:
            before = session.now() - UNRUN_KEPT
            jobs = job_rows.forget_unrun(session, before, UNRUN_JOBS_KEPT)
            batches = batch_rows.forget_fruitless(session, before, FRUITLESS_BATCHES_KEPT)
        return jobs or batches
