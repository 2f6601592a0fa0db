"""Queries about refunds, and about the payments of all accounts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select

from services.accounts.payments.models import Payment, Refund
from services.accounts.users.models import User
from services.kit.database import ReadSession, WriteSession


def get(session: ReadSession, refund_id: str) -> tuple[Refund, Payment]:
    """A refund and its payment. Raises NoResultFound."""
    found = session.execute(
        select(Refund, Payment).join(Payment, Payment.id == Refund.payment_id).where(Refund.id == refund_id)
    ).one()
    return found[0], found[1]


def of_payment(session: ReadSession, payment_id: str) -> Sequence[Refund]:
    """Refunds of a payment, the newest first."""
    return session.scalars(select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id.desc())).all()


def amount_asked(session: ReadSession, payment_id: str) -> int:
    """What of a payment is to be paid back and is not yet."""
    amounts = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.payment_id == payment_id, Refund.state == "asked"
    )
    return int(session.execute(amounts).scalar_one())


def note_asked(session: WriteSession, asked_before: datetime, now: datetime, limit: int) -> Sequence[str]:
    """Ids of refunds that wait, the longest unasked about first; from now on they were asked about."""
    due = session.scalars(
        select(Refund)
        .where(Refund.state == "asked", Refund.asked_at <= asked_before)
        .order_by(Refund.asked_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for refund in due:
        refund.asked_at = now
    return [refund.id for refund in due]


def note_failed(session: WriteSession, refund_id: str, now: datetime) -> None:
    """A refund of ours did not arrive. Whoever was still to hear that it was made finds it so."""
    refund = session.get(Refund, refund_id, with_for_update=True)
    if refund is not None:
        refund.state, refund.ended_at = "failed", now


def search(
    session: ReadSession, text: str | None, *, before: str | None, limit: int
) -> Sequence[tuple[Payment, str | None]]:
    """Payments whose buyer's address contains the text, or whose id, account, receipt number or name at the provider it
    is; each with the address. Newest first, from the one before `before` on."""
    query = select(Payment, User.email).outerjoin(User, User.id == Payment.account_id)
    if text:
        names = (Payment.id, Payment.account_id, Payment.receipt_number, Payment.provider_id, Payment.payment_ref)
        query = query.where(
            or_(*(name == text for name in names), User.email_key.contains(text.casefold(), autoescape=True))
        )
    if before is not None:
        query = query.where(Payment.id < before)
    return [(payment, email) for payment, email in session.execute(query.order_by(Payment.id.desc()).limit(limit))]


def email_of(session: ReadSession, payment: Payment) -> str | None:
    """The buyer's address; None of one who was erased."""
    return session.scalar(select(User.email).where(User.id == payment.account_id))
