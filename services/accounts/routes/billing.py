"""What an account has and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.accounts.repository import ledger
from services.accounts.routes.dependencies import AccountsDep, BillingReader
from services.accounts.schemas import BalanceView, LedgerEntryView
from services.kit.errors import Unauthorized
from services.kit.schemas import Limit, Page

router = APIRouter(prefix="/v1/billing", tags=["money"])

LedgerCursor = Annotated[str | None, Query(pattern="^[1-9][0-9]{0,14}$")]
"""The number of the last movement on the page before."""


@router.get("/balance")
def get_balance(accounts: AccountsDep, reader: BillingReader) -> BalanceView:
    with accounts.database.read() as session:
        balance = ledger.balance(session, reader.account_id)
        if balance is None:
            raise Unauthorized("this account does not exist any more")
        return BalanceView(available_credits=balance.available, reserved_credits=balance.reserved)


@router.get("/ledger")
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
