"""Requests and answers of administration."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from services.kit.schemas import Line, RequestBody
from services.kit.spans import Span
from services.orchestrator.jobs.schemas import JobError, Mode, ModelRef
from services.orchestrator.jobs.states import Status
from services.orchestrator.workers.states import WorkerState


class WithReason(RequestBody):
    """Why something is done."""

    reason: Annotated[Line, Field(min_length=1, max_length=200)] = Field(description="For the audit log.")


class OverviewStep(BaseModel):
    """A step of the span. What is not known of it is null."""

    begins_at: datetime
    outstanding_audio_seconds: float | None = Field(description="What there was to separate, on average.")
    wait_p50_seconds: float | None = Field(
        description="What half of the jobs that ended waited at most, from the queue to a worker."
    )
    wait_p95_seconds: float | None
    succeeded_audio_seconds: float = Field(description="What was separated.")
    succeeded: int
    failed: int
    canceled: int
    rejected: int
    ratings: int
    mean_rating: float | None


class FailureCount(BaseModel):
    code: str
    jobs: int


class Overview(BaseModel):
    """What the platform did lately."""

    span: Span
    step_seconds: int
    steps: list[OverviewStep] = Field(description="The last one is not over yet.")
    wait_p50_seconds: float | None = Field(description="Of the whole span.")
    wait_p95_seconds: float | None
    failures: list[FailureCount] = Field(description="What jobs failed of, the most frequent first.")


class Load(BaseModel):
    """What one model has to do in one mode."""

    model: str
    mode: Mode
    queued: int
    running: int
    outstanding_audio_seconds: float


class QueuePauseView(BaseModel):
    since: datetime
    reason: str


class QueueView(BaseModel):
    """The queue as it stands."""

    measured_at: datetime
    paused: QueuePauseView | None = Field(description="While it is set no job is given to a worker.")
    reserving: int
    queued: int
    running: int
    outstanding_audio_seconds: float = Field(
        description="Of what is queued, and of what runs the part that is left: the number to scale workers by."
    )
    oldest_wait_seconds: float
    loads: list[Load]


class WorkerAttempt(BaseModel):
    job_id: str
    attempt: int


class WorkerView(BaseModel):
    """A worker process as its last heartbeat described it."""

    id: str
    state: WorkerState = Field(
        description="`draining`: it finishes what it runs and gets nothing new. `passed_over`: it did not take what it "
        "was given, and gets nothing for a while. `silent`: no heartbeat has come for too long."
    )
    host: str
    device: str
    speed: float = Field(
        description="Seconds of audio in a second that the network alone made of its canary, when it was last asked. "
        "Whole songs take longer."
    )
    slots: int
    running: list[WorkerAttempt]
    models: list[ModelRef]
    first_seen_at: datetime
    last_seen_at: datetime
    drained_at: datetime | None


class AdminJob(BaseModel):
    """A job as those who run the platform see it: what was done, and not what of."""

    id: str
    account_id: str
    upload_id: str
    mode: Mode
    status: Status
    model: ModelRef
    audio_seconds: float | None = Field(description="Null while the song's length is not known.")
    price_credits: int | None
    attempt: int
    failures: int = Field(description="Attempts that ended in an error that may pass.")
    worker_id: str | None = Field(description="Who holds the present attempt, or did last.")
    progress_stage: str | None
    progress_fraction: float
    error: JobError | None
    retry_of: str | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    settled: bool = Field(description="Whether accounts has charged or given back what was held.")
    requeueable: bool = Field(description="Whether its state allows to requeue it.")


Happened = Literal[
    "upload_ready",
    "ordered",
    "held",
    "returned",
    "started",
    "working",
    "succeeded",
    "failed",
    "canceled",
    "rejected",
    "rated",
    "deleted",
]


class TimelineEntry(BaseModel):
    at: datetime
    service: Literal["upload", "orchestrator", "accounts", "worker"]
    what: Happened
    attempt: int | None
    worker_id: str | None


class StageSeconds(BaseModel):
    stage: str
    seconds: float


class JobTimeline(BaseModel):
    """A job on its way through the services."""

    job: AdminJob
    entries: list[TimelineEntry] = Field(description="The oldest first; of very many attempts the last ones.")
    stages: list[StageSeconds] = Field(description="Where the time of the attempt that succeeded went.")
    trace_id: str | None = Field(description="What traces and logs of the job are found by.")
