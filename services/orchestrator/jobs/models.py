"""Tables of jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from services.kit.database import RowNumber
from services.orchestrator.jobs.states import Status
from services.orchestrator.tables import Base


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
    batch_id: Mapped[str | None] = mapped_column(String(40))
    """What it was ordered as a song of. Its price is held with that of the others."""
    callback_url: Mapped[str | None] = mapped_column(String(2000))
    canary: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The platform's own song: it costs nothing, and no number of people's songs has it in it."""

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
        Index(
            "ix_jobs_batch_id",
            "batch_id",
            "status",
            sqlite_where=text("batch_id IS NOT NULL"),
            postgresql_where=text("batch_id IS NOT NULL"),
        ),
        Index("ix_jobs_status_queued_at", "status", "queued_at"),
        Index(
            "ix_jobs_open",
            "account_id",
            sqlite_where=text("status IN ('reserving', 'queued', 'running')"),
            postgresql_where=text("status IN ('reserving', 'queued', 'running')"),
        ),
        Index(
            "ix_jobs_unrun",
            "account_id",
            "id",
            sqlite_where=text("attempt = 0 AND status IN ('rejected', 'canceled')"),
            postgresql_where=text("attempt = 0 AND status IN ('rejected', 'canceled')"),
        ),
        Index(
            "ix_jobs_previews",
            "account_id",
            "id",
            sqlite_where=text("mode = 'preview' AND result_prefix IS NOT NULL AND deleted_at IS NULL"),
            postgresql_where=text("mode = 'preview' AND result_prefix IS NOT NULL AND deleted_at IS NULL"),
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
