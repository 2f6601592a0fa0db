"""Queries about sign-in sessions and their refresh tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Integer, Table, and_, bindparam, delete, insert, or_, select, update

from services.accounts.second_factor.models import SecondFactor
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.models import RefreshToken, SignInSession
from services.accounts.users.models import User
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id

# Of the tables themselves: each sign-in writes three rows, and a unit of work for them costs as much again. And built
# once: so does building a statement anew for each.
_SESSIONS, _REFRESH_TOKENS = cast(Table, SignInSession.__table__), cast(Table, RefreshToken.__table__)
_CREDENTIALS = (
    select(User.id, User.password_hash, SecondFactor.enabled_at)
    .outerjoin(SecondFactor, SecondFactor.account_id == User.id)
    .where(User.email_key == bindparam("email_key"))
)
_OPEN_SESSION, _ADD_TOKEN = insert(_SESSIONS), insert(_REFRESH_TOKENS)
_REVOKE_OLDEST = (
    update(_SESSIONS)
    .where(
        _SESSIONS.c.id.in_(
            select(_SESSIONS.c.id)
            .where(_SESSIONS.c.account_id == bindparam("of_account"), _SESSIONS.c.revoked_at.is_(None))
            .order_by(_SESSIONS.c.last_used_at.desc(), _SESSIONS.c.id.desc())
            .offset(bindparam("kept", type_=Integer))
        )
    )
    .values(revoked_at=bindparam("now"), revoked_because="too many sign-ins")
)

SUPERSEDED_KEPT = 50
"""Refresh tokens of a session that were used and are remembered, so that a second use of one is noticed."""


@dataclass(frozen=True)
class Credentials:
    """What somebody who signs in has to know."""

    account_id: str
    password_hash: str = field(repr=False)
    has_second_factor: bool


def credentials(session: ReadSession, email_key: str) -> Credentials | None:
    """Of the user with this address."""
    row = session.execute(_CREDENTIALS, {"email_key": email_key}).one_or_none()
    return None if row is None else Credentials(row.id, row.password_hash, row.enabled_at is not None)


def open_session(
    session: WriteSession,
    account_id: str,
    now: datetime,
    expires_at: datetime,
    origin: Origin,
    *,
    cookie_digest: str | None = None,
    cookie_expires_at: datetime | None = None,
) -> str:
    """A new session's id. The user must be held."""
    session_id = new_id("ses")
    session.execute(
        _OPEN_SESSION,
        {
            "id": session_id,
            "account_id": account_id,
            "created_at": now,
            "last_used_at": now,
            "network": origin.network,
            "user_agent": origin.user_agent,
            "expires_at": expires_at,
            "cookie_digest": cookie_digest,
            "cookie_expires_at": cookie_expires_at,
        },
    )
    return session_id


def open_sessions(
    session: ReadSession, account_id: str, now: datetime, used_after: datetime
) -> Sequence[SignInSession]:
    """Those that somebody could still use, the one used last first."""
    return session.scalars(
        select(SignInSession)
        .where(SignInSession.account_id == account_id, _usable(now, used_after))
        .order_by(SignInSession.last_used_at.desc(), SignInSession.id.desc())
    ).all()


def is_open(session: ReadSession, session_id: str, account_id: str, now: datetime, used_after: datetime) -> bool:
    """Whether it is one of those."""
    found = select(SignInSession.id).where(
        SignInSession.id == session_id, SignInSession.account_id == account_id, _usable(now, used_after)
    )
    return session.scalar(found) is not None


def _usable(now: datetime, used_after: datetime) -> ColumnElement[bool]:
    return and_(
        SignInSession.revoked_at.is_(None), SignInSession.expires_at > now, SignInSession.last_used_at > used_after
    )


def revoke_all_but_newest(session: WriteSession, account_id: str, now: datetime, kept: int) -> None:
    """Ends those of an account's sessions that were used longest ago, until so many are left."""
    session.execute(_REVOKE_OLDEST, {"of_account": account_id, "kept": kept, "now": now})


def of_cookie(session: ReadSession, digest: str, now: datetime) -> tuple[SignInSession, User] | None:
    """The session of a cookie that is still good, and whose it is."""
    row = session.execute(
        select(SignInSession, User)
        .join(User, User.id == SignInSession.account_id)
        .where(
            SignInSession.cookie_digest == digest,
            SignInSession.revoked_at.is_(None),
            SignInSession.expires_at > now,
            SignInSession.cookie_expires_at > now,
            User.disabled_at.is_(None),
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def keep_cookie(session: WriteSession, session_id: str, until: datetime) -> None:
    """The cookie was used: it is good for a while longer."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.id == session_id)
        .values(cookie_expires_at=until, last_used_at=session.now())
    )


def lock_session_of_token(session: WriteSession, digest: str) -> SignInSession | None:
    """The session of a refresh token. Its row is locked: the tokens of one session change one at a time."""
    return session.execute(
        select(SignInSession)
        .join(RefreshToken, RefreshToken.session_id == SignInSession.id)
        .where(RefreshToken.digest == digest)
        .with_for_update(of=SignInSession)
    ).scalar_one_or_none()


def add_token(session: WriteSession, session_id: str, digest: str, now: datetime, expires_at: datetime) -> None:
    session.execute(
        _ADD_TOKEN, {"digest": digest, "session_id": session_id, "created_at": now, "expires_at": expires_at}
    )


def token(session: ReadSession, digest: str) -> RefreshToken | None:
    return session.get(RefreshToken, digest)


def mark_used(session: WriteSession, digest: str, now: datetime, successor_digest: str) -> None:
    session.execute(
        update(RefreshToken).where(RefreshToken.digest == digest).values(used_at=now, successor_digest=successor_digest)
    )


def forget_superseded(session: WriteSession, session_id: str) -> None:
    """Deletes all but the newest of a session's tokens that were used."""
    old = session.execute(
        select(RefreshToken.digest)
        .where(RefreshToken.session_id == session_id, RefreshToken.used_at.is_not(None))
        .order_by(RefreshToken.used_at.desc(), RefreshToken.digest)
        .offset(SUPERSEDED_KEPT)
    ).scalars()
    session.execute(delete(RefreshToken).where(RefreshToken.digest.in_(old.all())))


def revoke(session: WriteSession, session_id: str, account_id: str, now: datetime, because: str) -> bool:
    """Ends a session of the account, and says whether there was one to end."""
    ended = session.execute(
        update(SignInSession)
        .where(
            SignInSession.id == session_id, SignInSession.account_id == account_id, SignInSession.revoked_at.is_(None)
        )
        .values(revoked_at=now, revoked_because=because)
        .returning(SignInSession.id)
    ).scalar_one_or_none()
    return ended is not None


def revoke_all(session: WriteSession, account_id: str, now: datetime, because: str, *, but: str | None = None) -> int:
    """Ends every session of the account except one; returns how many."""
    ended = session.execute(
        update(SignInSession)
        .where(
            SignInSession.account_id == account_id, SignInSession.revoked_at.is_(None), SignInSession.id != (but or "")
        )
        .values(revoked_at=now, revoked_because=because)
        .returning(SignInSession.id)
    )
    return len(ended.scalars().all())


def delete_ended(session: WriteSession, now: datetime, used_after: datetime, revoked_after: datetime) -> None:
    """Deletes sessions that expired, that nobody has used, or that were revoked and are told of no more; and with them
    their tokens."""
    session.execute(
        delete(SignInSession).where(
            or_(
                SignInSession.expires_at < now,
                SignInSession.last_used_at < used_after,
                SignInSession.revoked_at < revoked_after,
            )
        )
    )
