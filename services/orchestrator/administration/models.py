"""Tables of administration."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.kit.database import RowNumber
from services.orchestrator.tables import Base


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
