"""Queries about checkouts and payments."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from services.accounts.payments.models import Checkout, Payment
from services.accounts.payments.prices import Price, PriceKind
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id

RECEIPTS = "receipt numbers"


def add_checkout(
    session: WriteSession, *, account_id: str, provider: str, price: Price, status: str, expires_at: datetime
) -> Checkout:
    now = session.now()
    checkout = Checkout(
        id=new_id("chk"),
        account_id=account_id,
        provider=provider,
        price_id=price.id,
        kind=price.kind,
        name=price.name,
        amount_minor=price.amount_minor,
        currency=price.currency,
        credits=price.credits,
        plan=price.plan,
        status=status,
        created_at=now,
        expires_at=expires_at,
        checked_at=now,
    )
    session.add(checkout)
    session.flush()
    return checkout


def checkout(session: ReadSession, checkout_id: str) -> Checkout | None:
    """Whoever's it is: for pages whose address is the secret, and for providers."""
    return session.get(Checkout, checkout_id)


def checkout_of(session: ReadSession, account_id: str, checkout_id: str) -> Checkout | None:
    return session.execute(
        select(Checkout).where(Checkout.id == checkout_id, Checkout.account_id == account_id)
    ).scalar_one_or_none()


def lock_checkout(session: WriteSession, checkout_id: str) -> Checkout:
    """The checkout as it is now, locked until the transaction ends. Raises NoResultFound."""
    return session.execute(
        select(Checkout).where(Checkout.id == checkout_id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def count_open(session: ReadSession, account_id: str) -> int:
    return session.execute(
        select(func.count()).select_from(Checkout).where(Checkout.account_id == account_id, Checkout.ended_at.is_(None))
    ).scalar_one()


def open_plans(session: ReadSession, account_id: str, provider: str) -> Sequence[Checkout]:
    """The account's checkouts of plans at this provider that have not ended, the newest first."""
    unended = (Checkout.account_id == account_id, Checkout.provider == provider, Checkout.ended_at.is_(None))
    query = select(Checkout).where(*unended, Checkout.kind == PriceKind.PLAN).order_by(Checkout.id.desc())
    return session.scalars(query).all()


def open_checkouts(session: ReadSession, checked_before: datetime, limit: int) -> Sequence[str]:
    """Ids of checkouts that have not ended, the longest unasked about first."""
    return (
        session.execute(
            select(Checkout.id)
            .where(Checkout.ended_at.is_(None), Checkout.checked_at <= checked_before)
            .order_by(Checkout.checked_at)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def note_checked(session: WriteSession, checkout_id: str, now: datetime) -> None:
    session.execute(update(Checkout).where(Checkout.id == checkout_id).values(checked_at=now))


def note_look(session: WriteSession, checkout: Checkout, now: datetime) -> bool:
    """The provider is about to be asked about it; False where somebody else is, or has ended it, since it was read."""
    unasked = (Checkout.id == checkout.id, Checkout.checked_at == checkout.checked_at, Checkout.ended_at.is_(None))
    noted = session.execute(update(Checkout).where(*unasked).values(checked_at=now).returning(Checkout.id))
    return noted.scalar_one_or_none() is not None


def add_payment(session: WriteSession, payment: Payment) -> None:
    session.add(payment)
    session.flush()


def next_receipt_number(session: WriteSession) -> str:
    """The next of this year's numbers, without gaps: one that is rolled back is given again."""
    session.serialize(RECEIPTS)
    year = session.now().year
    last = session.execute(
        select(func.max(Payment.receipt_number)).where(Payment.receipt_number.startswith(f"{year}-"))
    ).scalar_one()
    return f"{year}-{int(last.partition('-')[2]) + 1 if last else 1:08d}"


def find_checkout(session: ReadSession, provider: str, session_id: str) -> Checkout | None:
    """The checkout that the provider knows by this name."""
    return session.execute(
        select(Checkout).where(Checkout.provider == provider, Checkout.session_id == session_id)
    ).scalar_one_or_none()


def customer_of(session: ReadSession, account_id: str, provider: str) -> str | None:
    """Who an account is at a provider, if it has bought there."""
    return session.execute(
        select(Checkout.customer_id)
        .where(Checkout.account_id == account_id, Checkout.provider == provider, Checkout.customer_id.is_not(None))
        .order_by(Checkout.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def find_payment(session: ReadSession, provider: str, provider_id: str) -> Payment | None:
    """The payment of this session or invoice."""
    return session.execute(
        select(Payment).where(Payment.provider == provider, Payment.provider_id == provider_id)
    ).scalar_one_or_none()


def lock_payment(session: WriteSession, payment_id: str) -> Payment | None:
    """The payment as it is now, locked until the transaction ends."""
    return session.execute(
        select(Payment).where(Payment.id == payment_id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one_or_none()


def lock_payment_by_ref(session: WriteSession, provider: str, payment_ref: str) -> Payment | None:
    """The payment that a refund or a dispute names, locked until the transaction ends."""
    return session.execute(
        select(Payment)
        .where(Payment.provider == provider, Payment.payment_ref == payment_ref)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def get_payment(session: ReadSession, payment_id: str) -> Payment | None:
    """Whoever's it is: for those who run the platform."""
    return session.get(Payment, payment_id)


def payment_of_checkout(session: ReadSession, checkout_id: str) -> Payment | None:
    return session.execute(select(Payment).where(Payment.checkout_id == checkout_id)).scalar_one_or_none()


def payment_of(session: ReadSession, account_id: str, payment_id: str) -> Payment | None:
    return session.execute(
        select(Payment).where(Payment.id == payment_id, Payment.account_id == account_id)
    ).scalar_one_or_none()


def page(session: ReadSession, account_id: str, *, before: str | None, limit: int) -> Sequence[Payment]:
    """The account's payments, newest first, from the one before `before` on."""
    query = select(Payment).where(Payment.account_id == account_id)
    if before is not None:
        query = query.where(Payment.id < before)
    return session.execute(query.order_by(Payment.id.desc()).limit(limit)).scalars().all()
