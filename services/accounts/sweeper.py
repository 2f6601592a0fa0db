"""What happens because time passes: holds expire, and what is of no use any more is deleted."""

import logging
from datetime import date, datetime, timedelta

from prometheus_client import Counter

from services.accounts.accounts import Accounts
from services.accounts.api_keys import repository as api_keys
from services.accounts.guesses import throttle
from services.accounts.ledger import hold_repository as reservations
from services.accounts.ledger.check import FAULTS, check_and_tell
from services.accounts.ledger.credits import lapse_due_credits
from services.accounts.ledger.service import expire_due_holds
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.totals import ProviderTotals
from services.accounts.security_events import repository as security_events
from services.accounts.users import repository as users
from services.accounts.users.mail_tokens import Purpose
from services.kit.database import Database
from services.kit.events.topics import DEAD_LETTER_RETENTION
from services.kit.housekeeping import KEEP_IDEMPOTENCY

log = logging.getLogger(__name__)

PUT_OFF = Counter(
    "stemwright_accounts_comparisons_put_off_total",
    "Comparisons of the books with the payment provider that were put off because it did not answer.",
)

COMPARED_DAYS = 3
COMPARE_AGAIN = timedelta(hours=1)
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
    """Checks the books once a day (UTC), and once after the start, and compares the last days with the provider; where
    that does not answer, again after a pause."""

    def __init__(self, database: Database, totals: ProviderTotals) -> None:
        self._database = database
        self._totals = totals
        self._checked_on: date | None = None
        self._compared_on: date | None = None
        self._compare_at: datetime | None = None

    def __call__(self) -> None:
        with self._database.read() as session:
            now = session.now()
        if now.date() != self._checked_on:
            check_and_tell(self._database)
            self._checked_on = now.date()
        if now.date() != self._compared_on and (self._compare_at is None or now >= self._compare_at):
            try:
                self._compare()
            except ProviderUnavailable as error:
                # Its outage and not a defect of ours: the books are checked, and the days to compare do not run away.
                PUT_OFF.inc()
                self._compare_at = now + COMPARE_AGAIN
                log.warning("the comparison with the provider is put off: %s", error.detail or error.title)
            else:
                self._compared_on, self._compare_at = now.date(), None

    def _compare(self) -> None:
        """Raises ProviderUnavailable."""
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
