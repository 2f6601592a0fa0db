"""Rules of the double-entry ledger. Pure: no database, no clock.

Credits never appear or vanish, they move. A movement is a `Transfer`, whose entries sum to zero by construction; so the
sum of all entries ever written is zero too. A user's credits are either available or reserved; what the system gave
away and what it earned are accounts as well (the first is negative: credits were issued from there).

    grant      system:grants  -> user:available
    reserve    user:available -> user:reserved
    capture    user:reserved  -> system:revenue
    release    user:reserved  -> user:available     the job failed or was cancelled
    expire     user:reserved  -> user:available     the hold outlived its limit
"""

from dataclasses import dataclass
from enum import StrEnum

MAX_CREDITS = 2**53 - 1
"""Largest amount that every JSON reader can represent (RFC 8259 section 6)."""


class LedgerAccount(StrEnum):
    AVAILABLE = "user:available"
    RESERVED = "user:reserved"
    GRANTS = "system:grants"
    REVENUE = "system:revenue"


USER_ACCOUNTS = (LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)


class TransferKind(StrEnum):
    GRANT = "grant"
    RESERVE = "reserve"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"


_ROUTES: dict[TransferKind, tuple[LedgerAccount, LedgerAccount]] = {
    TransferKind.GRANT: (LedgerAccount.GRANTS, LedgerAccount.AVAILABLE),
    TransferKind.RESERVE: (LedgerAccount.AVAILABLE, LedgerAccount.RESERVED),
    TransferKind.CAPTURE: (LedgerAccount.RESERVED, LedgerAccount.REVENUE),
    TransferKind.RELEASE: (LedgerAccount.RESERVED, LedgerAccount.AVAILABLE),
    TransferKind.EXPIRE: (LedgerAccount.RESERVED, LedgerAccount.AVAILABLE),
}


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


def move(kind: TransferKind, credits: int) -> Transfer:  # noqa: A002 - the field's own word
    """The transfer of `credits` (1 to MAX_CREDITS) along the route of its kind."""
    if not 0 < credits <= MAX_CREDITS:
        raise ValueError(f"cannot move {credits} credits")
    source, target = _ROUTES[kind]
    return Transfer(kind, (Entry(source, -credits), Entry(target, credits)))


@dataclass(frozen=True)
class Balance:
    """What a user has. `version` grows with every change, so that a reader can tell newer from older news."""

    available: int = 0
    reserved: int = 0
    version: int = 0

    def after(self, transfer: Transfer) -> "Balance":
        """The balance once the transfer is done. Raises InsufficientCreditsError rather than go below zero."""
        change = {entry.account: entry.credits for entry in transfer.entries}
        available = self.available + change.get(LedgerAccount.AVAILABLE, 0)
        reserved = self.reserved + change.get(LedgerAccount.RESERVED, 0)
        if available < 0 or reserved < 0:
            raise InsufficientCreditsError
        if available > MAX_CREDITS or reserved > MAX_CREDITS:
            raise ValueError("a balance stays below MAX_CREDITS")
        return Balance(available, reserved, self.version + 1)
