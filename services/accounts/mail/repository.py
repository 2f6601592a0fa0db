"""Queries about mails that wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from services.accounts.mail.models import OutgoingMail
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id


def add(
    session: WriteSession, *, recipient: str, template: str, values: Mapping[str, Any], proved: bool, now: datetime
) -> str:
    mail = OutgoingMail(
        id=new_id("mail"),
        recipient=recipient,
        template=template,
        values=dict(values),
        proved=proved,
        created_at=now,
        attempts=0,
        next_attempt_at=now,
    )
    session.add(mail)
    session.flush()
    return mail.id


def is_any_due(session: ReadSession, now: datetime) -> bool:
    due = select(OutgoingMail.id).where(OutgoingMail.next_attempt_at <= now).limit(1)
    return session.execute(due).first() is not None


def claim(
    session: WriteSession, now: datetime, first_pause: timedelta, longest_pause: timedelta, *, proved_first: bool
) -> OutgoingMail | None:
    """The mail that is due for longest, of those to accounts, or of the others, where there is any.

    It is due again after a pause that doubles with each attempt, so nothing needs to be written when the attempt fails
    or its process dies.
    """
    mail = _due_for_longest(session, now, proved=proved_first) or _due_for_longest(
        session, now, proved=not proved_first
    )
    if mail is not None:
        mail.next_attempt_at = now + min(first_pause * 2 ** min(mail.attempts, 20), longest_pause)
        mail.attempts += 1
    return mail


def _due_for_longest(session: WriteSession, now: datetime, *, proved: bool) -> OutgoingMail | None:
    return session.execute(
        select(OutgoingMail)
        .where(OutgoingMail.proved.is_(proved), OutgoingMail.next_attempt_at <= now)
        .order_by(OutgoingMail.next_attempt_at, OutgoingMail.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()


def remove(session: WriteSession, mail_id: str) -> None:
    session.execute(delete(OutgoingMail).where(OutgoingMail.id == mail_id))


def remove_all_to(session: WriteSession, recipient: str) -> None:
    """Nobody is written to any more who was erased."""
    session.execute(delete(OutgoingMail).where(OutgoingMail.recipient == recipient))


def oldest(session: ReadSession) -> datetime | None:
    """When the mail that waits for longest was written."""
    return session.execute(select(func.min(OutgoingMail.created_at))).scalar_one()
