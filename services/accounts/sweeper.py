"""What happens because time passes: holds expire, and what is of no use any more is deleted."""

import logging
from datetime import date, timedelta

from services.accounts.accounts import Accounts
from services.accounts.api_keys import repository as api_keys
from services.accounts.guesses import throttle
from services.accounts.ledger import hold_repository as reservations
from services.accounts.ledger.check import FAULTS, check_and_tell
from services.accounts.ledger.credits import lapse_due_credits
from services.accounts.ledger.service import expire_due_holds
from services.accounts.payments.totals import ProviderTotals
from services.accounts.security_events import repository as security_events
from services.accounts.users import repository as users
from services.accounts.users.mail_tokens import Purpose
from services.kit.database import Database
from services.kit.events.topics import DEAD_LETTER_RETENTION
from services.kit.housekeeping import KEEP_IDEMPOTENCY

log = logging.getLogger(__name__)

COMPARED_DAYS = 3
KEEP_PREVIEW_USES = timedelta(days=7)
KEEP_REFUSED = DEAD_LETTER_RETENTION
"""Of jobs and batches that get no hold. A question or the end of a job comes again from its topic within days, from the
dead letters within this time; the orchestrator itself asks until it has an answer, and one that it gets after that is
as good as the first."""


def sweep_holds(accounts: Accounts) -> None:
    """Gives back every hold that has outlived its limit."""
    expire_due_holds(accounts.database, accounts.billing)


def sweep_credits(accounts: Accounts) -> None:
    """Takes all credits that have come to their end."""
    lapse_due_credits(accounts.database, accounts.credits)


class NightlyCheck:
    """Checks the books once a day (UTC), and once after the start, and compares the last days with the provider."""

    def __init__(self, database: Database, totals: ProviderTotals) -> None:
        self._database = database
        self._totals = totals
        self._checked_on: date | None = None

    def __call__(self) -> None:
        with self._database.read() as session:
            today = session.now().date()
        if today != self._checked_on:
            check_and_tell(self._database)
            self._compare()
            self._checked_on = today

    def _compare(self) -> None:
        """Where the provider does not answer, the round fails and is tried again, the check of the books with it."""
        wrong = [day for day in self._totals.of_last(COMPARED_DAYS) if not day.agree]
        FAULTS.labels("provider_totals").set(len(wrong))
        for day in wrong:
            log.error("the provider's totals of %s are not ours: %s; ours: %s", day.day, day.provider, day.books)


def tidy(accounts: Accounts) -> None:
    """Deletes sessions and API keys that ended, registrations that nobody proved, secrets that need not be told again,
    counts and tries of past days, old security events, addresses that were erased long ago, notes of orders that were
    refused; seals anew what a key sealed that is to go."""
    with accounts.database.write() as session:
        now = session.now()
        accounts.sessions.tidy(session)
        accounts.email_changes.tidy(session)
        users.delete_old_registrations(session, now - Purpose.VERIFY.lifetime)
        users.delete_old_tokens(session, now)
        api_keys.forget_sealed(session, now - KEEP_IDEMPOTENCY)
        accounts.welcomed.forget(session)
        reservations.delete_preview_uses(session, (now - KEEP_PREVIEW_USES).date())
        throttle.tidy(session)
        security_events.delete_old(session, now - accounts.security_events_kept)
    accounts.api_keys.delete_ended()
    accounts.second_factors.reseal()
    accounts.webhooks.forget()
    _forget_refused(accounts.database)


def _forget_refused(database: Database) -> None:
    """Some at a time: an account that cannot pay may order as often as its rate allows."""
    forgotten = True
    while forgotten:
        with database.write() as session:
            forgotten = bool(reservations.forget_refused(session, session.now() - KEEP_REFUSED))
