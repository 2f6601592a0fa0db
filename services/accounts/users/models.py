"""Tables of users, of those who are about to be, and of what their mails hold."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base
from services.kit.database import JsonDocument


class User(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    """The address folded so that two spellings of one mailbox are one user."""
    email_verified_at: Mapped[datetime | None]
    """When somebody last proved to read mails at the address."""
    password_hash: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str | None] = mapped_column(String(100))
    roles: Mapped[list[str]] = mapped_column(JsonDocument)
    plan: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    """Since when an admin lets it do nothing."""
    access_changed_at: Mapped[datetime | None] = mapped_column(index=True)
    """When its roles or whether it is disabled changed last: gateways refuse access tokens from before."""
    low_credits_threshold: Mapped[int | None] = mapped_column(BigInteger)
    """Below how many available credits its owner wants to be told; None: never."""
    low_credits_told_at: Mapped[datetime | None]
    """When that was told; None again once there are as many as was told of."""
    low_credits_told_of: Mapped[int | None] = mapped_column(BigInteger)
    """The threshold then. Another threshold is no new news; None where an older version told."""


class Registration(Base):
    """Somebody who signed up and has yet to prove that the address is theirs. Several may wait for one address, each
    with a password of its own: whoever reads its mail says which of them it was."""

    __tablename__ = "registrations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Of the user that is made of it."""
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), index=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(index=True)


class MailToken(Base):
    """What a mail holds that is worth something, by its digest. Deleted when it is used."""

    __tablename__ = "mail_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(40), index=True)
    """Of a user, or of a registration that is going to be one."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
