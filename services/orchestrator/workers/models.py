"""Tables of workers."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from services.orchestrator.tables import Base


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
