"""Queries about users."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.accounts.emails import EmailAddress
from services.accounts.errors import EmailTaken
from services.accounts.models import User
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id


def add(
    session: WriteSession,
    *,
    email: EmailAddress,
    password_hash: str,
    display_name: str | None,
    roles: Sequence[str],
    plan: str,
) -> User:
    """A new user. Raises EmailTaken; the transaction is of no use afterwards."""
    now = session.now()
    user = User(
        id=new_id("usr"),
        email=email.address,
        email_key=email.key,
        password_hash=password_hash,
        display_name=display_name,
        roles=list(roles),
        plan=plan,
        created_at=now,
        updated_at=now,
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError:
        # Looking first would not help: two registrations can look at the same moment.
        raise EmailTaken from None
    return user


def get(session: ReadSession, account_id: str) -> User | None:
    return session.get(User, account_id)


def find_by_email(session: ReadSession, email: EmailAddress) -> User | None:
    return session.execute(select(User).where(User.email_key == email.key)).scalar_one_or_none()
