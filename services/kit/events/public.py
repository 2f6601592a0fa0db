"""The data of the events that partners may read.

Fields are only ever added; a consumer ignores those it does not know. The models are checked when such an event is
written and when it is read; their JSON schema is in `docs/asyncapi.yaml`.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

JOB_EVENT_TYPES = frozenset(
    {"job.queued", "job.started", "job.succeeded", "job.failed", "job.canceled", "job.rejected"}
)

JobStatus = Literal["reserving", "queued", "running", "succeeded", "failed", "canceled", "rejected"]
Identifier = Annotated[str, Field(min_length=1, max_length=128)]


class JobFault(BaseModel):
    """Why a job did not succeed: a stable code and a sentence for a person."""

    code: str
    message: str


class PublicJob(BaseModel):
    """A job as its events show it; the same fields mean the same in the REST API."""

    model_config = ConfigDict(extra="allow")

    id: Identifier
    upload_id: Identifier
    account_id: Identifier
    mode: Literal["full", "preview"]
    status: JobStatus
    attempt: Annotated[int, Field(ge=0)]
    price_credits: Annotated[int, Field(ge=0)]
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
