"""Rules of the double-entry ledger. Pure: no database, no clock.

Credits never appear or vanish, they move. A movement is a `Transfer`, whose entries sum to zero by construction; so the
sum of all entries ever written is zero too. A user's credits are either available or reserved; what they owe is an
account too (its sum is the debt, negative), and so is everything that the system gave away, sold and earned.

    purchase             system:purchases   -> user:available   paid for
    refund               user:available     -> system:purchases paid back
    refund_reversal      system:purchases   -> user:available   the bank did not take what was paid back
    chargeback           user:available     -> system:purchases the bank took the money back
    chargeback_reversal  system:purchases   -> user:available   the dispute was won
    plan_grant           system:plans       -> user:available   a paid period of a plan
    promotion            system:promotions  -> user:available
    grant                system:grants      -> user:available   the welcome, or the operator's gift
    adjustment           system:adjustments -> user:available   or the other way, where its credits are negative
    reserve              user:available     -> user:reserved
    capture              user:reserved      -> system:revenue
    release              user:reserved      -> user:available   the job failed or was cancelled
    expire               user:reserved      -> user:available   the hold outlived its limit
    lapse                user:available     -> system:lapsed    the credits' own time was over

A refund or a chargeback of credits that are spent leaves a debt. Whatever would become available pays it off first, so
nobody ever has credits and a debt.
"""

from dataclasses import dataclass
from enum import StrEnum

MAX_CREDITS = 2**53 - 1
"""Largest amount that every JSON reader can represent (RFC 8259 section 6)."""


class LedgerAccount(StrEnum):
    AVAILABLE = "user:available"
    RESERVED = "user:reserved"
    DEBT = "user:debt"
    PURCHASES = "system:purchases"
    PLANS = "system:plans"
    PROMOTIONS = "system:promotions"
    GRANTS = "system:grants"
    ADJUSTMENTS = "system:adjustments"
    REVENUE = "system:revenue"
    LAPSED = "system:lapsed"


USER_ACCOUNTS = (LedgerAccount.AVAILABLE, LedgerAccount.RESERVED, LedgerAccount.DEBT)


class TransferKind(StrEnum):
    PURCHASE = "purchase"
    REFUND = "refund"
    REFUND_REVERSAL = "refund_reversal"
    CHARGEBACK = "chargeback"
    CHARGEBACK_REVERSAL = "chargeback_reversal"
    PLAN_GRANT = "plan_grant"
    PROMOTION = "promotion"
    GRANT = "grant"
    ADJUSTMENT = "adjustment"
    RESERVE = "reserve"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"
    LAPSE = "lapse"


_ROUTES: dict[TransferKind, tuple[LedgerAccount, LedgerAccount]] = {
    TransferKind.PURCHASE: (LedgerAccount.PURCHASES, LedgerAccount.AVAILABLE),
    TransferKind.REFUND: (LedgerAccount.AVAILABLE, LedgerAccount.PURCHASES),
    TransferKind.REFUND_REVERSAL: (LedgerAccount.PURCHASES, LedgerAccount.AVAILABLE),
    TransferKind.CHARGEBACK: (LedgerAccount.AVAILABLE, LedgerAccount.PURCHASES),
    TransferKind.CHARGEBACK_REVERSAL: (LedgerAccount.PURCHASES, LedgerAccount.AVAILABLE),
    TransferKind.PLAN_GRANT: (LedgerAccount.PLANS, LedgerAccount.AVAILABLE),
    TransferKind.PROMOTION: (LedgerAccount.PROMOTIONS, LedgerAccount.AVAILABLE),
    TransferKind.GRANT: (LedgerAccount.GRANTS, LedgerAccount.AVAILABLE),
    TransferKind.ADJUSTMENT: (LedgerAccount.ADJUSTMENTS, LedgerAccount.AVAILABLE),
    TransferKind.RESERVE: (LedgerAccount.AVAILABLE, LedgerAccount.RESERVED),
    TransferKind.CAPTURE: (LedgerAccount.RESERVED, LedgerAccount.REVENUE),
    TransferKind.RELEASE: (LedgerAccount.RESERVED, LedgerAccount.AVAILABLE),
    TransferKind.EXPIRE: (LedgerAccount.RESERVED, LedgerAccount.AVAILABLE),
    TransferKind.LAPSE: (LedgerAccount.AVAILABLE, LedgerAccount.LAPSED),
}
MAY_LEAVE_A_DEBT = (TransferKind.REFUND, TransferKind.CHARGEBACK)
"""The money is gone already, whatever became of the credits."""


