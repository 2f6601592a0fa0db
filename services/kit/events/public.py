"""The data of job events, of which the notifier tells partners all but the account and the attempt.

Fields are only ever added; a consumer ignores those it does not know. The models are checked when such an event is
written and when it is read; their JSON schema is in `docs/asyncapi.yaml`.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.kit.events.contracts import MAX_ATTEMPT, MAX_PRICE_CREDITS, MAX_SONG_SECONDS
from services.kit.schemas import AccountId, JobId, UploadId

JOB_EVENT_TYPES = frozenset(
    {"job.queued", "job.started", "job.succeeded", "job.failed", "job.canceled", "job.rejected", "job.deleted"}
)

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
    error: JobFault | None = None
    created_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metadata: dict[str, object] | None = None


class JobEvent(BaseModel):
    """Data of every `job.*` event."""

    model_config = ConfigDict(extra="allow")

    job: PublicJob
