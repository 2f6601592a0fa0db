"""Tables of the orchestrator."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from services.kit.database import RowNumber, ServiceBase
from services.kit.tables import ERASED_ACCOUNTS
from services.orchestrator.states import Status


class Base(ServiceBase):
    """Base of this service's tables."""


ERASED_ACCOUNTS.to_metadata(Base.metadata)


class Job(Base):
    """One separation that someone asked for."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40))
    upload_id: Mapped[str] = mapped_column(String(40), index=True)
    mode: Mapped[str] = mapped_column(String(10))
    preview_start_seconds: Mapped[float | None]
    """As asked; None lets the orchestrator choose once the song's length is known."""
    preview_duration_seconds: Mapped[float | None]
    stems: Mapped[list[Any]]
    output: Mapped[dict[str, Any]]
    tier: Mapped[str] = mapped_column(String(12), default="fast", server_default="fast")
    """How soon it is wanted, and what it costs for that."""
    model_name: Mapped[str] = mapped_column(String(80))
    model_digest: Mapped[str | None] = mapped_column(String(80))
    """Pinned by the first attempt; every later one uses the same."""
    model_ordered: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The order named the model, so no other one will do."""
    job_metadata: Mapped[dict[str, Any] | None]
    retry_of: Mapped[str | None] = mapped_column(String(40))

    status: Mapped[str] = mapped_column(String(12))
    price_credits: Mapped[int | None]
    """None until the song's length and the rate are known."""
    preview_credit_credits: Mapped[int] = mapped_column(default=0, server_default="0")
    """What the price is lower by, for a preview of the same upload."""
    rate_id: Mapped[str | None] = mapped_column(String(40))
    """The version of the rate that it was priced by; a preview has none."""
    error_code: Mapped[str | None] = mapped_column(String(80))
    error_message: Mapped[str | None] = mapped_column(String(500))

    attempt: Mapped[int] = mapped_column(default=0)
    """The fencing token: a result of any other attempt is ignored."""
    failures: Mapped[int] = mapped_column(default=0)
    silent_deaths: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str | None] = mapped_column(String(40))
    """Who holds the present attempt. Kept while a job is back in the queue because its lease lapsed: that worker may
    still run it. None once the attempt is known to have ended."""
    lease_until: Mapped[datetime | None]
    lease_confirmed: Mapped[bool] = mapped_column(default=False)
    assigned_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    progress_stage: Mapped[str | None] = mapped_column(String(40))
    progress_fraction: Mapped[float] = mapped_column(default=0.0)
    playable_seconds: Mapped[float] = mapped_column(default=0.0)
    """How much of the present attempt can be listened to."""

    created_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    result_prefix: Mapped[str | None] = mapped_column(String(120))
    result: Mapped[dict[str, Any] | None]
    """The worker's manifest, as written."""
    expires_at: Mapped[datetime | None]
    """When the stems are deleted; `result_prefix` is empty from then on."""

    settled: Mapped[bool] = mapped_column(default=False)
    """Accounts said that the reservation of this job is captured or released."""
    asked_times: Mapped[int] = mapped_column(default=0)
    ask_at: Mapped[datetime | None]
    """When to repeat the question that this job waits for an answer to."""
    traceparent: Mapped[str | None] = mapped_column(String(128))

    __table_args__ = (
        Index("ix_jobs_account_id_id", "account_id", "id"),
        Index("ix_jobs_status_queued_at", "status", "queued_at"),
        Index(
            "ix_jobs_open",
            "account_id",
            sqlite_where=text("status IN ('reserving', 'queued', 'running')"),
            postgresql_where=text("status IN ('reserving', 'queued', 'running')"),
        ),
        Index(
            "ix_jobs_queue",
            "account_id",
            "mode",
            "tier",
            "model_name",
            "model_digest",
            "queued_at",
            "not_before",
            "worker_id",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "ix_jobs_held",
            "worker_id",
            sqlite_where=text("status IN ('queued', 'running')"),
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
        Index(
            "ix_jobs_unsettled",
            "ask_at",
            sqlite_where=text("ask_at IS NOT NULL"),
            postgresql_where=text("ask_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_expires_at",
            "expires_at",
            sqlite_where=text("expires_at IS NOT NULL AND result_prefix IS NOT NULL"),
            postgresql_where=text("expires_at IS NOT NULL AND result_prefix IS NOT NULL"),
        ),
        Index(
            "ix_jobs_deleted_at",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )

    @property
    def state(self) -> Status:
        """The status as a member of its closed set."""
        return Status(self.status)


class JobEvent(Base):
    """A public event of a job, kept so that a stream can resume and a lost one be published again."""

    __tablename__ = "job_events"

    seq: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(40), unique=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    type: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Feedback(Base):
    """What the owner of a job thinks of its stems."""

    __tablename__ = "feedback"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    rating: Mapped[int]
    stem: Mapped[str | None] = mapped_column(String(40))
    start_seconds: Mapped[float | None]
    end_seconds: Mapped[float | None]
    tags: Mapped[list[Any]]
    comment: Mapped[str | None] = mapped_column(String(2000))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Share(Base):
    """A link by which whoever has it may listen to a job's tracks."""

    __tablename__ = "shares"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str | None] = mapped_column(String(200))
    """All that listeners are told of the song."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class KnownUpload(Base):
    """An upload, as the events of the upload service told of it."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(12))
    object_key: Mapped[str | None] = mapped_column(String(200))
    sha256: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    filename: Mapped[str | None] = mapped_column(String(300))
    duration_seconds: Mapped[float | None]
    sample_rate_hz: Mapped[int | None]
    channels: Mapped[int | None]
    code: Mapped[str | None] = mapped_column(String(80))
    reason: Mapped[str | None] = mapped_column(String(500))
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index(
            "ix_uploads_to_erase",
            "id",
            sqlite_where=text("status = 'deleted' AND sha256 IS NOT NULL"),
            postgresql_where=text("status = 'deleted' AND sha256 IS NOT NULL"),
        ),
    )


class StandingQuote(Base):
    """What a separation was quoted at, for as long as that binds us."""

    __tablename__ = "quotes"

    upload_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    mode: Mapped[str] = mapped_column(String(12), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(80), primary_key=True, default="", server_default="")
    """As ordered; empty where the choice was left to us, whatever it then was."""
    tier: Mapped[str] = mapped_column(String(12), primary_key=True, default="fast", server_default="fast")
    price_credits: Mapped[int]
    """Of the whole song, before anything is deducted."""
    preview_credit_credits: Mapped[int] = mapped_column(default=0, server_default="0")
    """What is deducted from it for a preview of the upload."""
    rate_id: Mapped[str | None] = mapped_column(String(40))
    """The version of the rate; a preview has none."""
    millicredits_per_second: Mapped[int | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PreviewCredit(Base):
    """What previews of an upload are worth to its full separation, and which job has had it."""

    __tablename__ = "preview_credits"

    upload_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40), index=True)
    seconds: Mapped[float]
    made_at: Mapped[datetime]
    """When the preview ended."""
    job_id: Mapped[str | None] = mapped_column(String(40))
    """The full job that it was deducted from, unless that did not succeed."""


