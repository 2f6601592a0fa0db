"""The table of changes of address."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class EmailChange(Base):
    """Somebody who knows the password wants another address; it is the account's once it is proved."""

    __tablename__ = "email_changes"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[str] = mapped_column(String(40))
    """The sign-in that asked."""
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), index=True)
    previous_email: Mapped[str] = mapped_column(String(254))
    previous_key: Mapped[str] = mapped_column(String(254))
    asked_at: Mapped[datetime] = mapped_column(index=True)
    changed_at: Mapped[datetime | None]
