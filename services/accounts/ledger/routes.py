"""What an account has and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.accounts.dependencies import AccountsDep, BillingReader
from services.accounts.ledger import lots
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.schemas import BalanceView, ExpiringCredits, LedgerEntryView
from services.kit.errors import Unauthorized
from services.kit.paging import Limit
from services.kit.schemas import Page
from services.kit.validation import form

router = APIRouter(prefix="/v1/billing", tags=["money"])

LedgerCursor = Annotated[
    str | None,
    Query(
        pattern=form("^[1-9][0-9]{0,14}$", "must be the next_cursor of the page before"),
        description="The `next_cursor` of the page before; absent for the first page.",
    ),
]
"""The number of the last movement on the page before."""


@router.get("/balance", summary="Get the balance")
def get_balance(accounts: AccountsDep, reader: BillingReader) -> BalanceView:
    """What can be spent, and what is held for jobs under way. One credit is one second of a song separated in full."""
    with accounts.database.read() as session:
        balance = ledger.balance(session, reader.account_id)
        if balance is None:
            raise Unauthorized("this account does not exist any more")
        return BalanceView(
            available_credits=balance.available,
            reserved_credits=balance.reserved,
            debt_credits=balance.debt,
            expiring=[
                ExpiringCredits(credits=available, expires_at=expires_at)
                for available, expires_at in lots.expiring(session, reader.account_id)
            ],
        )


@router.get("/ledger", summary="List movements of credits")
def list_ledger(
    accounts: AccountsDep, reader: BillingReader, limit: Limit = 50, cursor: LedgerCursor = None
) -> Page[LedgerEntryView]:
    """Every movement of the account's credits, newest first."""
    before = None if cursor is None else int(cursor)
    with accounts.database.read() as session:
        found = ledger.statement(session, reader.account_id, before=before, limit=limit + 1)
        lines = found[:limit]
        return Page(
            items=[LedgerEntryView.of(line) for line in lines],
            next_cursor=str(lines[-1].version) if len(found) > limit else None,
        )
