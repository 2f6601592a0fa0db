"""Forgets what an erased account had made: its jobs, their stems, feedback and events, and its songs' names."""

from services.kit.database import Database, WriteSession
from services.kit.erasures import count
from services.kit.object_keys import stems_prefix
from services.kit.storage import ObjectStorage
from services.orchestrator.batches import repository as batch_rows
from services.orchestrator.credits import repository as credit_rows
from services.orchestrator.feedback import repository as feedback_rows
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import FINAL
from services.orchestrator.shares import repository as share_rows
from services.orchestrator.uploads import repository as upload_rows


class Forgetting:
    """The orchestrator's part in an erasure.

    Jobs that have not ended are canceled, as their owner would. A job's row stays, with ids and nothing that the
    person gave, until accounts has settled its hold: without it the hold's end could not be told again.
    """

    def __init__(self, database: Database, storage: ObjectStorage, lifecycle: Lifecycle) -> None:
        self._database = database
        self._storage = storage
        self._lifecycle = lifecycle

    def __call__(self, account_id: str) -> bool:
        """Empties and deletes some jobs at a time; True once no job of the account is left."""
        with self._database.write() as session:
            # Before their songs are canceled: what is told of that goes over the event log.
            batch_rows.empty(session, account_id)
        while self._empty_some(account_id):
            pass
        after: str | None = ""
        while after is not None:
            after = self._delete_some(account_id, after)
        with self._database.write() as session:
            batch_rows.forget_account(session, account_id)
            credit_rows.forget_account(session, account_id)
            upload_rows.forget_account(session, account_id)
            share_rows.forget_account(session, account_id)
            return not job_rows.has_jobs(session, account_id)

    def _empty_some(self, account_id: str) -> int:
        with self._database.write() as session:
            jobs = job_rows.locked_jobs_to_empty(session, account_id)
            for job in jobs:
                self._empty(session, job)
            return len(jobs)

    def _empty(self, session: WriteSession, job: Job) -> None:
        account_id, result = job.account_id, job.result or {}
        if job.deleted_at is None:
            count(session, account_id, "jobs", 1)
            count(session, account_id, "stems", len(result.get("stems", ())))
            job.deleted_at = session.now()
        # Before it is canceled: what is told of that goes over the event log.
        job.callback_url = None
        job.job_metadata = job.result = job.result_prefix = job.expires_at = None
        if job.state not in FINAL:
            self._lifecycle.cancel(session, job)
        self._lifecycle.remove_objects(session, stems_prefix(job.id))
        count(session, account_id, "shares", share_rows.delete_shares(session, job.id))
        count(session, account_id, "feedback", feedback_rows.delete_feedback(session, job.id))
        job_rows.empty_events(session, job.id)

    def _delete_some(self, account_id: str, after: str) -> str | None:
        """Deletes the objects of some jobs, then their rows; the id to go on after, None behind the last."""
        with self._database.read() as session:
            job_ids = job_rows.job_ids(session, account_id, after=after)
        for job_id in job_ids:
            self._storage.delete_prefix(stems_prefix(job_id))
        with self._database.write() as session:
            job_rows.delete_settled(session, job_ids)
        return job_ids[-1] if job_ids else None
