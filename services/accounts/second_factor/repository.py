"""Queries about second factors."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from services.accounts.second_factor.models import RecoveryCode, SecondFactor
from services.kit.database import ReadSession, WriteSession


def get(session: ReadSession, account_id: str) -> SecondFactor | None:
    return session.get(SecondFactor, account_id)


def lock(session: WriteSession, account_id: str) -> SecondFactor | None:
    """The same; of two who come with one code, one is first."""
    return session.get(SecondFactor, account_id, with_for_update=True, populate_existing=True)


def remove(session: WriteSession, account_id: str) -> None:
    """The second factor with its recovery codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    session.execute(delete(SecondFactor).where(SecondFactor.account_id == account_id))


def remove_added_since(session: WriteSession, account_id: str, moment: datetime) -> None:
    """The same, where it was turned on at that moment or later, or is not on yet."""
    found = lock(session, account_id)
    if found is not None and (found.enabled_at is None or found.enabled_at >= moment):
        remove(session, account_id)


def put_recovery_codes(session: WriteSession, account_id: str, digests: Iterable[str]) -> None:
    """These, in place of those from before."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    session.add_all(RecoveryCode(digest=digest, account_id=account_id) for digest in digests)


def use_recovery_code(session: WriteSession, account_id: str, digest: str) -> bool:
    """Whether it was one of the account's; it is none any more."""
    used = delete(RecoveryCode).where(RecoveryCode.digest == digest, RecoveryCode.account_id == account_id)
    return session.scalar(used.returning(RecoveryCode.digest)) is not None


def recovery_codes_left(session: ReadSession, account_id: str) -> int:
    return session.scalar(select(func.count()).where(RecoveryCode.account_id == account_id)) or 0


def page(session: ReadSession, after: str, limit: int) -> Sequence[SecondFactor]:
    """All second factors by account id, from the one behind `after` on."""
    return session.scalars(
        select(SecondFactor).where(SecondFactor.account_id > after).order_by(SecondFactor.account_id).limit(limit)
    ).all()
