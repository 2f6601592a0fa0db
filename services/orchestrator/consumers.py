"""What the orchestrator hears: uploads, answers about credits, ended attempts, heartbeats, changed accounts.

Every handler may meet the same news twice, late or out of order. Job ids, attempts, sequence numbers and versions
decide what still counts; that is why no inbox is needed here.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from typing import Any

from google.protobuf.message import Message

from services.kit.database import Database, WriteSession
from services.kit.erasures import Eraser, is_erased
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer, Handler
from services.kit.events.errors import InvalidMessage
from services.kit.events.rights import writes_of
from services.kit.events.topics import ACCOUNTS, BILLING, FINISHED, PRICES, UPLOADS, WORKERS
from services.kit.handling import in_transaction
from services.kit.object_keys import source_key, stems_prefix
from services.kit.protos import accounts_pb2, billing_pb2, prices_pb2, separation_pb2, uploads_pb2, workers_pb2
from services.orchestrator.batches import repository as batch_rows
from services.orchestrator.batches.models import Batch
from services.orchestrator.batches.states import Status as BatchStatus
from services.orchestrator.credits import rates
from services.orchestrator.credits import repository as credit_rows
from services.orchestrator.credits.models import KnownBalance
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import Status
from services.orchestrator.results.manifests import UnreadableManifest, read_manifest
from services.orchestrator.settings import Settings
from services.orchestrator.shares import repository as share_rows
from services.orchestrator.signals import Signals
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.workers import repository as worker_rows
from services.orchestrator.workers.heartbeats import HeartbeatMonitor
from services.orchestrator.workers.models import Worker

log = logging.getLogger(__name__)

HELD = (Status.RUNNING, Status.QUEUED)
"""Where the job's present attempt may still run or have ended: QUEUED when its lease lapsed unheard."""

BUSY = "worker_busy"
STORE_AWAY = "storage_unavailable"


