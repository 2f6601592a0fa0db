"""Queries about accounts that are called back."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from services.kit.database import ReadSession, WriteSession
from services.notifier.callbacks.models import CallbackAccount


def account(session: ReadSession, account_id: str) -> CallbackAccount | None:
    return session.get(CallbackAccount, account_id)


def locked_account(session: WriteSession, account_id: str) -> CallbackAccount | None:
    return session.get(CallbackAccount, account_id, with_for_update=True)


def page(session: ReadSession, after: str, limit: int) -> Sequence[CallbackAccount]:
    """Those of accounts with ids above `after`, in the order of these."""
    query = select(CallbackAccount).where(CallbackAccount.account_id > after)
    return session.scalars(query.order_by(CallbackAccount.account_id).limit(limit)).all()


def delete_account(session: WriteSession, account_id: str) -> None:
    session.execute(delete(CallbackAccount).where(CallbackAccount.account_id == account_id))
