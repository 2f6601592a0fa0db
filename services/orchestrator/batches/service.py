"""What clients may do with batches. Waiting is done outside of any transaction."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from fastapi.responses import JSONResponse

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.erasures import check_open
from services.kit.errors import StemwrightError
from services.kit.idempotency import Answer, idempotent
from services.kit.ids import new_id
from services.kit.telemetry import current_traceparent
from services.orchestrator.batches import repository
from services.orchestrator.batches.errors import BatchAlreadyFinal, BatchNotFound, TooManyOpenBatches
from services.orchestrator.batches.messages import batch_answer
from services.orchestrator.batches.models import Batch
from services.orchestrator.batches.schemas import BatchAnswer, BatchItem, BatchWithSongs, NewBatch
from services.orchestrator.batches.songs import usable_songs
from services.orchestrator.batches.states import FINAL, Status
from services.orchestrator.credits import quotes
from services.orchestrator.credits.errors import InsufficientCredits, PreviewAllowanceExhausted
from services.orchestrator.jobs import states
from services.orchestrator.jobs.errors import JobRejected
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.messages import listed
from services.orchestrator.jobs.models import Job
from services.orchestrator.queue.model_choice import ModelChoice
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.uploads.service import Uploads

CANCELED_AT_ONCE = 100
"""Songs of one transaction: nobody else has to wait long for it."""


class Batches:
    """The use cases of batches."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle, signals: Signals) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals
        self._uploads = Uploads(database, settings, lifecycle, signals)
        self._models = ModelChoice(settings)

    def create(self, account_id: str, request: NewBatch, key: str | None) -> JSONResponse:
        """A new batch: 201 when its price is held, 402 when it cannot be paid, 202 when that is not known yet.

        All of its songs are ordered, or none. Raises what ordering one of them would, with `item` saying which. Songs
        of which no word has come are waited for, as those of single jobs are.
        """
        self._uploads.look_for_all(account_id, {item.upload_id for item in request.items if item.upload_id is not None})
        return idempotent(
            self._database,
            account_id=account_id,
            key=key,
            operation="createBatch",
            body=request,
            create=lambda session: self._create(session, account_id, request),
            respond=lambda batch_id: self._first_answer(account_id, batch_id),
        )

    def get(self, account_id: str, batch_id: str, *, after: str | None, limit: int) -> BatchWithSongs:
        """The batch and a page of its songs; raises BatchNotFound."""
        with self._database.read() as session:
            batch = self._owned(session, account_id, batch_id)
            jobs = repository.songs(session, batch_id, after=after, limit=limit + 1)
            items = listed(session, account_id, jobs[:limit])
            following = items[-1].id if len(jobs) > limit else None
            return BatchWithSongs(**dict(batch_answer(session, batch)), items=items, next_cursor=following)

    def page(self, account_id: str, *, limit: int, before: str | None) -> tuple[list[BatchAnswer], str | None]:
        """One page, newest first, and the id after which the next begins."""
        with self._database.read() as session:
            batches = repository.page(session, account_id, limit=limit + 1, before=before)
            shown = [batch_answer(session, batch) for batch in batches[:limit]]
        return shown, shown[-1].id if len(batches) > limit else None

    def cancel(self, account_id: str, batch_id: str) -> BatchAnswer:
        """Cancels every song that has not ended. Raises BatchNotFound, BatchAlreadyFinal."""
        with self._database.write() as session:
            batch = repository.locked(session, batch_id)
            if batch is None or batch.account_id != account_id:
                raise BatchNotFound
            if batch.state in FINAL and batch.state is not Status.CANCELED:
                raise BatchAlreadyFinal(f"the batch is {batch.status} already")
            batch.canceled_at = batch.canceled_at or session.now()
        self.cancel_songs(batch_id)
        with self._database.read() as session:
            return batch_answer(session, self._owned(session, account_id, batch_id))

    def cancel_songs(self, batch_id: str) -> None:
        """Cancels what has not ended, some at a time. Who is stopped in between is finished for by the sweeper."""
        canceled = CANCELED_AT_ONCE
        while canceled == CANCELED_AT_ONCE:
            with self._database.write() as session:
                jobs = repository.locked_open(session, batch_id, limit=CANCELED_AT_ONCE)
                # A session forgets what nobody holds.
                _uploads = upload_rows.by_ids(session, {job.upload_id for job in jobs})
                for job in jobs:
                    self._lifecycle.cancel(session, job)
                canceled = len(jobs)

    def _create(self, session: WriteSession, account_id: str, request: NewBatch) -> str:
        session.serialize(f"batches:{account_id}")
        limit = self._settings.open_batches_per_account
        if repository.open_batches(session, account_id) >= limit:
            raise TooManyOpenBatches(f"At most {limit} batches of an account may be open.", retry_after_seconds=10)
        check_open(session, account_id)
        uploads = usable_songs(session, account_id, request.items)
        upload_ids = [item.upload_id or self._to_be_fetched(session, account_id, item) for item in request.items]
        models = self._models.models_for(session, upload_ids, request.model)
        now = session.now()
        batch = Batch(
            id=new_id("bat"),
            account_id=account_id,
            status=Status.RESERVING,
            mode=request.mode,
            tier=request.tier,
            songs=len(request.items),
            batch_metadata=request.metadata,
            callback_url=request.callback_url,
            created_at=now,
            asked_times=0,
            traceparent=current_traceparent(),
        )
        session.add(batch)
        # Ids of one millisecond are not in the order in which they were made; the songs shall be in that of the list.
        ids = sorted(new_id("job") for _ in request.items)
        jobs = [
            _song(batch, job_id, upload_id, item, request, models[upload_id])
            for job_id, upload_id, item in zip(ids, upload_ids, request.items, strict=True)
        ]
        self._price(session, jobs, uploads)
        session.add_all(jobs)
        self._lifecycle.batches.look(session, batch.id)
        return batch.id

    def _to_be_fetched(self, session: WriteSession, account_id: str, item: BatchItem) -> str:
        """Has a song fetched, under an upload's id that we give."""
        upload = KnownUpload(
            id=new_id("upl"),
            account_id=account_id,
            status="pending",
            source_url=item.source_url,
            updated_at=session.now(),
        )
        session.add(upload)
        self._lifecycle.ask_for_upload(session, upload.id)
        return upload.id

    def _price(self, session: WriteSession, jobs: Sequence[Job], uploads: Mapping[str, KnownUpload]) -> None:
        """Prices the songs that are there; the others wait, as single jobs do."""
        now = session.now()
        there = {upload.id: upload for upload in uploads.values() if upload.status == "ready"}
        ready = [job for job in jobs if job.upload_id in there]
        for number, job in enumerate(jobs):
            job.ask_at = now + timedelta(seconds=self._settings.ask_again_seconds)
            if job.upload_id in there:
                try:
                    self._lifecycle.fit(job, there[job.upload_id])
                except StemwrightError as error:
                    error.extra["item"] = number
                    raise
        try:
            prices = quotes.prices_of(session, [quotes.order_of(job, there[job.upload_id]) for job in ready], now)
        except quotes.RateUnknown:
            return
        for job, price in zip(ready, prices, strict=True):
            self._lifecycle.fix_price(session, job, price)
            job.ask_at = None

    def _first_answer(self, account_id: str, batch_id: str) -> Answer:
        def decided() -> BatchAnswer | None:
            with self._database.read() as session:
                batch = self._owned(session, account_id, batch_id)
                waits = batch.state is Status.RESERVING and batch.ask_at is not None
                return None if waits else batch_answer(session, batch)

        answer = self._signals.wait_for(decided, self._settings.answer_wait_seconds)
        if answer is None:
            with self._database.read() as session:
                answer = batch_answer(session, self._owned(session, account_id, batch_id))
        if Status(answer.status) is Status.REJECTED and answer.error is not None:
            refusals: dict[str, type[StemwrightError]] = {
                error.code: error for error in (InsufficientCredits, PreviewAllowanceExhausted)
            }
            refused = refusals.get(answer.error.code, JobRejected)
            refusal = refused(answer.error.message, extra={"batch_id": batch_id})
            return refusal.status, refusal.problem()
        return (202 if Status(answer.status) is Status.RESERVING else 201), answer.model_dump(mode="json")

    def _owned(self, session: ReadSession, account_id: str, batch_id: str) -> Batch:
        batch = repository.owned(session, account_id, batch_id)
        if batch is None:
            raise BatchNotFound
        return batch


def _song(batch: Batch, job_id: str, upload_id: str, item: BatchItem, request: NewBatch, model: str) -> Job:
    return Job(
        id=job_id,
        account_id=batch.account_id,
        batch_id=batch.id,
        upload_id=upload_id,
        mode=request.mode,
        tier=request.tier,
        preview_start_seconds=item.preview.start_seconds if item.preview else None,
        preview_duration_seconds=item.preview.duration_seconds if item.preview else None,
        stems=list(item.stems or request.stems),
        output=(item.output or request.output).model_dump(),
        model_name=model,
        model_ordered=request.model is not None,
        job_metadata=request.metadata if item.metadata is None else item.metadata,
        status=states.Status.RESERVING,
        created_at=batch.created_at,
        traceparent=batch.traceparent,
        attempt=0,
        failures=0,
        silent_deaths=0,
        asked_times=0,
        lease_confirmed=False,
        settled=False,
        progress_fraction=0.0,
        playable_seconds=0.0,
        preview_credit_credits=0,
    )
