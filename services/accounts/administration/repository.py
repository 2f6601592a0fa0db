"""Queries of administration: over all accounts."""

from collections.abc import Sequence

from sqlalchemy import String, cast, func, or_, select

from services.accounts.users.models import User
from services.accounts.users.roles import Role
from services.kit.database import ReadSession


def search(session: ReadSession, text: str | None, *, before: str | None, limit: int) -> Sequence[User]:
    """Users whose address or name contains the text, or whose id it is; newest first, from the one before `before`."""
    query = select(User)
    if text:
        part = text.casefold()
        query = query.where(
            or_(
                User.id == text,
                User.email_key.contains(part, autoescape=True),
                func.lower(User.display_name).contains(part, autoescape=True),
            )
        )
    if before is not None:
        query = query.where(User.id < before)
    return session.execute(query.order_by(User.id.desc()).limit(limit)).scalars().all()


def other_admins(session: ReadSession, account_id: str) -> int:
    """How many admins there are besides this account who can act."""
    return session.execute(
        select(func.count())
        .select_from(User)
        .where(cast(User.roles, String).contains(f'"{Role.ADMIN}"'), User.disabled_at.is_(None), User.id != account_id)
    ).scalar_one()
