"""Queries about what was ended before its time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, union_all

from services.accounts.api_keys.models import ApiKey
from services.accounts.erasure.models import Erasure
from services.accounts.sessions.models import SignInSession
from services.accounts.users.models import User
from services.kit.database import ReadSession


def since(session: ReadSession, moment: datetime, now: datetime) -> Sequence[str]:
    """Ids of the sessions and API keys that were revoked or expired at that moment or later, and of accounts erased
    since."""
    ended = [select(table.id).where(table.revoked_at >= moment) for table in (SignInSession, ApiKey)]
    expired = select(ApiKey.id).where(ApiKey.expires_at.between(moment, now))
    erased = select(Erasure.account_id).where(Erasure.requested_at >= moment)
    return session.execute(union_all(*ended, expired, erased)).scalars().all()


def changed_since(session: ReadSession, moment: datetime) -> Sequence[tuple[str, datetime]]:
    """Accounts that may do something else since that moment or a later one, and since when."""
    changed = select(User.id, User.access_changed_at).where(User.access_changed_at >= moment)
    return [(account_id, at) for account_id, at in session.execute(changed) if at is not None]
