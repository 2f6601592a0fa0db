"""What the platform answers. Each model has the fields of its schema in the OpenAPI document, which a test compares.

Fields that are added later are taken along (`model_extra`), and words of a closed set that is widened do no harm.
"""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")

FINAL = frozenset({"succeeded", "failed", "canceled", "rejected"})
"""The statuses of a job that has ended."""


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Page(Model, Generic[T]):
    items: list[T]
    next_cursor: str | None = None


class Part(Model):
    """A part of a file that is still to be sent, and where to; the address is the credential."""

    number: int
    url: str
    size_bytes: int


class UploadedPart(Model):
    number: int
    etag: str
    size_bytes: int


class Audio(Model):
    """What was found in an upload."""

    duration_seconds: float
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    complete: bool


class Upload(Model):
    id: str
    status: str
    """`pending`, `validating`, `ready` or `rejected`."""
    code: str | None = None
    reason: str | None = None
    filename: str
    size_bytes: int
    content_type: str | None
    source_url: str | None = None
    sha256: str | None
    created_at: datetime
    completed_at: datetime | None
    part_size_bytes: int
    parts: list[Part]
    uploaded_parts: list[UploadedPart]
    audio: Audio | None = None


class Quote(Model):
    price_credits: int
    preview_credit_credits: int
    available_credits: int
    affordable: bool
    reason: str | None
    rate_id: str | None
    credits_per_second: float | None
    expires_at: datetime


class Preview(Model):
    start_seconds: float | None = None
    duration_seconds: float | None = None


class Output(Model):
    format: str = "flac"
    bit_depth: int | None = None
    bitrate_kbps: int | None = None


class JobProgress(Model):
    stage: str | None
    fraction: float


class ModelRef(Model):
    name: str
    digest: str | None


class JobError(Model):
    code: str
    message: str


class Stem(Model):
    name: str
    format: str
    size_bytes: int
    sha256: str
    duration_seconds: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float | None
    loudness_lufs: float | None
    silent: bool


class StemLink(Model):
    """Where a stem's bytes are, for an hour, for whoever has the address."""

    url: str
    expires_at: datetime
    size_bytes: int
    sha256: str


class Quality(Model):
    sum_is_exact: bool | None
    null_residual_dbfs: float | None
    null_measured: str | None = None


class Analysis(Model):
    key: str | None
    camelot: str | None
    tempo_bpm: float | None
    loudness_lufs: float | None
    peak_dbfs: float | None


class Job(Model):
    id: str
    upload_id: str
    mode: str
    tier: str
    preview: Preview | None
    requested_stems: list[str]
    status: str
    """`reserving`, `queued`, `running`, and of those in `FINAL` the last."""
    progress: JobProgress
    playable_seconds: float
    price_credits: int | None
    preview_credit_credits: int
    attempt: int
    model: ModelRef
    output: Output
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    error: JobError | None
    stems: list[Stem]
    quality: Quality | None
    analysis: Analysis | None
    metadata: dict[str, str] | None
    retry_of: str | None
    batch_id: str | None = None
    callback_url: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in FINAL


class ListedJob(Job):
    filename: str | None


class SongCounts(Model):
    """Of a batch, by the status of the songs' jobs."""

    reserving: int = 0
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    rejected: int = 0


class Batch(Model):
    id: str
    status: str
    """`reserving`, `running`, and at its end `completed`, `canceled` or `rejected`."""
    mode: str
    tier: str
    songs: int
    counts: SongCounts
    price_credits: int | None
    charged_credits: int
    created_at: datetime
    queued_at: datetime | None
    finished_at: datetime | None
    error: JobError | None
    metadata: dict[str, str] | None
    callback_url: str | None

    @property
    def has_ended(self) -> bool:
        return self.status in ("completed", "canceled", "rejected")


class ExpiringCredits(Model):
    credits: int
    expires_at: datetime


class Balance(Model):
    available_credits: int
    reserved_credits: int
    debt_credits: int
    expiring: list[ExpiringCredits]


class Event(Model):
    """Something that happened: of the feed, and the body of a webhook. `docs/events.md` lists types and their data."""

    id: str
    type: str
    occurred_at: datetime
    sequence: int
    data: dict[str, Any]


class EventPage(Model):
    items: list[Event]
    next_after: int
    oldest_sequence: int | None


class WebhookEndpoint(Model):
    id: str
    url: str
    event_types: list[str]
    description: str | None
    created_at: datetime
    enabled: bool
    disabled_because: str | None
    failing_since: datetime | None
    previous_secret_until: datetime | None


class MadeWebhookEndpoint(WebhookEndpoint):
    secret: str
    """Told this once: `webhooks.verify` takes it."""


class RotatedSecret(Model):
    secret: str
    previous_secret_until: datetime | None


class Attempt(Model):
    started_at: datetime
    seconds: float
    url: str
    status_code: int | None
    problem: str | None
    answer: str | None


class Delivery(Model):
    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    sequence: int
    callback_url: str | None = None
    status: str
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    attempts: list[Attempt]
    event: Event | None


class EventTopic(Model):
    """A Kafka topic of the account's own, with the same events."""

    id: str
    topic: str
    bootstrap_servers: str
    username: str
    group_prefix: str
    created_at: datetime
    published_sequence: int


class MadeEventTopic(EventTopic):
    password: str
    """Told this once."""


class Redelivered(Model):
    deliveries: int