class Handlers:
    """One method for each type of event."""

    def __init__(
        self, database: Database, lifecycle: Lifecycle, signals: Signals, heartbeats: HeartbeatMonitor
    ) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._signals = signals
        self._heartbeats = heartbeats

    @property
    def of_types(self) -> Mapping[type[Message], Callable[[WriteSession, Event], None]]:
        """What each type of event is given to, in a transaction."""
        return {
            uploads_pb2.UploadCreated: self.upload_created,
            uploads_pb2.UploadReady: self.upload_ready,
            uploads_pb2.UploadRejected: self.upload_rejected,
            uploads_pb2.UploadDeleted: self.upload_deleted,
            billing_pb2.BalanceChanged: self.balance_changed,
            prices_pb2.RatesTold: self.rates_told,
            billing_pb2.ReservationGranted: self.reservation_granted,
            billing_pb2.ReservationRefused: self.reservation_refused,
            billing_pb2.ReservationSettled: self.reservation_settled,
            billing_pb2.BatchReservationGranted: self.batch_reservation_granted,
            billing_pb2.BatchReservationRefused: self.batch_reservation_refused,
            separation_pb2.SeparationFinished: self.separation_finished,
            workers_pb2.WorkerHeartbeat: self.heartbeat,
            accounts_pb2.AccountChanged: self.account_changed,
        }

    def consumer(self, settings: Settings, eraser: Eraser) -> Consumer:
        """The background task that feeds these handlers, and those of `eraser`."""
        transactions: dict[type[Message] | str, Handler] = {
            kind: in_transaction(self._database, handle) for kind, handle in self.of_types.items()
        }
        return Consumer(
            Brokers.of(settings),
            name="orchestrator",
            group="orchestrator",
            sole=settings.kafka_sole_consumers,
            writes=writes_of("orchestrator"),
            topics=[UPLOADS, BILLING, PRICES, FINISHED, WORKERS, ACCOUNTS],
            handlers={**transactions, **eraser.handlers},
        )

    def upload_created(self, session: WriteSession, event: Event) -> None:
        """An upload begins; a job may name it already."""
        self._known_upload(session, event.data.upload_id, event.data.account_id)

    def upload_ready(self, session: WriteSession, event: Event) -> None:
        """The song is there: jobs that waited for it learn their price."""
        data = event.data
        upload = self._known_upload(session, data.upload_id, data.account_id)
        if upload is None or upload.status == "deleted":
            return
        upload.status = "ready"
        upload.object_key, upload.sha256, upload.size_bytes = source_key(upload.id), data.sha256, data.size_bytes
        upload.filename, upload.duration_seconds = data.filename, data.audio.duration_seconds
        upload.sample_rate_hz, upload.channels = data.audio.sample_rate_hz, data.audio.channels
        if data.audio.HasField("voice_start_seconds"):
            upload.voice_start_seconds = data.audio.voice_start_seconds
        for job in job_rows.locked_jobs_of_upload(session, upload.id):
            self._lifecycle.learn(session, job, upload)

    def upload_rejected(self, session: WriteSession, event: Event) -> None:
        """The song cannot be separated: neither can jobs that waited for it."""
        data = event.data
        upload = self._known_upload(session, data.upload_id, data.account_id)
        if upload is None:
            return
        upload.status, upload.code, upload.reason = "rejected", data.code[:80], data.reason[:500]
        for job in job_rows.locked_jobs_of_upload(session, upload.id):
            self._lifecycle.learn(session, job, upload)

    def upload_deleted(self, session: WriteSession, event: Event) -> None:
        """The upload is gone, or never was. Jobs that run have read it; those that have not begun never can."""
        data = event.data
        upload = self._known_upload(session, data.upload_id, data.account_id)
        if upload is None:
            return
        upload.status, upload.object_key, upload.filename = "deleted", None, None
        for job in job_rows.locked_unstarted_jobs_of_upload(session, upload.id):
            if job.price_credits is None:
                self._lifecycle.learn(session, job, upload)
            elif job.state is Status.QUEUED and job.worker_id is None:
                self._lifecycle.give_up(
                    session, job, "upload_deleted", "The upload was deleted before the job could run."
                )

    def _known_upload(self, session: WriteSession, upload_id: str, account_id: str) -> KnownUpload | None:
        """The upload, noted if it is new here; None where it is of an account that was erased."""
        if account_id and is_erased(session, account_id):
            return None
        session.after_commit(self._signals.job_changed)
        upload = upload_rows.upload(session, upload_id)
        if upload is None:
            upload = KnownUpload(id=upload_id)
            session.add(upload)
        if upload.account_id and account_id not in ("", upload.account_id):
            raise InvalidMessage("the upload is another account's")
        if not upload.account_id:
            # New here, or named by somebody before it was made and then noted as not existing.
            upload.account_id, upload.status = account_id, "pending"
        # The upload service has it now: the query of an address may be somebody's secret.
        upload.source_url = None
        upload.updated_at = session.now()
        return upload

    def balance_changed(self, session: WriteSession, event: Event) -> None:
        """News about an account's credits."""
        self._note_balance(session, event)

    def rates_told(self, session: WriteSession, event: Event) -> None:
        """What a second of sound costs from now on."""
        rates.note(session, event.data)
        session.after_commit(self._signals.job_changed)

    def reservation_granted(self, session: WriteSession, event: Event) -> None:
        """The job's price is held."""
        self._note_balance(session, event)
        job = self._job_of(session, event)
        if job is not None and job.state is Status.RESERVING and job.price_credits is not None:
            if job.price_credits != event.data.price_credits:
                raise InvalidMessage(f"{job.id} costs {job.price_credits}, not {event.data.price_credits}")
            self._lifecycle.grant(session, job)

    def reservation_refused(self, session: WriteSession, event: Event) -> None:
        """The job's price could not be held."""
        self._note_balance(session, event)
        job = self._job_of(session, event)
        if job is not None and job.state is Status.RESERVING and job.price_credits is not None:
            self._lifecycle.refuse(session, job, event.data.code, event.data.detail)

    def reservation_settled(self, session: WriteSession, event: Event) -> None:
        """The hold has ended. One that expired takes a job that has not ended with it."""
        self._note_balance(session, event)
        job = self._job_of(session, event)
        if job is None:
            return
        expired = event.data.settlement == billing_pb2.SETTLEMENT_EXPIRED
        if expired and job.state in (Status.RESERVING, Status.QUEUED, Status.RUNNING):
            self._lifecycle.recall(session, job.worker_id, job.id, job.attempt)
            self._lifecycle.give_up(session, job, "reservation_expired", "The job took too long to start.")
        self._lifecycle.settle(job)

    def batch_reservation_granted(self, session: WriteSession, event: Event) -> None:
        """The prices of a batch's songs are held."""
        self._note_balance(session, event)
        jobs = batch_rows.locked_reserving(session, event.data.batch_id)
        batch = self._batch_of(session, event)
        if batch is None or batch.state is not BatchStatus.RESERVING:
            return
        # Read at once and kept, as each of them is about to be told of: a session forgets what nobody holds.
        _uploads = upload_rows.by_ids(session, {job.upload_id for job in jobs})
        self._lifecycle.batches.note_held(session, batch)
        for job in jobs:
            if job.price_credits is not None:
                self._lifecycle.grant(session, job)

    def batch_reservation_refused(self, session: WriteSession, event: Event) -> None:
        """The prices of a batch's songs could not be held: none of them is accepted."""
        self._note_balance(session, event)
        batch = self._batch_of(session, event)
        if batch is None or batch.state is not BatchStatus.RESERVING:
            return
        self._lifecycle.batches.note_refused(batch, event.data.code, event.data.detail)
        session.after_commit(partial(self._refuse_songs, batch.id, event.data.code, event.data.detail))

    def _refuse_songs(self, batch_id: str, code: str, detail: str) -> None:
        """Ends what waits for the hold, some songs at a time. Where this is cut short, the answer is handled again."""
        refused = batch_rows.REFUSED_AT_ONCE
        while refused == batch_rows.REFUSED_AT_ONCE:
            with self._database.write() as session:
                jobs = batch_rows.locked_to_refuse(session, batch_id)
                # A session forgets what nobody holds.
                _uploads = upload_rows.by_ids(session, {job.upload_id for job in jobs})
                for job in jobs:
                    self._lifecycle.refuse(session, job, code, detail)
                refused = len(jobs)

    @staticmethod
    def _batch_of(session: WriteSession, event: Event) -> Batch | None:
        """The batch the answer is about, if it is that account's."""
        batch = batch_rows.locked(session, event.data.batch_id)
        return batch if batch is not None and batch.account_id == event.data.account_id else None

    @staticmethod
    def _job_of(session: WriteSession, event: Event) -> Job | None:
        """The job the answer is about, if it is that account's."""
        job = job_rows.locked_job(session, event.data.job_id)
        return job if job is not None and job.account_id == event.data.account_id else None

    def _note_balance(self, session: WriteSession, event: Event) -> None:
        account_id, balance = event.data.account_id, event.data.balance
        if is_erased(session, account_id):
            return
        session.after_commit(self._signals.job_changed)
        known = credit_rows.balance(session, account_id)
        if known is None:
            known = KnownBalance(account_id=account_id, available_credits=0, version=-1)
            session.add(known)
        if balance.version > known.version:
            known.available_credits, known.version = balance.available_credits, balance.version
        # Previews cost nothing and change no balance: of two words on them the later one counts.
        newer = known.previews_told_at is None or event.time >= known.previews_told_at
        if balance.HasField("previews_left") and newer:
            known.previews_left, known.previews_told_at = balance.previews_left, event.time

    def separation_finished(self, session: WriteSession, event: Event) -> None:
        """An attempt ended on a worker."""
        finished: separation_pb2.SeparationFinished = event.data
        worker = worker_rows.locked_worker(session, finished.worker_id)
        if worker is not None:
            # Its slot is free from now on, not only from the next heartbeat on.
            ended = [finished.job_id, finished.attempt]
            worker.running = [pair for pair in worker.running if pair != ended]
        job = job_rows.locked_job(session, finished.job_id)
        if job is not None:
            self._end_attempt(session, job, finished)
        session.after_commit(self._signals.placement.set)

    def _end_attempt(self, session: WriteSession, job: Job, finished: separation_pb2.SeparationFinished) -> None:
        """What an attempt's end does to its job; nothing where the attempt is stale."""
        if job.state not in HELD or job.attempt != finished.attempt or job.worker_id != finished.worker_id:
            return
        match finished.WhichOneof("outcome"):
            case "succeeded":
                self._accept(session, job, finished.succeeded)
            case "failed" if finished.failed.code == BUSY:
                self._lifecycle.hand_back(session, job)
            case "failed" if finished.failed.code == STORE_AWAY:
                self._lifecycle.wait_for_store(session, job)
            case "failed":
                failed = finished.failed
                self._lifecycle.fail_attempt(
                    session, job, failed.code[:80] or "separation_failed", failed.message, retryable=failed.retryable
                )
            case "aborted":
                self._lifecycle.hand_back(session, job)

    def _accept(self, session: WriteSession, job: Job, succeeded: separation_pb2.SeparationSucceeded) -> None:
        """Publishes the result, if it is this job's: made from its input, by its model, with every stem there."""
        prefix, _, name = succeeded.manifest_key.rpartition("/")
        upload = upload_rows.upload(session, job.upload_id)
        problem = None
        document: dict[str, Any] = {}
        try:
            manifest, document = read_manifest(succeeded.manifest)
        except UnreadableManifest as error:
            problem = str(error)
        else:
            if name != "manifest.json" or prefix not in _prefixes(job):
                problem = f"it lies at {succeeded.manifest_key}"
            elif not set(job.stems) <= {stem.name for stem in manifest.stems}:
                problem = "stems are missing"
            elif upload is None or manifest.input.sha256 != upload.sha256:
                problem = "it was made from another song"
            elif manifest.model.digest != job.model_digest:
                problem = "it was made by another model"
        if problem is not None:
            log.error("the result of attempt %d of %s is refused: %s", job.attempt, job.id, problem)
            message = "The separated files did not belong to the song."
            self._lifecycle.fail_attempt(session, job, "result_mismatch", message, retryable=True)
            return
        self._lifecycle.succeed(session, job, document, prefix + "/")

    def heartbeat(self, session: WriteSession, event: Event) -> None:
        """A worker lives: leases are renewed, what it ended is noted, what it should not run is recalled."""
        beat: workers_pb2.WorkerHeartbeat = event.data
        self._heartbeats.received()
        worker = worker_rows.locked_worker(session, beat.worker_id)
        now = session.now()
        if worker is None:
            worker = Worker(id=beat.worker_id, first_seen_at=now, sequence=-1)
            session.add(worker)
        if beat.sequence <= worker.sequence:
            return
        worker.sequence = beat.sequence
        worker.slots = beat.slots
        worker.assignments_partition = beat.assignments_partition
        worker.running = [[attempt.job_id, attempt.attempt] for attempt in beat.running]
        worker.models = {model.name: model.digest for model in beat.models}
        worker.device, worker.speed = beat.device[:40], beat.speed
        worker.stopping, worker.host = beat.stopping, beat.host[:120]
        worker.last_seen_at = now

        held = {job.id: job for job in worker_rows.leased_to(session, worker.id)}
        for finished in beat.finished:
            if finished.job_id in held:
                self._end_attempt(session, held[finished.job_id], finished)
        for running in beat.running:
            job = held.get(running.job_id)
            if job is not None and job.attempt == running.attempt and job.state in HELD:
                self._lifecycle.renew(session, job, running)
            elif not any(f.job_id == running.job_id and f.attempt == running.attempt for f in beat.finished):
                self._lifecycle.recall(session, worker.id, running.job_id, running.attempt)
        session.after_commit(self._signals.placement.set)

    def account_changed(self, session: WriteSession, event: Event) -> None:
        """An account may do something else now: of a disabled one nobody listens by a link until it is enabled."""
        told: accounts_pb2.AccountChanged = event.data
        if not is_erased(session, told.account_id):
            changed_at = told.changed_at.ToDatetime(tzinfo=UTC)
            share_rows.note_account(session, told.account_id, disabled=told.disabled, changed_at=changed_at)


def _prefixes(job: Job) -> set[str]:
    """Where a result of the job may lie: under its present attempt, or an earlier one that was found finished."""
    return {stems_prefix(job.id, attempt).rstrip("/") for attempt in range(1, job.attempt + 1)}
