"""Queries about erasures, and the deletion of a user."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from services.accounts.api_keys.models import ApiKey
from services.accounts.erasure.models import Erasure
from services.accounts.sessions.models import SignInSession
from services.accounts.users.models import User
from services.kit.database import ReadSession, WriteSession

AT_ONCE = 100


def get_by_digest(session: ReadSession, digest: str) -> Erasure | None:
    return session.execute(select(Erasure).where(Erasure.token_digest == digest)).scalar_one_or_none()


def lock(session: WriteSession, erasure_id: str) -> Erasure | None:
    """The erasure; two receipts that come at once are noted one after the other."""
    return session.get(Erasure, erasure_id, with_for_update=True)


def due(session: ReadSession, now: datetime) -> Sequence[str]:
    """Ids of erasures that not every service has answered, and that are to be told of again."""
    return session.scalars(
        select(Erasure.id).where(Erasure.tell_at <= now).order_by(Erasure.tell_at).limit(AT_ONCE)
    ).all()


def unfinished(session: ReadSession) -> int:
    return session.execute(select(func.count()).where(Erasure.tell_at.is_not(None))).scalar_one()


def any_since(session: ReadSession, moment: datetime) -> bool:
    """Whether any account was erased at that moment or later."""
    return session.scalar(select(Erasure.id).where(Erasure.requested_at >= moment).limit(1)) is not None


def delete_user(session: WriteSession, account_id: str) -> dict[str, int]:
    """Deletes the user with all that hangs on them; how many of what there were, by kind."""
    counts = {
        kind: session.scalar(select(func.count()).select_from(table).where(table.account_id == account_id)) or 0
        for kind, table in (("sign_ins", SignInSession), ("api_keys", ApiKey))
    }
    session.execute(delete(User).where(User.id == account_id))
    return {"profiles": 1, **counts}
