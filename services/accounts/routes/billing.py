"""What an account has and what became of it."""

from fastapi import APIRouter

from services.accounts.ledger import MAX_CREDITS
from services.accounts.repository import ledger
from services.accounts.routes.dependencies import AccountsDep, BillingReader
from services.accounts.schemas import BalanceView, LedgerEntryView
from services.kit.errors import Invalid, Unauthorized
from services.kit.schemas import Cursor, Limit, Page, decode_cursor, encode_cursor

router = APIRouter(prefix="/v1/billing", tags=["money"])


@router.get("/balance")
def get_balance(accounts: AccountsDep, reader: BillingReader) -> BalanceView:
    with accounts.database.read() as session:
        balance = ledger.balance(session, reader.account_id)
        if balance is None:
            raise Unauthorized("this account does not exist any more")
        return BalanceView(available_credits=balance.available, reserved_credits=balance.reserved)


@router.get("/ledger")
def list_ledger(
    accounts: AccountsDep, reader: BillingReader, limit: Limit = 50, cursor: Cursor = None
) -> Page[LedgerEntryView]:
    """Every movement of the account's credits, newest first."""
    before = _version(decode_cursor(cursor))
    with accounts.database.read() as session:
        found = ledger.statement(session, reader.account_id, before=before, limit=limit + 1)
        lines = found[:limit]
        return Page(
            items=[LedgerEntryView.of(line) for line in lines],
            next_cursor=encode_cursor(str(lines[-1].version)) if len(found) > limit else None,
        )


def _version(position: str | None) -> int | None:
    if position is None:
        return None
    if not (position.isdecimal() and len(position) <= len(str(MAX_CREDITS))):
        raise Invalid("the cursor is not one of ours")
    return int(position)
