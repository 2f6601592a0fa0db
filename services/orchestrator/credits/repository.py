"""All SQL of credits."""

from sqlalchemy import delete

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.credits.models import KnownBalance, PreviewCredit


def balance(session: ReadSession, account_id: str) -> KnownBalance | None:
    """The last known balance."""
    return session.get(KnownBalance, account_id)


def forget_account(session: WriteSession, account_id: str) -> None:
    """Deletes what accounts told of the account's credits, and what its previews were worth."""
    session.execute(delete(PreviewCredit).where(PreviewCredit.account_id == account_id))
    session.execute(delete(KnownBalance).where(KnownBalance.account_id == account_id))
