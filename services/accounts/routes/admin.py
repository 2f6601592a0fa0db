"""For those who run the platform."""

from fastapi import APIRouter

from services.accounts.repository import ledger
from services.accounts.routes.dependencies import AccountsDep, Operator
from services.accounts.schemas import LedgerCheckView

router = APIRouter(prefix="/v1/admin", tags=["operators"])


@router.get("/ledger-check")
def check_ledger(accounts: AccountsDep, _operator: Operator) -> LedgerCheckView:
    """Adds the books up: all entries sum to zero, and every balance is the sum of its entries."""
    with accounts.database.read() as session:
        return LedgerCheckView.of(ledger.check(session))
