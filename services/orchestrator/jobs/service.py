"""What clients may do with jobs. Each call is one transaction; waiting is done outside of any."""

import logging
from contextlib import suppress
from datetime import datetime
from functools import partial

from fastapi.responses import JSONResponse

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.erasures import check_open
from services.kit.errors import StemwrightError
from services.kit.idempotency import Answer, idempotent, replace_answers
from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.telemetry import current_traceparent, use_ids
from services.orchestrator.credits import quotes
from services.orchestrator.credits.errors import InsufficientCredits, PreviewAllowanceExhausted
from services.orchestrator.jobs import repository
from services.orchestrator.jobs.errors import (
    JobAlreadyFinal,
    JobDeleted,
    JobNotFound,
    JobNotRetryable,
    JobNotWaiting,
    JobRejected,
    OutputUnsuitable,
    PreviewOutside,
    TooManyOpenJobs,
    TooManyWaitingJobs,
)
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.messages import job_answer, job_at, listed
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.schemas import JobAnswer, ListedJob, MissedEvent, MissedEvents, NewJob, RetryRequest
from services.orchestrator.jobs.states import FINAL, Status
from services.orchestrator.queue.model_choice import ModelChoice
from services.orchestrator.settings import Settings
from services.orchestrator.shares import repository as share_rows
from services.orchestrator.signals import Signals
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.errors import UploadNotFound, UploadRejected
from services.orchestrator.uploads.service import Uploads

log = logging.getLogger(__name__)


