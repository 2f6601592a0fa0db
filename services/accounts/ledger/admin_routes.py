"""For those who run the platform."""

from fastapi import APIRouter

from services.accounts.dependencies import AccountsDep, Operator
from services.accounts.ledger.check import check_books
from services.accounts.ledger.schemas import LedgerCheckView

router = APIRouter(prefix="/v1/admin", tags=["operators"])


@router.get("/ledger-check", summary="Check the books")
def check_ledger(accounts: AccountsDep, _operator: Operator) -> LedgerCheckView:
    """Adds the books up: all entries sum to zero, every balance is the sum of its entries, each job was held and paid
    as its hold says, every payment brought its credits, and credits with an end are where they should be. It also runs
    by itself every night."""
    with accounts.database.read() as session:
        return LedgerCheckView.of(check_books(session))
