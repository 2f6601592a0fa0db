"""The table of accounts that are called back."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.notifier.tables import Base


class CallbackAccount(Base):
    """Under which secret an account is called back, whatever the address."""

    __tablename__ = "callback_accounts"

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    """Until then what is sent bears a signature by the previous secret too."""
    closed_at: Mapped[datetime | None]
    """Since when the account is no partner any more: what it ordered before is not told."""
