"""What the others are told of an account's credits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.accounts.ledger import hold_repository as reservations
from services.accounts.ledger.transfers import Balance
from services.accounts.users import repository as users
from services.kit import outbox
from services.kit.database import ReadSession, WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import BILLING
from services.kit.protos import billing_pb2


@dataclass(frozen=True)
class BillingPolicy:
    hold_lifetime: timedelta
    default_plan: str
    previews_per_day: Mapping[str, int]

    def previews(self, plan: str) -> int:
        return self.previews_per_day.get(plan, self.previews_per_day[self.default_plan])


class BalanceNews:
    """Balances as the topic carries them."""

    def __init__(self, policy: BillingPolicy) -> None:
        self._policy = policy

    def message(self, session: ReadSession, account_id: str, balance: Balance) -> billing_pb2.Balance:
        """The balance, and what is left of today's previews; that of an account we do not know has no previews."""
        user = users.get(session, account_id)
        left = None
        if user is not None:
            used = reservations.previews_used(session, account_id, session.now().date())
            left = max(0, self._policy.previews(user.plan) - used)
        return billing_pb2.Balance(
            available_credits=balance.available,
            reserved_credits=balance.reserved,
            debt_credits=balance.debt,
            version=balance.version,
            previews_left=left,
        )

    def tell(self, session: WriteSession, account_id: str, balance: Balance) -> None:
        """Publishes BalanceChanged with the caller's transaction."""
        message = billing_pb2.BalanceChanged(account_id=account_id, balance=self.message(session, account_id, balance))
        outbox.add(session, OutgoingEvent(BILLING, key=account_id, data=message, subject=account_id))