class SourceType(StrEnum):
    """What a movement of credits comes from."""

    JOB = "job"
    BATCH = "batch"
    """Of several jobs that are held as one; each of them ends by itself."""
    ACCOUNT = "account"
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    INVOICE = "invoice"
    PROMOTION = "promotion"
    OPERATOR = "operator"
    LOT = "lot"
    """Credits with an end, by the transfer that brought them."""


@dataclass(frozen=True)
class Source:
    """What a movement comes from: one source moves credits once of each kind, however often it is told.

    `id` has at most 100 characters and is unique within its type: of a job, of a payment, of one refund of it.
    """

    type: SourceType
    id: str


class InsufficientCreditsError(Exception):
    """A transfer would leave less than nothing on one of the user's accounts."""


@dataclass(frozen=True)
class Entry:
    """One line of a transfer: `credits` flow into `account` (out of it where negative)."""

    account: LedgerAccount
    credits: int


@dataclass(frozen=True)
class Transfer:
    """A movement of credits. Raises ValueError for entries that do not balance."""

    kind: TransferKind
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if sum(entry.credits for entry in self.entries) != 0:
            raise ValueError(f"the entries of a transfer sum to zero: {self}")
        if len({entry.account for entry in self.entries}) != len(self.entries) or len(self.entries) < 2:
            raise ValueError(f"a transfer touches each of two or more accounts once: {self}")
        if any(entry.credits == 0 for entry in self.entries):
            raise ValueError(f"an entry of nothing is no entry: {self}")

    def change_of(self, account: LedgerAccount) -> int:
        """What flows into an account; below 0 where it flows out of it."""
        return sum(entry.credits for entry in self.entries if entry.account == account)

    @property
    def gained(self) -> int:
        """Credits that the user has more afterwards, held ones and paid debt included; negative where it is less."""
        return sum(entry.credits for entry in self.entries if entry.account in USER_ACCOUNTS)


@dataclass(frozen=True)
class Balance:
    """What a user has. `version` grows with every change, so that a reader can tell newer from older news."""

    available: int = 0
    reserved: int = 0
    debt: int = 0
    version: int = 0

    def after(self, transfer: Transfer) -> "Balance":
        """The balance once the transfer is done. Raises InsufficientCreditsError rather than go below zero."""
        change = {entry.account: entry.credits for entry in transfer.entries}
        available = self.available + change.get(LedgerAccount.AVAILABLE, 0)
        reserved = self.reserved + change.get(LedgerAccount.RESERVED, 0)
        debt = self.debt - change.get(LedgerAccount.DEBT, 0)
        if available < 0 or reserved < 0 or debt < 0:
            raise InsufficientCreditsError
        if max(available, reserved, debt) > MAX_CREDITS:
            raise ValueError("a balance stays below MAX_CREDITS")
        return Balance(available, reserved, debt, self.version + 1)


def move(kind: TransferKind, amount: int, before: Balance) -> Transfer:
    """The transfer of `amount` credits (1 to MAX_CREDITS; of an adjustment also below 0) along the route of its kind.

    What would become available pays off the debt in `before` first; of a refund or a chargeback, what is not available
    becomes debt.
    """
    source, target = _ROUTES[kind]
    if kind is TransferKind.ADJUSTMENT and amount < 0:
        source, target, amount = target, source, -amount
    if not 0 < amount <= MAX_CREDITS:
        raise ValueError(f"cannot move {amount} credits")
    paid_off = min(before.debt, amount) if target is LedgerAccount.AVAILABLE else 0
    owed = max(0, amount - before.available) if kind in MAY_LEAVE_A_DEBT else 0
    flows = ((source, owed - amount), (target, amount - paid_off), (LedgerAccount.DEBT, paid_off - owed))
    return Transfer(kind, tuple(Entry(account, flow) for account, flow in flows if flow))
