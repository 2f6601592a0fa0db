"""Rules of the ledger."""

import pytest

from services.accounts.ledger import (
    MAX_CREDITS,
    Balance,
    Entry,
    InsufficientCreditsError,
    LedgerAccount,
    Transfer,
    TransferKind,
    move,
)


@pytest.mark.parametrize("kind", TransferKind)
def test_what_one_account_gains_another_gives(kind: TransferKind) -> None:
    transfer = move(kind, 7)

    assert sum(entry.credits for entry in transfer.entries) == 0
    assert sorted(entry.credits for entry in transfer.entries) == [-7, 7]


@pytest.mark.parametrize("amount", [0, -1, MAX_CREDITS + 1])
def test_nothing_negative_or_absurd_is_moved(amount: int) -> None:
    with pytest.raises(ValueError, match="cannot move"):
        move(TransferKind.GRANT, amount)


@pytest.mark.parametrize(
    "entries",
    [
        (Entry(LedgerAccount.GRANTS, -5), Entry(LedgerAccount.AVAILABLE, 6)),
        (Entry(LedgerAccount.AVAILABLE, -5), Entry(LedgerAccount.AVAILABLE, 5)),
        (Entry(LedgerAccount.AVAILABLE, 0), Entry(LedgerAccount.RESERVED, 0)),
        (),
    ],
)
def test_a_transfer_that_does_not_balance_cannot_be_made(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(ValueError, match=r"transfer|entry"):
        Transfer(TransferKind.GRANT, entries)


def test_a_balance_follows_the_credits() -> None:
    balance = Balance().after(move(TransferKind.GRANT, 10)).after(move(TransferKind.RESERVE, 4))
    assert balance == Balance(available=6, reserved=4, version=2)
    assert balance.after(move(TransferKind.CAPTURE, 4)) == Balance(6, 0, 3)
    assert balance.after(move(TransferKind.RELEASE, 4)) == Balance(10, 0, 3)
    assert balance.after(move(TransferKind.EXPIRE, 4)) == Balance(10, 0, 3)


@pytest.mark.parametrize("kind", [TransferKind.RESERVE, TransferKind.CAPTURE, TransferKind.RELEASE])
def test_no_balance_goes_below_nothing(kind: TransferKind) -> None:
    with pytest.raises(InsufficientCreditsError):
        Balance(available=3, reserved=3).after(move(kind, 4))
