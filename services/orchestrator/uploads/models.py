"""Tables of uploads."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from services.orchestrator.tables import Base


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
    voice_start_seconds: Mapped[float | None]
    code: Mapped[str | None] = mapped_column(String(80))
    reason: Mapped[str | None] = mapped_column(String(500))
    source_url: Mapped[str | None] = mapped_column(Text)
    """Where a batch says that it is, until the upload service has told that it knows of it."""
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index(
            "ix_uploads_to_erase",
            "id",
            sqlite_where=text("status = 'deleted' AND sha256 IS NOT NULL"),
            postgresql_where=text("status = 'deleted' AND sha256 IS NOT NULL"),
        ),
    )
