"""Queries about users."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from services.accounts.users.emails import EmailAddress
from services.accounts.users.errors import EmailTaken
from services.accounts.users.models import MailToken, Registration, User
from services.kit.database import ReadSession, WriteSession


def add(
    session: WriteSession,
    *,
    account_id: str,
    email: EmailAddress,
    email_verified_at: datetime | None,
    password_hash: str,
    display_name: str | None,
    roles: Sequence[str],
    plan: str,
) -> User:
    """A new user. Raises EmailTaken; the transaction is of no use afterwards."""
    now = session.now()
    user = User(
        id=account_id,
        email=email.address,
        email_key=email.key,
        email_verified_at=email_verified_at,
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


def hold(session: WriteSession, account_id: str) -> User | None:
    """The same; until this transaction ends nobody else changes or erases them. None where that has just happened."""
    return session.get(User, account_id, with_for_update={"key_share": True}, populate_existing=True)


def find_by_email(session: ReadSession, email: EmailAddress) -> User | None:
    return session.execute(select(User).where(User.email_key == email.key)).scalar_one_or_none()


def add_registration(session: WriteSession, registration: Registration) -> None:
    session.add(registration)
    session.flush()


def registration(session: ReadSession, account_id: str) -> Registration | None:
    return session.get(Registration, account_id)


def registrations_up_to(session: ReadSession, registration: Registration, after: datetime) -> int:
    """How many there were for its address by then, itself among them."""
    of_address = Registration.email_key == registration.email_key
    return session.execute(
        select(func.count())
        .select_from(Registration)
        .where(of_address, Registration.created_at > after, Registration.id <= registration.id)
    ).scalar_one()


def delete_registrations(session: WriteSession, email_key: str) -> None:
    session.execute(delete(Registration).where(Registration.email_key == email_key))


def delete_old_registrations(session: WriteSession, before: datetime) -> None:
    session.execute(delete(Registration).where(Registration.created_at < before))


def add_token(session: WriteSession, token: MailToken) -> None:
    session.add(token)
    session.flush()


def token(session: ReadSession, digest: str) -> MailToken | None:
    return session.get(MailToken, digest)


def count_tokens(session: ReadSession, subject_id: str, purpose: str, after: datetime) -> int:
    return session.execute(
        select(func.count())
        .select_from(MailToken)
        .where(MailToken.subject_id == subject_id, MailToken.purpose == purpose, MailToken.created_at > after)
    ).scalar_one()


def take_token(session: WriteSession, digest: str, purpose: str, now: datetime) -> MailToken | None:
    """The token, for the one who uses it first; it is gone then. None where it has expired or is for something else."""
    return session.execute(
        delete(MailToken)
        .where(MailToken.digest == digest, MailToken.purpose == purpose, MailToken.expires_at > now)
        .returning(MailToken)
    ).scalar_one_or_none()


def delete_tokens(session: WriteSession, subject_id: str, purpose: str | None = None) -> None:
    """Those of a user or registration, for one purpose or for any."""
    of_subject = delete(MailToken).where(MailToken.subject_id == subject_id)
    session.execute(of_subject if purpose is None else of_subject.where(MailToken.purpose == purpose))


def delete_old_tokens(session: WriteSession, before: datetime) -> None:
    """Those that expired before this moment."""
    session.execute(delete(MailToken).where(MailToken.expires_at < before))
