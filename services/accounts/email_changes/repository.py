"""Queries about changes of address."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select

from services.accounts.email_changes.models import EmailChange
from services.accounts.users.models import MailToken
from services.kit.database import ReadSession, WriteSession


def add(session: WriteSession, change: EmailChange) -> None:
    session.add(change)
    session.flush()


def get(session: ReadSession, change_id: str) -> EmailChange | None:
    return session.get(EmailChange, change_id)


def of_account(session: ReadSession, account_id: str) -> Sequence[EmailChange]:
    """Newest first."""
    return session.scalars(
        select(EmailChange)
        .where(EmailChange.account_id == account_id)
        .order_by(EmailChange.asked_at.desc(), EmailChange.id.desc())
    ).all()


def asked_since(session: ReadSession, account_id: str, email_key: str, moment: datetime) -> int:
    """How many were asked for, by this account or to this address."""
    asked = or_(EmailChange.account_id == account_id, EmailChange.email_key == email_key)
    return session.scalar(select(func.count()).where(asked, EmailChange.asked_at > moment)) or 0


def asked_up_to(session: ReadSession, change: EmailChange, moment: datetime) -> int:
    """How many its account has asked for since that moment, up to this one."""
    asked = and_(EmailChange.account_id == change.account_id, EmailChange.id <= change.id)
    return session.scalar(select(func.count()).where(asked, EmailChange.asked_at > moment)) or 0


def withdraw_links(session: WriteSession, account_id: str) -> None:
    """Every link in a mail about an address of this account is of no use any more."""
    changes = select(EmailChange.id).where(EmailChange.account_id == account_id)
    session.execute(delete(MailToken).where(MailToken.subject_id.in_(changes)))


def withdraw_unproved_links(session: WriteSession, account_id: str) -> None:
    """The same, of changes that were not made."""
    changes = select(EmailChange.id).where(EmailChange.account_id == account_id, EmailChange.changed_at.is_(None))
    session.execute(delete(MailToken).where(MailToken.subject_id.in_(changes)))


def delete_of_account(session: WriteSession, account_id: str) -> None:
    session.execute(delete(EmailChange).where(EmailChange.account_id == account_id))


def delete_old(session: WriteSession, asked_before: datetime, changed_before: datetime) -> None:
    """Those that were not proved in time, and those from which there is no way back any more."""
    unproved = and_(EmailChange.changed_at.is_(None), EmailChange.asked_at < asked_before)
    session.execute(delete(EmailChange).where(or_(unproved, EmailChange.changed_at < changed_before)))
