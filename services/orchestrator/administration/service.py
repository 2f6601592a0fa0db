"""The use cases of those who run the platform. Each is one transaction; what changes anything is in the audit log."""

import math
from datetime import datetime, timedelta
from itertools import pairwise

from fastapi.responses import JSONResponse

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.idempotency import idempotent
from services.kit.spans import Span, edges_of
from services.orchestrator.administration import audit
from services.orchestrator.administration import repository as administration
from services.orchestrator.administration.audit import Action
from services.orchestrator.administration.errors import JobNotRequeueable, WorkerNotFound
from services.orchestrator.administration.models import QueuePause
from services.orchestrator.administration.repository import JobFilter
from services.orchestrator.administration.schemas import (
    AdminJob,
    FailureCount,
    JobTimeline,
    Load,
    Overview,
    OverviewStep,
    QueuePauseView,
    QueueView,
    StageSeconds,
    TimelineEntry,
    WithReason,
    WorkerAttempt,
    WorkerView,
)
from services.orchestrator.feedback import repository as feedback_rows
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.errors import JobNotFound
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.messages import error_of
from services.orchestrator.jobs.models import Job, JobEvent
from services.orchestrator.jobs.schemas import Mode, ModelRef
from services.orchestrator.jobs.service import Jobs
from services.orchestrator.jobs.states import Status
from services.orchestrator.queue import repository as queue_rows
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.workers import repository as worker_rows
from services.orchestrator.workers.models import Worker
from services.orchestrator.workers.states import state_of

FAILURES = 10
REQUEUEABLE = frozenset({Status.QUEUED, Status.RUNNING, Status.FAILED})
_HAPPENED = {"queued": "returned", "started": "started"}


