"""Queries about sign-in sessions and their refresh tokens."""

from datetime import datetime

from sqlalchemy import delete, select, update

from services.accounts.models import RefreshToken, SignInSession
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id


def open_session(session: WriteSession, account_id: str, now: datetime, expires_at: datetime) -> SignInSession:
    opened = SignInSession(id=new_id("ses"), account_id=account_id, created_at=now, expires_at=expires_at)
    session.add(opened)
    session.flush()
    return opened


def lock_session_of_token(session: WriteSession, digest: str) -> SignInSession | None:
    """The session of a refresh token. Its row is locked: the tokens of one session change one at a time."""
    return session.execute(
        select(SignInSession)
        .join(RefreshToken, RefreshToken.session_id == SignInSession.id)
        .where(RefreshToken.digest == digest)
        .with_for_update(of=SignInSession)
    ).scalar_one_or_none()


def add_token(session: WriteSession, session_id: str, digest: str, now: datetime, expires_at: datetime) -> None:
    session.add(RefreshToken(digest=digest, session_id=session_id, created_at=now, expires_at=expires_at))
    session.flush()


def token(session: ReadSession, digest: str) -> RefreshToken | None:
    return session.get(RefreshToken, digest)


def mark_used(session: WriteSession, digest: str, now: datetime, successor_digest: str) -> None:
    session.execute(
        update(RefreshToken).where(RefreshToken.digest == digest).values(used_at=now, successor_digest=successor_digest)
    )


def revoke(session: WriteSession, session_id: str, account_id: str, now: datetime, because: str) -> None:
    """Ends a session of the account; harmless if it has ended."""
    session.execute(
        update(SignInSession)
        .where(
            SignInSession.id == session_id, SignInSession.account_id == account_id, SignInSession.revoked_at.is_(None)
        )
        .values(revoked_at=now, revoked_because=because)
    )


def delete_expired(session: WriteSession, before: datetime) -> None:
    """Deletes sessions that expired before this moment, and with them their tokens."""
    session.execute(delete(SignInSession).where(SignInSession.expires_at < before))
