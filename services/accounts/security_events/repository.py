"""Queries about security events."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.models import SecurityEvent
from services.kit.database import ReadSession, WriteSession


def page(
    session: ReadSession, *, account_id: str | None = None, kind: Kind | None = None, before: str | None, limit: int
) -> Sequence[SecurityEvent]:
    """Newest first, from the one before `before` on; of one account, of one kind, or of all."""
    query = select(SecurityEvent)
    if account_id is not None:
        query = query.where(SecurityEvent.account_id == account_id)
    if kind is not None:
        query = query.where(SecurityEvent.kind == kind)
    if before is not None:
        query = query.where(SecurityEvent.id < before)
    return session.execute(query.order_by(SecurityEvent.id.desc()).limit(limit)).scalars().all()


def delete_old(session: WriteSession, before: datetime) -> None:
    session.execute(delete(SecurityEvent).where(SecurityEvent.occurred_at < before))


def anonymize(session: WriteSession, account_id: str) -> None:
    """Of an account that is erased it stays known what happened when, and no longer from where or with what names."""
    session.execute(
        update(SecurityEvent)
        .where(SecurityEvent.account_id == account_id)
        .values(network=None, user_agent=None, details={})
    )