class KnownRate(Base):
    """What a second of sound costs, as the events of accounts told of it."""

    __tablename__ = "rates"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(80))
    """`*` for every one without a rate of its own."""
    tier: Mapped[str] = mapped_column(String(80))
    millicredits_per_second: Mapped[int]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    told_at: Mapped[datetime]
    """By the clock of accounts."""
    heard_at: Mapped[datetime]


class KnownBalance(Base):
    """The credits of an account, as the events of accounts told of them."""

    __tablename__ = "balances"

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    available_credits: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)
    previews_left: Mapped[int | None]
    """Of the free previews of the day on which it was told."""
    previews_told_at: Mapped[datetime | None]


class Worker(Base):
    """A worker process, as its last heartbeat described it."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    slots: Mapped[int]
    assignments_partition: Mapped[int]
    running: Mapped[list[Any]]
    """Pairs of job id and attempt."""
    models: Mapped[dict[str, Any]]
    """Digest by name."""
    device: Mapped[str] = mapped_column(String(40))
    speed: Mapped[float]
    stopping: Mapped[bool]
    passed_over_until: Mapped[datetime | None]
    """It was heard and yet did not take what it was given; until then it gets nothing."""
    host: Mapped[str] = mapped_column(String(120))
    drained_at: Mapped[datetime | None]
    """Since when an operator has it take no new work. A worker that starts anew is another one."""
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)


class QueuePause(Base):
    """There is a row while the queue is paused, and then one."""

    __tablename__ = "queue_pause"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    since: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(200))


class JobMeasure(Base):
    """What a job that ended tells of the platform, and nothing of whose it was: kept when the job itself is deleted."""

    __tablename__ = "job_measures"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    ended_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(String(12))
    error_code: Mapped[str | None] = mapped_column(String(80))
    audio_seconds: Mapped[float]
    wait_seconds: Mapped[float | None]
    """From the queue to the first worker; None where no worker had it."""


class QueueSample(Base):
    """How much there was to do in one minute."""

    __tablename__ = "queue_samples"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    outstanding_audio_seconds: Mapped[float]


class DeadLetterDecision(Base):
    """What became of a dead letter; there is a row for those that an operator has dealt with."""

    __tablename__ = "dead_letter_decisions"

    letter: Mapped[str] = mapped_column(String(80), primary_key=True)
    decision: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(200))
    decided_at: Mapped[datetime] = mapped_column(index=True)


class Deletion(Base):
    """Objects that are to be removed from the store."""

    __tablename__ = "deletions"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    prefix: Mapped[str] = mapped_column(String(120))
    due_at: Mapped[datetime] = mapped_column(index=True)
