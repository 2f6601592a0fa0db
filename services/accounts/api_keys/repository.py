"""Queries about API keys."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update

from services.accounts.api_keys.keys import NewKey
from services.accounts.api_keys.models import ApiKey
from services.accounts.users.models import User
from services.kit.database import ReadSession, WriteSession


def add(
    session: WriteSession,
    *,
    key_id: str,
    account_id: str,
    name: str,
    key: NewKey,
    scopes: Sequence[str],
    expires_at: datetime | None,
    sealed_secret: bytes | None,
) -> None:
    session.add(
        ApiKey(
            id=key_id,
            account_id=account_id,
            name=name,
            digest=key.digest,
            hint=key.hint,
            scopes=list(scopes),
            created_at=session.now(),
            expires_at=expires_at,
            sealed_secret=sealed_secret,
        )
    )
    session.flush()


def get(session: ReadSession, account_id: str, key_id: str) -> ApiKey | None:
    """A key of the account that is not revoked."""
    return session.execute(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
    ).scalar_one_or_none()


def page(session: ReadSession, account_id: str, *, before: str | None, limit: int) -> Sequence[ApiKey]:
    """Keys that are not revoked, newest first, from the one before `before` on."""
    query = select(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
    if before is not None:
        query = query.where(ApiKey.id < before)
    return session.execute(query.order_by(ApiKey.id.desc()).limit(limit)).scalars().all()


def count(session: ReadSession, account_id: str) -> int:
    return session.execute(
        select(func.count()).select_from(ApiKey).where(ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
    ).scalar_one()


def find_by_digest(session: ReadSession, digest: str, now: datetime) -> tuple[ApiKey, User] | None:
    """The key that is presented and its owner. The one query here that is not by account: it finds out whose it is."""
    row = session.execute(
        select(ApiKey, User)
        .join(User, User.id == ApiKey.account_id)
        .where(
            ApiKey.digest == digest,
            ApiKey.revoked_at.is_(None),
            User.disabled_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def revoke(session: WriteSession, account_id: str, key_id: str, now: datetime) -> bool:
    """Whether there was such a key to revoke."""
    revoked = session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now, sealed_secret=None)
        .returning(ApiKey.id)
    ).scalar_one_or_none()
    return revoked is not None


def revoke_made_since(session: WriteSession, account_id: str, moment: datetime, now: datetime) -> int:
    """How many there were to revoke."""
    revoked = session.execute(
        update(ApiKey)
        .where(ApiKey.account_id == account_id, ApiKey.created_at >= moment, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now, sealed_secret=None)
        .returning(ApiKey.id)
    )
    return len(revoked.scalars().all())


def delete_ended(session: WriteSession, before: datetime, *, limit: int) -> int:
    """Deletes keys that were revoked or expired before this; how many."""
    ended = select(ApiKey.id).where(or_(ApiKey.revoked_at < before, ApiKey.expires_at < before)).limit(limit)
    return len(session.scalars(delete(ApiKey).where(ApiKey.id.in_(ended)).returning(ApiKey.id)).all())


def note_use(session: WriteSession, key_id: str, now: datetime) -> None:
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))


def forget_sealed(session: WriteSession, made_before: datetime) -> None:
    session.execute(
        update(ApiKey)
        .where(ApiKey.sealed_secret.is_not(None), ApiKey.created_at < made_before)
        .values(sealed_secret=None)
    )
