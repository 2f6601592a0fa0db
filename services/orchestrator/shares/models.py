"""Tables of links to listen, and of whose links rest."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.orchestrator.tables import Base


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


class KnownAccount(Base):
    """Whether an account is disabled, as the events of accounts told of it; its links play nothing as long as it is."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    disabled: Mapped[bool]
    changed_at: Mapped[datetime]
    """By the clock of accounts: of two words the later one counts."""