class Jobs:
    """The use cases of jobs."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle, signals: Signals) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals
        self._uploads = Uploads(database, settings, lifecycle, signals)
        self._models = ModelChoice(settings)

    def create(self, account_id: str, request: NewJob, key: str | None, *, canary: bool = False) -> JSONResponse:
        """A new job: 201 when it is queued, 402 when it cannot be paid, 202 when a sibling has not answered yet.

        An upload of which no word has come may be ready for long, where the event log is slow or shares out its
        partitions anew. The job then waits for the word, and is rejected if there never was such an upload.
        """
        heard = self._uploads.look_for(account_id, request.upload_id)

        def make(session: WriteSession) -> str:
            model = self._models.model_for(session, request.upload_id, request.model)
            job = Job(
                id=new_id("job"),
                account_id=account_id,
                upload_id=request.upload_id,
                mode=request.mode,
                tier=request.tier,
                preview_start_seconds=request.preview.start_seconds if request.preview else None,
                preview_duration_seconds=request.preview.duration_seconds if request.preview else None,
                stems=list(request.stems),
                output=request.output.model_dump(),
                model_name=model,
                model_ordered=request.model is not None,
                job_metadata=request.metadata,
                callback_url=request.callback_url,
                canary=canary,
            )
            return self._start(session, job, unheard=not heard)

        return idempotent(
            self._database,
            account_id=account_id,
            key=key,
            operation="createJob",
            body=request,
            create=make,
            respond=lambda job_id: self._first_answer(account_id, job_id),
        )

    def retry(self, account_id: str, job_id: str, key: str | None, *, callback: bool) -> JSONResponse:
        """A new job like one that did not succeed; the old one stays as it is. `callback`: whether its address is told
        of the new one too."""

        def make(session: WriteSession) -> str:
            old = self._owned(session, account_id, job_id)
            if old.state not in FINAL or old.state is Status.SUCCEEDED:
                raise JobNotRetryable
            return self.start_again(session, old, callback_url=old.callback_url if callback else None)

        return idempotent(
            self._database,
            account_id=account_id,
            key=key,
            operation="retryJob",
            body=RetryRequest(job_id=job_id),
            create=make,
            respond=lambda job_id: self._first_answer(account_id, job_id),
        )

    def start_again(self, session: WriteSession, old: Job, *, callback_url: str | None) -> str:
        """Makes a new job like one that has ended; its id. Raises what ordering it anew would."""
        if old.model_ordered:
            self._models.check_known(session, old.model_name)
        job = Job(
            id=new_id("job"),
            account_id=old.account_id,
            upload_id=old.upload_id,
            mode=old.mode,
            tier=old.tier,
            preview_start_seconds=old.preview_start_seconds,
            preview_duration_seconds=old.preview_duration_seconds,
            stems=old.stems,
            output=old.output,
            model_name=old.model_name,
            model_ordered=old.model_ordered,
            job_metadata=old.job_metadata,
            callback_url=callback_url,
            canary=old.canary,
            retry_of=old.id,
        )
        return self._start(session, job)

    def get(self, account_id: str, job_id: str) -> JobAnswer:
        """The job; raises JobNotFound."""
        with self._database.read() as session:
            return job_answer(self._owned(session, account_id, job_id))

    def list_jobs(
        self,
        account_id: str,
        *,
        limit: int,
        before: str | None,
        status: str | None,
        search: str | None = None,
        batch_id: str | None = None,
    ) -> tuple[list[ListedJob], str | None]:
        """One page, newest first, and the id after which the next begins."""
        with self._database.read() as session:
            jobs = repository.owned_jobs(
                session, account_id, limit=limit + 1, before=before, status=status, search=search, batch_id=batch_id
            )
            page = listed(session, account_id, jobs[:limit])
        return page, page[-1].id if len(jobs) > limit else None

    def queue(self, account_id: str, limit: int) -> list[ListedJob]:
        """The account's jobs that wait for a worker, the next one first."""
        with self._database.read() as session:
            return listed(session, account_id, repository.waiting_in_turn(session, account_id, limit))

    def expedite(self, account_id: str, job_id: str) -> JobAnswer:
        """Puts a waiting job before the account's others. Raises JobNotFound or JobNotWaiting.

        The jobs exchange among themselves the times at which they were queued, so that nobody else waits any longer.
        """
        with self._database.write() as session:
            waiting = sorted(repository.locked_waiting(session, account_id), key=_turn)
            job = next((each for each in waiting if each.id == job_id), None)
            if job is None:
                raise JobNotWaiting(f"the job is {self._owned(session, account_id, job_id).status}")
            passed = waiting[: waiting.index(job)]
            times = [each.queued_at for each in (*passed, job)]
            for each, time in zip((job, *passed), times, strict=True):
                each.queued_at = time
            return job_answer(job)

    def cancel(self, account_id: str, job_id: str) -> JobAnswer:
        """Cancels; a job that is canceled already is no error, one that ended otherwise is a conflict."""
        with self._database.write() as session:
            job = self._owned_locked(session, account_id, job_id)
            if job.state is not Status.CANCELED:
                if job.state in FINAL:
                    raise JobAlreadyFinal(f"the job is {job.status} already")
                self._lifecycle.cancel(session, job)
            return job_answer(job)

    def delete(self, account_id: str, job_id: str) -> None:
        """Removes the job from sight and its objects from the store; cancels it first if it has not ended."""
        with self._database.write() as session:
            job = self._owned_locked(session, account_id, job_id)
            if job.state not in FINAL:
                self._lifecycle.cancel(session, job)
            job.deleted_at = session.now()
            share_rows.delete_shares(session, job.id)
            # What the client noted on the job goes with it.
            replace_answers(session, account_id, job.id, JobDeleted())
            self._lifecycle.tell_deleted(session, job)
            self._lifecycle.remove_objects(session, stems_prefix(job.id))

    def missed_events(self, account_id: str, job_id: str, after: str | None) -> MissedEvents:
        """What the gateway's stream has to catch up with."""
        with self._database.read() as session:
            job = self._owned(session, account_id, job_id)
            events = repository.events_after(session, job.id, after)
            return MissedEvents(
                events=[
                    MissedEvent(id=event.id, type=event.type, time=event.created_at, job=job_at(job, event))
                    for event in events
                ],
                job=job_answer(job),
            )

    def _start(self, session: WriteSession, job: Job, *, unheard: bool = False) -> str:
        self._check_room(session, job.account_id)
        check_open(session, job.account_id)
        if unheard and upload_rows.upload(session, job.upload_id) is None:
            upload = None
        else:
            upload = self._uploads.usable(session, job.account_id, job.upload_id)
        job.status = Status.RESERVING
        job.created_at = session.now()
        job.attempt = job.failures = job.silent_deaths = job.asked_times = 0
        job.lease_confirmed, job.settled, job.progress_fraction = False, False, 0.0
        job.preview_credit_credits = 0
        job.traceparent = current_traceparent()
        session.add(job)
        session.after_commit(partial(_tell_ordered, job.account_id, job.id))
        priced = False
        if upload is not None and upload.status == "ready":
            with suppress(quotes.RateUnknown):
                self._lifecycle.price(session, job, upload)
                priced = True
        if not priced:
            waiting = self._settings.waiting_jobs_per_account
            if repository.waiting_jobs(session, job.account_id, waiting + 1) > waiting:
                raise TooManyWaitingJobs(f"At most {waiting} jobs of an account may wait for their uploads.")
            self._lifecycle.ask(session, job, again=False)
        return job.id

    def _check_room(self, session: WriteSession, account_id: str) -> None:
        """Raises TooManyOpenJobs. Until the transaction ends no other request of the account counts."""
        session.serialize(f"jobs:{account_id}")
        limit = self._settings.open_jobs_per_account
        if repository.open_jobs(session, account_id, limit) >= limit:
            raise TooManyOpenJobs(f"At most {limit} jobs of an account may be open.", retry_after_seconds=10)

    def _first_answer(self, account_id: str, job_id: str) -> Answer:
        def decided() -> Job | None:
            with self._database.read() as session:
                job = self._owned(session, account_id, job_id)
                return job if job.state is not Status.RESERVING or job.price_credits is None else None

        job = self._signals.wait_for(decided, self._settings.answer_wait_seconds)
        if job is None:
            with self._database.read() as session:
                job = self._owned(session, account_id, job_id)
        if job.state is Status.REJECTED:
            refusal = _refusal(job)
            return refusal.status, refusal.problem()
        return (202 if job.state is Status.RESERVING else 201), job_answer(job).model_dump(mode="json")

    def _owned(self, session: ReadSession, account_id: str, job_id: str) -> Job:
        job = repository.owned_job(session, account_id, job_id)
        if job is None:
            raise JobNotFound
        return job

    def _owned_locked(self, session: WriteSession, account_id: str, job_id: str) -> Job:
        job = repository.locked_owned_job(session, account_id, job_id)
        if job is None:
            raise JobNotFound
        return job


def _tell_ordered(account_id: str, job_id: str) -> None:
    """The one line that has the request and the job that came of it."""
    with use_ids(account_id=account_id, job_id=job_id):
        log.info("job %s is ordered", job_id)


def _turn(job: Job) -> tuple[datetime, str]:
    assert job.queued_at is not None  # noqa: S101 - it is queued
    return job.queued_at, job.id


def _refusal(job: Job) -> StemwrightError:
    """Why a job was rejected, as an error; it names the job, which exists and says the same."""
    known: dict[str, type[StemwrightError]] = {
        error.code: error
        for error in (
            InsufficientCredits,
            OutputUnsuitable,
            PreviewAllowanceExhausted,
            PreviewOutside,
            UploadNotFound,
            UploadRejected,
        )
    }
    error = known.get(job.error_code or "", JobRejected)
    return error(job.error_message, extra={"job_id": job.id})
