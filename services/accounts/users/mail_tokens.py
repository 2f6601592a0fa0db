"""What a mail holds that lets whoever reads it act: 256 random bits, of which the database keeps a digest."""

import hashlib
import secrets
from datetime import timedelta
from enum import StrEnum

from services.accounts.users import repository as users
from services.accounts.users.models import MailToken
from services.kit.database import WriteSession

SENT_AN_HOUR = 20
"""Mails of one purpose to one address, whoever asks for them."""


class Purpose(StrEnum):
    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"
    RESTORE = "restore"

    @property
    def lifetime(self) -> timedelta:
        match self:
            case Purpose.RESET:
                return timedelta(hours=1)
            case Purpose.RESTORE:
                return timedelta(days=7)
            case _:
                return timedelta(hours=24)


def make(session: WriteSession, subject_id: str, purpose: Purpose) -> str | None:
    """A new token beside those there are; None where there have been too many of late."""
    now = session.now()
    if users.count_tokens(session, subject_id, purpose, now - timedelta(hours=1)) >= SENT_AN_HOUR:
        return None
    token = secrets.token_urlsafe(32)
    users.add_token(
        session,
        MailToken(
            digest=digest_of(token),
            purpose=purpose,
            subject_id=subject_id,
            created_at=now,
            expires_at=now + purpose.lifetime,
        ),
    )
    return token


def digest_of(token: str) -> str:
    """Hex SHA-256, enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
