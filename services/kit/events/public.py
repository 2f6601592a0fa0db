"""The data of the events of jobs and batches, of which the notifier tells partners all but the account and the attempt.

Fields are only ever added; a consumer ignores those it does not know. The models are checked when such an event is
written and when it is read; their JSON schema is in `docs/asyncapi.yaml`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.kit.events.contracts import MAX_ATTEMPT, MAX_CREDITS, MAX_PRICE_CREDITS, MAX_SONG_SECONDS, MAX_SONGS
from services.kit.outbound.urls import MAX_URL_CHARACTERS
from services.kit.schemas import AccountId, BatchId, JobId, UploadId

JOB_EVENT_TYPES = frozenset(
    {"job.queued", "job.started", "job.succeeded", "job.failed", "job.canceled", "job.rejected", "job.deleted"}
)

BATCH_EVENT_TYPES = frozenset({"batch.completed"})

CallbackUrl = Annotated[str, Field(max_length=MAX_URL_CHARACTERS)]
JobStatus = Literal["reserving", "queued", "running", "succeeded", "failed", "canceled", "rejected"]


class JobFault(BaseModel):
    """Why a job did not succeed: a stable code and a sentence for a person."""

    code: Annotated[str, Field(max_length=80)]
    message: Annotated[str, Field(max_length=2000)]


class JobModel(BaseModel):
    """The network that separates; its digest is known from the first attempt on."""

    name: Annotated[str, Field(max_length=80)]
    digest: Annotated[str, Field(max_length=80)] | None = None


class PublicJob(BaseModel):
    """A job as its events show it; the same fields mean the same in the REST API."""

    model_config = ConfigDict(extra="allow")

    id: JobId
    upload_id: UploadId
    account_id: AccountId
    mode: Literal["full", "preview"]
    tier: Literal["fast", "relaxed"] = "fast"
    status: JobStatus
    attempt: Annotated[int, Field(ge=0, le=MAX_ATTEMPT)]
    price_credits: Annotated[int, Field(ge=0, le=MAX_PRICE_CREDITS)]
    model: JobModel | None = None
    audio_seconds: Annotated[float, Field(ge=0, le=MAX_SONG_SECONDS)] | None = None
    """What is separated: the song, or the window of a preview. None before the song is known."""
    retry_of: JobId | None = None
    batch_id: BatchId | None = None
    callback_url: CallbackUrl | None = None
    """Where its end is told. Not in the public event."""
    error: JobFault | None = None
    created_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metadata: dict[str, object] | None = None


class PublicBatch(BaseModel):
    """A batch as the event of its end shows it; the same fields mean the same in the REST API."""

    model_config = ConfigDict(extra="allow")

    id: BatchId
    account_id: AccountId
    status: Literal["completed", "canceled", "rejected"]
    songs: Annotated[int, Field(ge=1, le=MAX_SONGS)]
    counts: dict[JobStatus, Annotated[int, Field(ge=0, le=MAX_SONGS)]]
    price_credits: Annotated[int, Field(ge=0, le=MAX_CREDITS)] | None = None
    charged_credits: Annotated[int, Field(ge=0, le=MAX_CREDITS)]
    created_at: datetime
    finished_at: datetime
    error: JobFault | None = None
    metadata: dict[str, object] | None = None
    callback_url: CallbackUrl | None = None
    """Where it is told. Not in the public event."""


class JobEvent(BaseModel):
    """Data of every `job.*` event."""

    model_config = ConfigDict(extra="allow")

    job: PublicJob


class BatchEvent(BaseModel):
    """Data of `batch.completed`."""

    model_config = ConfigDict(extra="allow")

    batch: PublicBatch


DATA_OF: Mapping[str, tuple[str, type[BaseModel]]] = {
    **dict.fromkeys(JOB_EVENT_TYPES, ("job", JobEvent)),
    **dict.fromkeys(BATCH_EVENT_TYPES, ("batch", BatchEvent)),
}
"""By the type of the event: what it is about, and the shape of its data."""
