"""The data of the events that partners may read.

Fields are only ever added; a consumer ignores those it does not know. The models are checked when such an event is
written and when it is read; their JSON schema is in `docs/asyncapi.yaml`.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.kit.events.contracts import MAX_ATTEMPT, MAX_PRICE_CREDITS
from services.kit.schemas import AccountId, JobId, UploadId

JOB_EVENT_TYPES = frozenset(
    {"job.queued", "job.started", "job.succeeded", "job.failed", "job.canceled", "job.rejected"}
)

JobStatus = Literal["reserving", "queued", "running", "succeeded", "failed", "canceled", "rejected"]


class JobFault(BaseModel):
    """Why a job did not succeed: a stable code and a sentence for a person."""

    code: Annotated[str, Field(max_length=80)]
    message: Annotated[str, Field(max_length=2000)]


class PublicJob(BaseModel):
    """A job as its events show it; the same fields mean the same in the REST API."""

    model_config = ConfigDict(extra="allow")

    id: JobId
    upload_id: UploadId
    account_id: AccountId
    mode: Literal["full", "preview"]
    status: JobStatus
    attempt: Annotated[int, Field(ge=0, le=MAX_ATTEMPT)]
    price_credits: Annotated[int, Field(ge=0, le=MAX_PRICE_CREDITS)]
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
