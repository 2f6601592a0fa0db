"""The table of uploads."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from services.kit import object_keys
from services.kit.database import ServiceBase
from services.kit.tables import ERASED_ACCOUNTS
from services.upload.states import UploadStatus


class Base(ServiceBase):
    """Metadata of this service alone."""


ERASED_ACCOUNTS.to_metadata(Base.metadata)


class Upload(Base):
    """One file of one account, from the promise of its bytes to the verdict."""

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_account", "account_id", "id"),
        Index(
            "ix_uploads_validating",
            "completed_at",
            sqlite_where=text("status = 'validating'"),
            postgresql_where=text("status = 'validating'"),
        ),
        Index(
            "ix_uploads_pending",
            "created_at",
            sqlite_where=text("status = 'pending'"),
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ix_uploads_fetching",
            "created_at",
            sqlite_where=text("status = 'pending' AND source_url IS NOT NULL"),
            postgresql_where=text("status = 'pending' AND source_url IS NOT NULL"),
        ),
        Index(
            "ix_uploads_deleted",
            "deleted_at",
            sqlite_where=text("status = 'deleted'"),
            postgresql_where=text("status = 'deleted'"),
        ),
        Index(
            "ix_uploads_litter",
            "id",
            sqlite_where=text("litter"),
            postgresql_where=text("litter"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    # What the client said.
    filename: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str | None] = mapped_column(String(100))
    declared_sha256: Mapped[str | None] = mapped_column(String(64))

    # Where we fetch it, if nobody sends it.
    source_url: Mapped[str | None] = mapped_column(Text)
    """With its query only until it has been fetched: that may be somebody's secret."""
    named: Mapped[bool | None]
    """False while the file is to be called as its server calls it."""
    ordered: Mapped[bool | None]
    """True where a batch has named it: of those, so many may wait as batches may be open."""

    # How the bytes come.
    part_bytes: Mapped[int]
    multipart_id: Mapped[str | None] = mapped_column(Text)
    parts: Mapped[list[Any] | None]
    """`[number, etag]` of the parts that make the file, once it is complete."""
    litter: Mapped[bool]
    """True while objects may be left that nobody needs any more, to be removed."""

    # Who fetches or checks it.
    lease_token: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    attempts: Mapped[int]
    traceparent: Mapped[str | None] = mapped_column(String(128))

    # The verdict.
    code: Mapped[str | None] = mapped_column(String(80))
    reason: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(String(64))
    duration_seconds: Mapped[float | None] = mapped_column(Double)
    samples: Mapped[int | None] = mapped_column(BigInteger)
    sample_rate_hz: Mapped[int | None]
    channels: Mapped[int | None]
    codec: Mapped[str | None] = mapped_column(String(80))
    container: Mapped[str | None] = mapped_column(String(80))
    whole: Mapped[bool | None]
    """False where the file is damaged and only a part of it could be decoded."""
    voice_start_seconds: Mapped[float | None] = mapped_column(Double)
    """Where the half minute begins in which someone most likely sings; None where none could be told."""

    @property
    def state(self) -> UploadStatus:
        return UploadStatus(self.status)

    @property
    def incoming_key(self) -> str:
        """Where clients send parts to."""
        return f"incoming/{self.id}"

    @property
    def source_key(self) -> str:
        """Where the checked file lies; no client can write there."""
        return object_keys.source_key(self.id)

    @property
    def source_prefix(self) -> str:
        return f"sources/{self.id}/"
