"""A provider that takes no money: a tester decides on a page of ours what becomes of a checkout and of a plan.

It keeps what a provider would keep and tells what a provider would tell, so that everything goes the same way as with
a real one. Nobody is charged.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from sqlalchemy import Table, select

from services.accounts.payments.errors import ProviderUnavailable, RefundRefused, WrongSignature
from services.accounts.payments.providers import (
    DisputeState,
    EventPage,
    Order,
    ProviderCharge,
    ProviderDispute,
    ProviderEvent,
    ProviderInvoice,
    ProviderRefund,
    ProviderSession,
    ProviderSubscription,
    Refunded,
    SessionState,
    Subject,
    Taking,
)
from services.accounts.payments.sandbox_models import (
    SandboxCharge,
    SandboxDispute,
    SandboxEvent,
    SandboxRefund,
    SandboxSession,
    SandboxSubscription,
)
from services.accounts.payments.sandbox_repository import (
    PAGE_PATH,
    charge_as_told,
    event_as_told,
    is_disputed,
    known,
    refunded,
    session_as_told,
    state_of,
    tell,
)
from services.accounts.payments.sandbox_repository import taking as taking_of
from services.accounts.payments.sandbox_tester import SandboxTester
from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.inserting import insert_unless_present

PAGE_EVENTS = 100


class Sandbox:
    name = "sandbox"

    def __init__(self, database: Database, public_url: str) -> None:
        self._database = database
        self._public_url = public_url.rstrip("/")
        self.tester = SandboxTester(database, self._public_url)

    def open(self, order: Order) -> ProviderSession:
        with self._database.write() as session:
            row = {
                "id": new_id("sbx"),
                "checkout_id": order.checkout_id,
                "account_id": order.account_id,
                "price_id": order.price.id,
                "kind": order.price.kind,
                "name": order.price.name,
                "amount_minor": order.price.amount_minor,
                "currency": order.price.currency,
                "state": SessionState.OPEN,
                "expires_at": order.expires_at,
                "return_url": order.return_url,
            }
            insert_unless_present(session, cast(Table, SandboxSession.__table__), row)
            found = session.execute(
                select(SandboxSession).where(SandboxSession.checkout_id == order.checkout_id)
            ).scalar_one()
            return session_as_told(session, found, self._public_url)

    def session(self, session_id: str) -> ProviderSession:
        with self._database.read() as session:
            return session_as_told(session, known(session.get(SandboxSession, session_id)), self._public_url)

    def expire(self, session_id: str) -> None:
        self.tester.decide(session_id, SessionState.EXPIRED)

    def event(self, body: bytes, signature: str | None) -> ProviderEvent:  # noqa: ARG002 - as the protocol has it
        """Nobody signs for the sandbox."""
        raise WrongSignature

    def events(self, since: datetime, until: datetime, after: str | None) -> EventPage:
        query = select(SandboxEvent).where(SandboxEvent.occurred_at >= since, SandboxEvent.occurred_at < until)
        if after is not None:
            query = query.where(SandboxEvent.id > after)
        with self._database.read() as session:
            found = session.scalars(query.order_by(SandboxEvent.id).limit(PAGE_EVENTS)).all()
        more = found[-1].id if len(found) == PAGE_EVENTS else None
        return EventPage([event_as_told(one) for one in found], more)

    def subscription(self, subscription_id: str) -> ProviderSubscription:
        with self._database.read() as session:
            found = known(session.get(SandboxSubscription, subscription_id))
            return ProviderSubscription(
                id=found.id,
                account_id=found.account_id,
                checkout_id=found.checkout_id,
                customer_id=found.account_id,
                price_id=found.price_id,
                state=state_of(found, session.now()),
                period_ends_at=found.period_ends_at,
                ends_with_period=found.ends_with_period,
            )

    def invoice(self, invoice_id: str) -> ProviderInvoice:
        with self._database.read() as session:
            found = known(session.get(SandboxCharge, invoice_id))
        return ProviderInvoice(
            id=found.id,
            subscription_id=found.subscription_id,
            is_paid=found.paid_at is not None,
            is_period=True,
            currency=found.currency,
            amount_minor=found.amount_minor,
            total_minor=found.amount_minor,
            tax_minor=None,
            payment_ref=found.id,
        )

    def charge(self, charge_id: str) -> ProviderCharge:
        with self._database.read() as session:
            return charge_as_told(session, known(session.get(SandboxCharge, charge_id)))

    def made_refund(self, name: str) -> ProviderRefund:
        with self._database.read() as session:
            found = known(session.get(SandboxRefund, name))
            charge = known(session.get(SandboxCharge, found.charge_id))
            return ProviderRefund(found.id, found.has_failed, charge_as_told(session, charge))

    def dispute(self, dispute_id: str) -> ProviderDispute:
        with self._database.read() as session:
            found = known(session.get(SandboxDispute, dispute_id))
            charge = known(session.get(SandboxCharge, found.charge_id))
            return ProviderDispute(found.id, DisputeState(found.state), charge_as_told(session, charge))

    def refund(self, payment_ref: str, amount_minor: int, refund_id: str) -> Refunded:
        with self._database.write() as session:
            charge = session.get(SandboxCharge, payment_ref, with_for_update=True)
            if charge is None or charge.paid_at is None:
                raise RefundRefused
            made = session.get(SandboxRefund, refund_id)
            if made is None:
                back = refunded(session, charge.id)
                too_much = back.sent_minor - back.failed_minor + amount_minor > charge.amount_minor
                if too_much or is_disputed(session, charge.id):
                    raise RefundRefused
                session.add(SandboxRefund(id=refund_id, charge_id=charge.id, amount_minor=amount_minor))
                tell(session, Subject.CHARGE, charge.id)
                session.flush()
            elif made.has_failed:
                raise RefundRefused
            return refunded(session, charge.id)

    def takings(self, since: datetime, until: datetime) -> Iterator[Taking]:
        with self._database.read() as session:
            charges = session.scalars(
                select(SandboxCharge).where(SandboxCharge.paid_at >= since, SandboxCharge.paid_at < until)
            ).all()
            takings = [taking_of(session, charge) for charge in charges]
        yield from takings

    def taking(self, payment_ref: str) -> Taking | None:
        with self._database.read() as session:
            charge = session.get(SandboxCharge, payment_ref)
            return None if charge is None or charge.paid_at is None else taking_of(session, charge)

    def portal(self, customer_id: str, return_url: str) -> str:  # noqa: ARG002 - the page leads nowhere else
        with self._database.read() as session:
            newest = (
                select(SandboxSubscription.id)
                .where(SandboxSubscription.account_id == customer_id)
                .order_by(SandboxSubscription.id.desc())
                .limit(1)
            )
            found = session.scalar(newest)
        if found is None:
            raise ProviderUnavailable
        return f"{self._public_url}{PAGE_PATH}/{found}"

    def end_subscription(self, subscription_id: str) -> None:
        self.tester.end(subscription_id, at_once=True)
