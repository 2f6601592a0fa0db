"""Queries about accounts that are called back."""

from sqlalchemy import delete

from services.kit.database import ReadSession, WriteSession
from services.notifier.callbacks.models import CallbackAccount


def account(session: ReadSession, account_id: str) -> CallbackAccount | None:
    return session.get(CallbackAccount, account_id)


def locked_account(session: WriteSession, account_id: str) -> CallbackAccount | None:
    return session.get(CallbackAccount, account_id, with_for_update=True)


def delete_account(session: WriteSession, account_id: str) -> None:
    session.execute(delete(CallbackAccount).where(CallbackAccount.account_id == account_id))
