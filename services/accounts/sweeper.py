"""What happens because time passes: holds expire, and what is of no use any more is deleted."""

import logging
from datetime import timedelta

from services.accounts.repository import api_keys, reservations, sessions
from services.accounts.service.accounts import Accounts
from services.accounts.service.billing import expire_due_holds
from services.kit.housekeeping import KEEP_IDEMPOTENCY

log = logging.getLogger(__name__)

KEEP_PREVIEW_USES = timedelta(days=7)


def sweep_holds(accounts: Accounts) -> None:
    """Gives back every hold that has outlived its limit."""
    while expire_due_holds(accounts.database, accounts.billing):
        pass


def tidy(accounts: Accounts) -> None:
    """Deletes sessions that ended, secrets that need not be told again, and counts of past days."""
    with accounts.database.write() as session:
        now = session.now()
        sessions.delete_expired(session, now)
        api_keys.forget_sealed(session, now - KEEP_IDEMPOTENCY)
        reservations.delete_preview_uses(session, (now - KEEP_PREVIEW_USES).date())