class Administration:
    """`operator_id` is who does it."""

    def __init__(
        self, database: Database, settings: Settings, lifecycle: Lifecycle, signals: Signals, jobs: Jobs
    ) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals
        self._jobs = jobs

    def overview(self, span: Span) -> Overview:
        """What the platform did in the last hour, day or week."""
        with self._database.read() as session:
            edges = edges_of(span, session.now())
            audio = administration.audio_by_step(session, edges)
            ended = {(part.step, part.status): part for part in administration.ended_by_step(session, edges)}
            waits = administration.waits_by_step(session, edges)
            ratings = administration.ratings_by_step(session, edges)
            whole = administration.waits_by_step(session, [edges[0], edges[-1]]).get(0)
            failures = administration.failures(session, edges, FAILURES)

        def jobs(step: int, status: Status) -> int:
            return ended[step, status].jobs if (step, status) in ended else 0

        def step(number: int, begins_at: datetime) -> OverviewStep:
            waited, rated = waits.get(number), ratings.get(number)
            succeeded = ended.get((number, Status.SUCCEEDED))
            return OverviewStep(
                begins_at=begins_at,
                outstanding_audio_seconds=audio.get(number),
                wait_p50_seconds=waited.p50 if waited else None,
                wait_p95_seconds=waited.p95 if waited else None,
                succeeded_audio_seconds=succeeded.audio_seconds if succeeded else 0.0,
                succeeded=jobs(number, Status.SUCCEEDED),
                failed=jobs(number, Status.FAILED),
                canceled=jobs(number, Status.CANCELED),
                rejected=jobs(number, Status.REJECTED),
                ratings=rated[0] if rated else 0,
                mean_rating=rated[1] if rated else None,
            )

        return Overview(
            span=span,
            step_seconds=int((edges[1] - edges[0]).total_seconds()),
            steps=[step(number, begins_at) for number, (begins_at, _) in enumerate(pairwise(edges))],
            wait_p50_seconds=whole.p50 if whole else None,
            wait_p95_seconds=whole.p95 if whole else None,
            failures=[FailureCount(code=code, jobs=number) for code, number in failures],
        )

    def queue(self) -> QueueView:
        """The queue as it stands."""
        with self._database.read() as session:
            now = session.now()
            loads = administration.outstanding(session)
            counts = queue_rows.jobs_by_status(session)
            pause = administration.pause(session)
            waits = queue_rows.oldest_waits(session, now)
        return QueueView(
            measured_at=now,
            paused=QueuePauseView(since=pause.since, reason=pause.reason) if pause else None,
            reserving=counts.get(Status.RESERVING, 0),
            queued=counts.get(Status.QUEUED, 0),
            running=counts.get(Status.RUNNING, 0),
            outstanding_audio_seconds=math.fsum(load.audio_seconds for load in loads),
            oldest_wait_seconds=max(waits.values(), default=timedelta(0)).total_seconds(),
            loads=[
                Load(
                    model=load.model,
                    mode=_mode(load.mode),
                    queued=load.queued,
                    running=load.running,
                    outstanding_audio_seconds=load.audio_seconds,
                )
                for load in loads
            ],
        )

    def pause_queue(self, operator_id: str, reason: str) -> QueueView:
        """From now on no job is given to a worker; what runs runs on."""
        with self._database.write() as session:
            session.serialize("queue pause")
            if administration.pause(session) is None:
                session.add(QueuePause(id=1, since=session.now(), reason=reason))
                audit.note(session, operator_id, Action.QUEUE_PAUSED, reason=reason)
        return self.queue()

    def resume_queue(self, operator_id: str) -> QueueView:
        """Ends a pause; without effect where there is none."""
        with self._database.write() as session:
            session.serialize("queue pause")
            pause = administration.pause(session)
            if pause is not None:
                session.delete(pause)
                audit.note(session, operator_id, Action.QUEUE_RESUMED)
                session.after_commit(self._signals.placement.set)
        return self.queue()

    def workers(self, *, after: str | None, limit: int) -> tuple[list[WorkerView], str | None]:
        """A page of workers heard of within the last hour, the newest first, and where the next one begins."""
        with self._database.read() as session:
            found = administration.workers(session, after=after, limit=limit + 1)
            shown = [self._worker_view(session, worker) for worker in found[:limit]]
        return shown, shown[-1].id if len(found) > limit else None

    def drain(self, operator_id: str, worker_id: str, reason: str) -> WorkerView:
        """The worker gets no new work, and ends what it has. Raises WorkerNotFound."""
        with self._database.write() as session:
            worker = self._locked_worker(session, worker_id)
            if worker.drained_at is None:
                worker.drained_at = session.now()
                audit.note(session, operator_id, Action.WORKER_DRAINED, target_id=worker.id, reason=reason)
            return self._worker_view(session, worker)

    def resume(self, operator_id: str, worker_id: str) -> WorkerView:
        """The worker gets work again, also where it was passed over. Raises WorkerNotFound."""
        with self._database.write() as session:
            worker = self._locked_worker(session, worker_id)
            if worker.drained_at is not None or worker.passed_over_until is not None:
                worker.drained_at = worker.passed_over_until = None
                audit.note(session, operator_id, Action.WORKER_RESUMED, target_id=worker.id)
                session.after_commit(self._signals.placement.set)
            return self._worker_view(session, worker)

    def jobs(self, wanted: JobFilter, *, before: str | None, limit: int) -> tuple[list[AdminJob], str | None]:
        """A page of the jobs of all accounts, the newest first, and where the next one begins."""
        with self._database.read() as session:
            found = administration.jobs(session, wanted, before=before, limit=limit + 1)
            shown = [_view(job, length) for job, length in found[:limit]]
        return shown, shown[-1].id if len(found) > limit else None

    def timeline(self, job_id: str) -> JobTimeline:
        """What became of the job, service by service. Raises JobNotFound."""
        with self._database.read() as session:
            job, length = _found(session, job_id)
            return JobTimeline(
                job=_view(job, length),
                entries=_entries(session, job),
                stages=_stages(job),
                trace_id=job.traceparent.split("-")[1] if job.traceparent else None,
            )

    def requeue(self, operator_id: str, job_id: str, given: WithReason, key: str | None) -> JSONResponse:
        """Has the job done anew; answers with the one that is: of a failed job that is a new one.

        A job that runs is taken from its worker, one that waits for its next attempt waits no longer; neither counts
        against it. Raises JobNotFound, JobNotRequeueable, and for a failed job what its owner's retry would.
        """
        return idempotent(
            self._database,
            account_id=operator_id,
            key=key,
            operation=f"requeueJob {job_id}",
            body=given,
            create=lambda session: self._requeue(session, operator_id, job_id, given.reason),
            respond=lambda made: (200, self._job(made).model_dump(mode="json")),
        )

    def _job(self, job_id: str) -> AdminJob:
        with self._database.read() as session:
            return _view(*_found(session, job_id))

    def _requeue(self, session: WriteSession, operator_id: str, job_id: str, reason: str) -> str:
        holder = job_rows.holder_of(session, job_id)
        if holder is not None:
            # In this order heartbeats take both.
            worker_rows.locked_worker(session, holder)
        job = job_rows.locked_job(session, job_id)
        if job is None:
            raise JobNotFound
        made = job.id
        match job.state:
            case _ if job.deleted_at is not None:
                raise JobNotRequeueable("its owner has deleted it")
            case Status.RUNNING:
                self._lifecycle.recall(session, job.worker_id, job.id, job.attempt)
                self._lifecycle.hand_back(session, job)
                self._lifecycle.unpin(job)
            case Status.QUEUED:
                job.not_before = None
                self._lifecycle.unpin(job)
                session.after_commit(self._signals.placement.set)
            case Status.FAILED:
                if administration.tried_again(session, job):
                    raise JobNotRequeueable("it has been tried again already")
                made = self._jobs.start_again(session, job, callback_url=job.callback_url)
            case _:
                raise JobNotRequeueable(f"it is {job.status}")
        audit.note(
            session, operator_id, Action.JOB_REQUEUED, account_id=job.account_id, target_id=job.id, reason=reason
        )
        return made

    @staticmethod
    def _locked_worker(session: WriteSession, worker_id: str) -> Worker:
        worker = worker_rows.locked_worker(session, worker_id)
        if worker is None:
            raise WorkerNotFound
        return worker

    def _worker_view(self, session: ReadSession, worker: Worker) -> WorkerView:
        now = session.now()
        state = state_of(worker, now, timedelta(seconds=self._settings.worker_expiry_seconds))
        return WorkerView.model_validate(
            {
                "id": worker.id,
                "state": state,
                "host": worker.host,
                "device": worker.device,
                "speed": worker.speed,
                "slots": worker.slots,
                "running": [WorkerAttempt(job_id=job_id, attempt=attempt) for job_id, attempt in worker.running],
                "models": [ModelRef(name=name, digest=digest) for name, digest in sorted(worker.models.items())],
                "first_seen_at": worker.first_seen_at,
                "last_seen_at": worker.last_seen_at,
                "drained_at": worker.drained_at,
            }
        )


