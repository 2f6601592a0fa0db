"""What happens to a job, step by step: the state machine applied to its row, with all that goes along with a step.

Every method works inside the transaction it is given and publishes through the outbox. A step that does not fit the
job's state raises WrongState; news about an attempt that is not the job's present one must be sorted out before.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter, Histogram

from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import ASSIGNMENTS, JOBS_EVENTS, JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.protos import jobs_pb2, separation_pb2, workers_pb2
from services.kit.telemetry import use_traceparent
from services.orchestrator.administration import measures
from services.orchestrator.batches.progress import BatchProgress
from services.orchestrator.credits import preview_credits, quotes, rates
from services.orchestrator.jobs import repository
from services.orchestrator.jobs.errors import OutputUnsuitable, PreviewOutside
from services.orchestrator.jobs.formats import check_output
from services.orchestrator.jobs.messages import MODES, assignment, public_event
from services.orchestrator.jobs.models import Job, JobEvent
from services.orchestrator.jobs.previews import preview_window
from services.orchestrator.jobs.states import FINAL, Status, Step, after
from services.orchestrator.results.manifests import segments_of
from services.orchestrator.results.models import Deletion
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.errors import UploadNotFound
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.workers import repository as worker_rows
from services.orchestrator.workers.models import Worker

log = logging.getLogger(__name__)

ENDED = Counter("stemwright_jobs_ended_total", "Jobs that reached a final status.", ["status", "code"])
ATTEMPTS_ENDED = Counter("stemwright_attempts_ended_total", "Attempts by how they ended.", ["outcome"])
ATTEMPTS_ENDED.labels("lapsed")  # from 0 on: an alert is about the first of them
START_SECONDS = Histogram(
    "stemwright_job_start_seconds",
    "Seconds from a job's place in the queue to the first worker that was given it.",
    ["mode", "tier"],
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400),
)
JOB_SECONDS = Histogram(
    "stemwright_job_seconds",
    "Seconds from an order to its end.",
    ["mode", "tier", "status"],
    buckets=(1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
)

MESSAGE_LIMIT = 500
MAX_DOUBLINGS = 16
PASSED_OVER_LEASES = 10
LONGEST_STORE_PAUSE_SECONDS = 900.0


class Lifecycle:
    """Applies steps to jobs."""

    def __init__(self, settings: Settings, signals: Signals) -> None:
        self._settings = settings
        self._signals = signals
        self.batches = BatchProgress(settings, signals)

    def price(self, session: WriteSession, job: Job, upload: KnownUpload) -> None:
        """The song is there: fixes window and price and asks accounts to hold it.

        Raises PreviewOutside or OutputUnsuitable, and RateUnknown, after which the job goes on waiting.
        """
        self.fit(job, upload)
        order = quotes.order_of(job, upload)
        self.fix_price(session, job, quotes.FREE if job.canary else quotes.price_of(session, order, job.created_at))
        if job.batch_id is not None:
            job.ask_at = None
            self.batches.look(session, job.batch_id)
        else:
            self.ask(session, job, again=False)

    def fit(self, job: Job, upload: KnownUpload) -> None:
        """Fixes the window of a preview. Raises PreviewOutside or OutputUnsuitable."""
        check_output(job.output["format"], upload.sample_rate_hz or 0, upload.channels or 0)
        if job.mode == "preview":
            job.preview_start_seconds, job.preview_duration_seconds = preview_window(
                self._settings, upload, job.preview_start_seconds, job.preview_duration_seconds
            )

    def fix_price(self, session: WriteSession, job: Job, price: quotes.Price) -> None:
        """From now on the job costs this, whatever a second costs later."""
        job.price_credits, job.rate_id = price.credits, price.rate_id
        job.preview_credit_credits = price.preview_credit_credits
        if job.preview_credit_credits:
            preview_credits.take(session, job)

    def learn(self, session: WriteSession, job: Job, upload: KnownUpload | None) -> bool:
        """Goes on with a job that waits for its song or its rate; False where nothing known ends the waiting."""
        if upload is None:
            return False
        if upload.account_id != job.account_id and (upload.account_id or upload.status == "deleted"):
            # It was ordered before there was word of the upload, which never was, or is not this account's.
            self.refuse(session, job, UploadNotFound.code, "There is no such upload.")
            return True
        match upload.status:
            case "ready":
                try:
                    self.price(session, job, upload)
                except (PreviewOutside, OutputUnsuitable) as error:
                    self.refuse(session, job, error.code, error.detail)
                except quotes.RateUnknown:
                    return False
            case "rejected":
                self.refuse(session, job, "upload_rejected", upload.reason or "")
            case "deleted":
                self.refuse(session, job, "upload_rejected", "The upload was deleted before it was complete.")
            case _:
                return False
        return True

    def ask(self, session: WriteSession, job: Job, *, again: bool = True) -> None:
        """Asks whoever the job waits for, and notes when to ask again should no answer come."""
        job.asked_times = job.asked_times + 1 if again else 0
        doubled = self._settings.ask_again_seconds * 2 ** min(job.asked_times, MAX_DOUBLINGS)
        job.ask_at = session.now() + timedelta(seconds=min(doubled, self._settings.ask_again_limit_seconds))
        with use_traceparent(job.traceparent):
            if job.state in FINAL:
                self._announce_again(session, job)
            elif job.state is Status.RESERVING and job.price_credits is None:
                upload = upload_rows.upload(session, job.upload_id)
                if not self.learn(session, job, upload):
                    if upload is not None and upload.status == "ready":
                        rates.ask(session)
                    else:
                        self.ask_for_upload(session, job.upload_id)
            elif job.state is Status.RESERVING and job.batch_id is not None:
                # Its batch asks for it.
                job.ask_at = None
            elif job.state is Status.RESERVING:
                request = jobs_pb2.ReservationRequested(
                    job_id=job.id,
                    account_id=job.account_id,
                    price_credits=job.price_credits or 0,
                    mode=MODES[job.mode],
                    canary=job.canary,
                )
                outbox.add(session, OutgoingEvent(JOBS_INTERNAL, job.id, request))
            elif job.state is Status.RUNNING and not job.lease_confirmed:
                self._send_assignment(session, job)
            else:
                job.ask_at = None

    def ask_for_upload(self, session: WriteSession, upload_id: str) -> None:
        """Asks the upload service what it knows, or, of what it has not heard of yet, to fetch it."""
        upload = upload_rows.upload(session, upload_id)
        if upload is not None and upload.source_url is not None:
            fetch = jobs_pb2.UploadFetchRequested(
                upload_id=upload_id, account_id=upload.account_id, source_url=upload.source_url
            )
            outbox.add(session, OutgoingEvent(JOBS_INTERNAL, upload_id, fetch))
        else:
            request = jobs_pb2.UploadStatusRequested(upload_id=upload_id)
            outbox.add(session, OutgoingEvent(JOBS_INTERNAL, upload_id, request))

    def ask_for_balance(self, session: WriteSession, account_id: str) -> None:
        """Asks accounts for the balance."""
        request = jobs_pb2.BalanceRequested(account_id=account_id)
        outbox.add(session, OutgoingEvent(JOBS_INTERNAL, account_id, request))

    def grant(self, session: WriteSession, job: Job) -> None:
        """The price is held: the job joins the queue."""
        job.status = after(job.state, Step.GRANTED)
        job.queued_at = session.now()
        job.ask_at, job.asked_times = None, 0
        self._announce(session, job)

    def refuse(self, session: WriteSession, job: Job, code: str, message: str) -> None:
        """The job is not accepted: no credits, or a song that cannot be separated."""
        self._end(session, job, Step.REFUSED, code, message)

    def cancel(self, session: WriteSession, job: Job) -> None:
        """The owner does not want it any more; a worker that runs it is told."""
        if job.state is Status.RUNNING:
            self.recall(session, job.worker_id, job.id, job.attempt)
        self._end(session, job, Step.CANCELED)

    def give_up(self, session: WriteSession, job: Job, code: str, message: str) -> None:
        """The job fails; nothing is charged."""
        self._end(session, job, Step.GAVE_UP, code, message)

    def assign(
        self, session: WriteSession, job: Job, worker: Worker, *, listening_since: datetime | None = None
    ) -> None:
        """Gives the job to a worker under a lease, as a new attempt.

        Where the last attempt was running when its worker was last heard, that worker is held to have died of it; a job
        that took too many workers with it is given to no other. A worker that was not heard since we listen may have
        said farewell to nobody: everything was stopped in order, and the event log forgot.
        """
        if job.lease_confirmed and self._heard_last(session, job.worker_id, listening_since):
            job.silent_deaths += 1
            if job.silent_deaths >= self._settings.max_silent_deaths:
                self.give_up(session, job, "worker_died", "The separation ended without a word more than once.")
                return
        upload = upload_rows.upload(session, job.upload_id)
        if upload is None or upload.object_key is None:
            self.give_up(session, job, "upload_deleted", "The upload was deleted before the job could run.")
            return
        now = session.now()
        job.status = after(job.state, Step.ASSIGNED)
        job.attempt += 1
        job.model_digest = job.model_digest or worker.models[job.model_name]
        job.worker_id = worker.id
        job.assigned_at = now
        # Shorter until the worker has confirmed: it may be gone by now.
        unconfirmed = min(self._settings.lease_seconds, 2 * self._settings.resend_seconds)
        job.lease_until = now + timedelta(seconds=unconfirmed)
        job.lease_confirmed = False
        if job.started_at is None:
            job.started_at = now
            if job.queued_at is not None and not job.canary:
                START_SECONDS.labels(job.mode, job.tier).observe((now - job.queued_at).total_seconds())
        job.not_before = None
        job.progress_stage, job.progress_fraction, job.playable_seconds = None, 0.0, 0.0
        self._send_assignment(session, job)
        self._announce(session, job)

    @staticmethod
    def _heard_last(session: WriteSession, worker_id: str | None, listening_since: datetime | None) -> bool:
        worker = worker_rows.worker(session, worker_id)
        return worker is not None and (listening_since is None or worker.last_seen_at >= listening_since)

    def _send_assignment(self, session: WriteSession, job: Job) -> None:
        """Tells the worker, and will again until a heartbeat confirms it; the worker runs an attempt once."""
        job.ask_at = session.now() + timedelta(seconds=self._settings.resend_seconds)
        upload = upload_rows.upload(session, job.upload_id)
        worker = worker_rows.worker(session, job.worker_id)
        if upload is None or worker is None:
            return
        with use_traceparent(job.traceparent):
            message = assignment(job, upload, worker)
            outbox.add(
                session,
                OutgoingEvent(
                    ASSIGNMENTS, worker.id, message, partition=worker.assignments_partition, account_id=job.account_id
                ),
            )

    def recall(self, session: WriteSession, worker_id: str | None, job_id: str, attempt: int) -> None:
        """Tells a worker to stop an attempt; without effect where the worker is gone."""
        worker = worker_rows.worker(session, worker_id)
        if worker is None:
            return
        message = separation_pb2.SeparationCanceled(worker_id=worker.id, job_id=job_id, attempt=attempt)
        outbox.add(session, OutgoingEvent(ASSIGNMENTS, worker.id, message, partition=worker.assignments_partition))

    def renew(self, session: WriteSession, job: Job, running: workers_pb2.RunningAttempt) -> None:
        """The worker says that it runs the job's present attempt."""
        if job.state is Status.QUEUED:
            job.status = after(job.state, Step.RESUMED)
            log.info("job %s goes on at attempt %d: its worker is heard again", job.id, job.attempt)
            self._announce(session, job)
        job.lease_confirmed = True
        job.ask_at = None
        job.lease_until = session.now() + timedelta(seconds=self._settings.lease_seconds)
        job.progress_stage, job.progress_fraction = running.stage[:40] or None, min(max(running.fraction, 0.0), 1.0)
        job.playable_seconds = running.playable_seconds

    def succeed(self, session: WriteSession, job: Job, manifest: dict[str, Any], prefix: str) -> None:
        """The stems are stored, proven and complete."""
        ATTEMPTS_ENDED.labels("succeeded").inc()
        job.result, job.result_prefix = manifest, prefix
        if self._settings.results_kept_days is not None:
            job.expires_at = session.now() + timedelta(days=self._settings.results_kept_days)
        job.progress_fraction = 1.0
        segments = segments_of(manifest)
        job.playable_seconds = segments.duration_seconds if segments else 0.0
        self._end(session, job, Step.SUCCEEDED)

    def lapse(self, session: WriteSession, job: Job) -> None:
        """The lease ran out. The worker may be dead or out of earshot; until another gets the job, it may go on."""
        ATTEMPTS_ENDED.labels("lapsed").inc()
        worker = worker_rows.worker(session, job.worker_id)
        now = session.now()
        heard_since = now - timedelta(seconds=self._settings.worker_expiry_seconds)
        if not job.lease_confirmed and worker is not None and worker.last_seen_at >= heard_since:
            # It lives and did not take the job: a clock that is off, or a full disk. Others may do better.
            log.warning("worker %s is passed over: it did not take attempt %d of %s", worker.id, job.attempt, job.id)
            worker.passed_over_until = now + timedelta(seconds=PASSED_OVER_LEASES * self._settings.lease_seconds)
            job.worker_id = None
        self._put_back(session, job, wait_seconds=0.0)

    def fail_attempt(self, session: WriteSession, job: Job, code: str, message: str, *, retryable: bool) -> None:
        """An attempt ended in an error: another one later where that may help, else the end."""
        ATTEMPTS_ENDED.labels("failed").inc()
        job.failures += 1
        job.worker_id = None
        if not retryable or job.failures >= self._settings.max_attempts:
            self.give_up(session, job, code, message)
        else:
            self._put_back(session, job, wait_seconds=self._settings.retry_base_seconds * 4 ** (job.failures - 1))

    def hand_back(self, session: WriteSession, job: Job) -> None:
        """The worker had no room or stops: the job goes to another at once and nothing counts against it."""
        ATTEMPTS_ENDED.labels("handed_back").inc()
        job.worker_id = None
        self._put_back(session, job, wait_seconds=0.0)

    def wait_for_store(self, session: WriteSession, job: Job) -> None:
        """The object store did not answer the worker, which is no fault of the song: nothing counts against it.

        It waits longer from attempt to attempt, up to a quarter of an hour, and as long as any job may wait: what the
        store refuses this song alone ends there too.
        """
        ATTEMPTS_ENDED.labels("store_away").inc()
        job.worker_id = None
        doubled = self._settings.retry_base_seconds * 2 ** min(job.attempt - 1, MAX_DOUBLINGS)
        self._put_back(session, job, wait_seconds=min(doubled, LONGEST_STORE_PAUSE_SECONDS))

    def unpin(self, job: Job) -> None:
        """Any version of its model may do the job from now on. What its last worker might still say of it is stale: it
        would be of the version before."""
        job.model_digest = job.worker_id = None

    def settle(self, job: Job) -> None:
        """Accounts confirmed that the reservation is captured or released."""
        job.settled = True
        job.ask_at, job.asked_times = None, 0

    def tell_deleted(self, session: WriteSession, job: Job) -> None:
        """Publishes that the job is gone. Not one of its own events: the last of those is how it ended, told again
        until accounts has settled it."""
        data = public_event(job, upload_rows.upload(session, job.upload_id))
        data["job"]["metadata"] = None
        with use_traceparent(job.traceparent):
            outbox.add(session, OutgoingEvent(JOBS_EVENTS, job.account_id, data, type="job.deleted", subject=job.id))

    def remove_objects(self, session: WriteSession, prefix: str) -> None:
        """Has everything under the prefix deleted: now, and once more after any late worker must have given up."""
        now = session.now()
        session.add(Deletion(prefix=prefix, due_at=now))
        session.add(Deletion(prefix=prefix, due_at=now + timedelta(seconds=self._settings.zombie_sweep_seconds)))

    def _put_back(self, session: WriteSession, job: Job, *, wait_seconds: float) -> None:
        if job.state is not Status.RUNNING:
            return
        if session.now() - job.created_at > timedelta(seconds=self._settings.queue_limit_seconds):
            self.give_up(session, job, "waited_too_long", "The job could not be done in time.")
            return
        job.status = after(job.state, Step.RETURNED)
        job.lease_until = job.ask_at = None
        job.not_before = session.now() + timedelta(seconds=wait_seconds) if wait_seconds else None
        job.progress_stage, job.progress_fraction, job.playable_seconds = None, 0.0, 0.0
        self._announce(session, job)

    def _end(
        self, session: WriteSession, job: Job, step: Step, code: str | None = None, message: str | None = None
    ) -> None:
        job.status = after(job.state, step)
        job.error_code, job.error_message = code, message[:MESSAGE_LIMIT] if message else None
        job.finished_at = session.now()
        job.lease_until = job.not_before = None
        if job.state is not Status.SUCCEEDED:
            if job.preview_credit_credits:
                preview_credits.give_back(session, job)
            job.playable_seconds = 0.0
            if job.attempt:
                self.remove_objects(session, stems_prefix(job.id))
        else:
            if job.mode == "preview":
                preview_credits.note(session, job)
            for attempt in range(1, job.attempt + 1):
                if stems_prefix(job.id, attempt) != job.result_prefix:
                    self.remove_objects(session, stems_prefix(job.id, attempt))
        if not job.canary:
            ENDED.labels(job.status, code or "").inc()
            lasted = (job.finished_at - job.created_at).total_seconds()
            JOB_SECONDS.labels(job.mode, job.tier, job.status).observe(lasted)
            measures.note(session, job)
        self._announce(session, job)
        # Repeated until accounts says that it is settled.
        job.asked_times = 0
        job.ask_at = session.now() + timedelta(seconds=self._settings.ask_again_seconds)
        if job.batch_id is not None:
            self.batches.look(session, job.batch_id)

    def _announce(self, session: WriteSession, job: Job) -> None:
        """Publishes where the job stands now, to everyone."""
        kind = "started" if job.state is Status.RUNNING else job.status
        event = JobEvent(
            id=new_id("evt"),
            job_id=job.id,
            type=f"job.{kind}",
            data=public_event(job, upload_rows.upload(session, job.upload_id)),
            created_at=session.now(),
        )
        session.add(event)
        self._publish(session, job, event)
        session.after_commit(self._signals.job_changed)
        session.after_commit(self._signals.placement.set)

    def _announce_again(self, session: WriteSession, job: Job) -> None:
        """The last word on a job once more, under the same id: whoever has heard it drops it."""
        event = repository.last_event(session, job.id)
        if event is not None:
            self._publish(session, job, event)

    def _publish(self, session: WriteSession, job: Job, event: JobEvent) -> None:
        with use_traceparent(job.traceparent):
            outbox.add(
                session,
                OutgoingEvent(JOBS_EVENTS, job.account_id, event.data, type=event.type, subject=job.id, id=event.id),
            )
