"""Tables of feedback."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.orchestrator.tables import Base


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
