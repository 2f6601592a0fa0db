"""What a tester decides in the sandbox: what becomes of a checkout, what a month does to a plan, and what a bank does
to money that was paid or paid back."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from services.accounts.payments.prices import PriceKind
from services.accounts.payments.providers import DisputeState, ProviderEvent, SessionState, Subject, SubscriptionState
from services.accounts.payments.sandbox_models import (
    SandboxCharge,
    SandboxDispute,
    SandboxSession,
    SandboxSubscription,
)
from services.accounts.payments.sandbox_repository import (
    PERIOD,
    charge_of,
    dispute_of,
    is_disputed,
    known,
    lock_plan,
    refunds_of,
    session_as_told,
    state_of,
    tell,
)
from services.kit.database import Database, WriteSession
from services.kit.ids import new_id


@dataclass(frozen=True)
class ChargePage:
    """Money that came in: its newest dispute, and what of it was paid back and has arrived."""

    charge: SandboxCharge
    dispute: DisputeState | None
    refunded_minor: int


class SandboxTester:
    """What changes something returns what the sandbox tells of it."""

    def __init__(self, database: Database, public_url: str) -> None:
        self._database = database
        self._public_url = public_url

    def page(self, session_id: str) -> tuple[SandboxSession, SessionState] | None:
        """A checkout and what has become of it; None where there is none."""
        with self._database.read() as session:
            found = session.get(SandboxSession, session_id)
            return None if found is None else (found, session_as_told(session, found, self._public_url).state)

    def plan_page(self, subscription_id: str) -> tuple[SandboxSubscription, SubscriptionState]:
        """A plan, and whether it goes on. Raises CheckoutNotFound."""
        with self._database.read() as session:
            found = known(session.get(SandboxSubscription, subscription_id))
            return found, state_of(found, session.now())

    def charge_page(self, charge_id: str) -> ChargePage | None:
        """Money that came in, and what has become of it since; None where there is none."""
        with self._database.read() as session:
            found = session.get(SandboxCharge, charge_id)
            if found is None or found.paid_at is None:
                return None
            dispute = dispute_of(session, charge_id)
            state = DisputeState(dispute.state) if dispute is not None else None
            arrived = [refund for refund in refunds_of(session, charge_id) if not refund.has_failed]
            return ChargePage(found, state, sum(refund.amount_minor for refund in arrived))

    def charges_of(self, subscription_id: str) -> Sequence[SandboxCharge]:
        """What was paid of a plan, the newest first."""
        paid = (SandboxCharge.subscription_id == subscription_id, SandboxCharge.paid_at.is_not(None))
        with self._database.read() as session:
            return session.scalars(select(SandboxCharge).where(*paid).order_by(SandboxCharge.id.desc())).all()

    def decide(self, session_id: str, outcome: SessionState) -> tuple[SandboxSession, Sequence[ProviderEvent]]:
        """What becomes of a checkout; of one that is over, nothing changes. Raises CheckoutNotFound."""
        with self._database.write() as session:
            found = known(session.get(SandboxSession, session_id, with_for_update=True))
            if session_as_told(session, found, self._public_url).state is SessionState.OPEN:
                found.state = outcome
                if outcome is SessionState.PAID:
                    _take(session, found)
            return found, [tell(session, Subject.CHECKOUT, found.id)]

    def renew(self, subscription_id: str, *, succeeds: bool) -> Sequence[ProviderEvent]:
        """A month passes. A plan that was to end with it ends; any other is paid again, or is not."""
        with self._database.write() as session:
            found, state = lock_plan(session, subscription_id)
            if state is SubscriptionState.ENDED:
                return ()
            if found.ends_with_period:
                found.state = SubscriptionState.ENDED
                return [tell(session, Subject.SUBSCRIPTION, found.id)]
            found.period_ends_at += PERIOD
            found.state = SubscriptionState.ACTIVE if succeeds else SubscriptionState.OVERDUE
            charge = charge_of(found, session.now() if succeeds else None)
            session.add(charge)
            return [tell(session, Subject.SUBSCRIPTION, found.id), tell(session, Subject.INVOICE, charge.id)]

    def pay_overdue(self, subscription_id: str) -> Sequence[ProviderEvent]:
        """What a renewal that had failed owes is paid after all."""
        with self._database.write() as session:
            found, state = lock_plan(session, subscription_id)
            if state is not SubscriptionState.OVERDUE:
                return ()
            found.state = SubscriptionState.ACTIVE
            owed = session.scalars(
                select(SandboxCharge).where(SandboxCharge.subscription_id == found.id, SandboxCharge.paid_at.is_(None))
            ).all()
            for charge in owed:
                charge.paid_at = session.now()
            return [
                tell(session, Subject.SUBSCRIPTION, found.id),
                *(tell(session, Subject.INVOICE, charge.id) for charge in owed),
            ]

    def dispute(self, charge_id: str) -> Sequence[ProviderEvent]:
        """The payer's bank takes the money back, unless it has."""
        with self._database.write() as session:
            known(session.get(SandboxCharge, charge_id, with_for_update=True))
            if is_disputed(session, charge_id):
                return ()
            made = SandboxDispute(id=new_id("sbx"), charge_id=charge_id, state=DisputeState.OPEN)
            session.add(made)
            return [tell(session, Subject.DISPUTE, made.id)]

    def end_dispute(self, charge_id: str, *, won: bool) -> Sequence[ProviderEvent]:
        """The bank decides on a dispute that is open."""
        with self._database.write() as session:
            known(session.get(SandboxCharge, charge_id, with_for_update=True))
            dispute = dispute_of(session, charge_id)
            if dispute is None or dispute.state != DisputeState.OPEN:
                return ()
            dispute.state = DisputeState.WON if won else DisputeState.LOST
            return [tell(session, Subject.DISPUTE, dispute.id)]

    def fail_refunds(self, charge_id: str) -> Sequence[ProviderEvent]:
        """The bank does not take what was paid back: the money is ours again."""
        with self._database.write() as session:
            known(session.get(SandboxCharge, charge_id, with_for_update=True))
            failing = [refund for refund in refunds_of(session, charge_id) if not refund.has_failed]
            for refund in failing:
                refund.has_failed = True
            return [tell(session, Subject.REFUND, refund.id) for refund in failing]

    def end(self, subscription_id: str, *, at_once: bool) -> Sequence[ProviderEvent]:
        """The plan ends, now or with its period."""
        with self._database.write() as session:
            found, state = lock_plan(session, subscription_id)
            if state is SubscriptionState.ENDED:
                return ()
            if at_once:
                found.state = SubscriptionState.ENDED
            else:
                found.ends_with_period = True
            return [tell(session, Subject.SUBSCRIPTION, found.id)]


def _take(session: WriteSession, paid: SandboxSession) -> None:
    if paid.kind != PriceKind.PLAN:
        charge = SandboxCharge(
            id=paid.id,
            checkout_id=paid.checkout_id,
            subscription_id=None,
            currency=paid.currency,
            amount_minor=paid.amount_minor,
            paid_at=session.now(),
        )
        session.add(charge)
        return
    begun = SandboxSubscription(
        id=new_id("sbx"),
        checkout_id=paid.checkout_id,
        account_id=paid.account_id,
        price_id=paid.price_id,
        name=paid.name,
        amount_minor=paid.amount_minor,
        currency=paid.currency,
        state=SubscriptionState.ACTIVE,
        period_ends_at=session.now() + PERIOD,
        ends_with_period=False,
    )
    session.add_all([begun, charge_of(begun, session.now())])
    paid.subscription_id = begun.id
    session.flush()
