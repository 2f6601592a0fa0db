"""Rules of the ledger."""

import pytest

from services.accounts.ledger.transfers import (
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
    transfer = move(kind, 7, Balance(available=7, reserved=7))

    assert sum(entry.credits for entry in transfer.entries) == 0
    assert sorted(entry.credits for entry in transfer.entries) == [-7, 7]


@pytest.mark.parametrize("amount", [0, -1, MAX_CREDITS + 1])
def test_nothing_negative_or_absurd_is_moved(amount: int) -> None:
    with pytest.raises(ValueError, match="cannot move"):
        move(TransferKind.GRANT, amount, Balance())


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


def _after(balance: Balance, *moves: tuple[TransferKind, int]) -> Balance:
    for kind, amount in moves:
        balance = balance.after(move(kind, amount, balance))
    return balance


def test_a_balance_follows_the_credits() -> None:
    balance = _after(Balance(), (TransferKind.GRANT, 10), (TransferKind.RESERVE, 4))
    assert balance == Balance(available=6, reserved=4, version=2)
    assert _after(balance, (TransferKind.CAPTURE, 4)) == Balance(6, 0, version=3)
    assert _after(balance, (TransferKind.RELEASE, 4)) == Balance(10, 0, version=3)
    assert _after(balance, (TransferKind.EXPIRE, 4)) == Balance(10, 0, version=3)


@pytest.mark.parametrize("kind", [TransferKind.RESERVE, TransferKind.CAPTURE, TransferKind.RELEASE])
def test_no_balance_goes_below_nothing(kind: TransferKind) -> None:
    with pytest.raises(InsufficientCreditsError):
        _after(Balance(available=3, reserved=3), (kind, 4))


def test_an_adjustment_goes_either_way_and_takes_no_more_than_there_is() -> None:
    assert _after(Balance(available=3), (TransferKind.ADJUSTMENT, 4)) == Balance(available=7, version=1)
    assert _after(Balance(available=3), (TransferKind.ADJUSTMENT, -3)) == Balance(version=1)
    with pytest.raises(InsufficientCreditsError):
        _after(Balance(available=3), (TransferKind.ADJUSTMENT, -4))


@pytest.mark.parametrize("kind", [TransferKind.REFUND, TransferKind.CHARGEBACK])
def test_what_is_taken_back_and_spent_already_is_owed(kind: TransferKind) -> None:
    assert _after(Balance(available=10), (kind, 10)) == Balance(version=1)
    assert _after(Balance(available=3, reserved=5), (kind, 10)) == Balance(reserved=5, debt=7, version=1)
    assert _after(Balance(debt=2), (kind, 10)) == Balance(debt=12, version=1)


@pytest.mark.parametrize(
    "kind",
    [
        TransferKind.PURCHASE,
        TransferKind.CHARGEBACK_REVERSAL,
        TransferKind.REFUND_REVERSAL,
        TransferKind.PLAN_GRANT,
        TransferKind.PROMOTION,
        TransferKind.GRANT,
        TransferKind.ADJUSTMENT,
        TransferKind.RELEASE,
        TransferKind.EXPIRE,
    ],
)
def test_whatever_comes_in_pays_the_debt_first(kind: TransferKind) -> None:
    before = Balance(reserved=9, debt=6)
    reserved = 9 if kind not in (TransferKind.RELEASE, TransferKind.EXPIRE) else 0

    assert _after(before, (kind, 9)) == Balance(available=3, reserved=reserved, version=1)
    assert _after(Balance(reserved=9, debt=11), (kind, 9)) == Balance(reserved=reserved, debt=2, version=1)
    assert _after(Balance(reserved=9, debt=9), (kind, 9)) == Balance(reserved=reserved, version=1)