def _mode(text: str) -> Mode:
    return "preview" if text == "preview" else "full"


def _found(session: ReadSession, job_id: str) -> tuple[Job, float | None]:
    found = administration.job(session, job_id)
    if found is None:
        raise JobNotFound
    return found


def _view(job: Job, audio_seconds: float | None) -> AdminJob:
    return AdminJob(
        id=job.id,
        account_id=job.account_id,
        upload_id=job.upload_id,
        mode=_mode(job.mode),
        status=job.state,
        model=ModelRef(name=job.model_name, digest=job.model_digest),
        audio_seconds=audio_seconds,
        price_credits=job.price_credits,
        attempt=job.attempt,
        failures=job.failures,
        worker_id=job.worker_id,
        progress_stage=job.progress_stage,
        progress_fraction=job.progress_fraction,
        error=error_of(job),
        retry_of=job.retry_of,
        created_at=job.created_at,
        queued_at=job.queued_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        deleted_at=job.deleted_at,
        settled=job.settled,
        requeueable=job.state in REQUEUEABLE and job.deleted_at is None,
    )


def _entries(session: ReadSession, job: Job) -> list[TimelineEntry]:
    """What the tables tell, in the order of time."""
    upload, feedback = upload_rows.upload(session, job.upload_id), feedback_rows.feedback(session, job.id)
    entries = [_entry(job.created_at, "orchestrator", "ordered")]
    if upload is not None and upload.status == "ready":
        entries.append(_entry(upload.updated_at, "upload", "upload_ready"))
    entries += [_of_event(job, event) for event in job_rows.events_after(session, job.id, None)]
    if job.state is Status.RUNNING and job.lease_confirmed and job.assigned_at is not None:
        worker = worker_rows.worker(session, job.worker_id)
        if worker is not None:
            entries.append(_entry(worker.last_seen_at, "worker", "working", job.attempt, worker.id))
    if feedback is not None:
        entries.append(_entry(feedback.updated_at, "orchestrator", "rated"))
    if job.deleted_at is not None:
        entries.append(_entry(job.deleted_at, "orchestrator", "deleted"))
    return sorted(entries, key=lambda entry: entry.at)


def _of_event(job: Job, event: JobEvent) -> TimelineEntry:
    kind, attempt = event.type.removeprefix("job."), int(event.data["job"]["attempt"])
    if kind == "queued" and attempt == 0:
        return _entry(event.created_at, "accounts", "held")
    worker_id = job.worker_id if kind == "started" and attempt == job.attempt else None
    return _entry(event.created_at, "orchestrator", _HAPPENED.get(kind, kind), attempt or None, worker_id)


def _entry(
    at: datetime, service: str, what: str, attempt: int | None = None, worker_id: str | None = None
) -> TimelineEntry:
    return TimelineEntry.model_validate(
        {"at": at, "service": service, "what": what, "attempt": attempt, "worker_id": worker_id}
    )


def _stages(job: Job) -> list[StageSeconds]:
    """As the worker wrote them, whose word is not checked any further."""
    timings = (job.result or {}).get("timings_seconds")
    if not isinstance(timings, dict):
        return []
    return [
        StageSeconds(stage=stage[:40], seconds=float(seconds))
        for stage, seconds in timings.items()
        if stage != "total" and isinstance(seconds, int | float)
    ]
