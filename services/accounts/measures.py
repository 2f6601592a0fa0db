"""What accounts tells when its metrics are read."""

from prometheus_client import Gauge

from services.accounts.erasure import repository as erasures
from services.accounts.mail import repository as mails
from services.kit.database import Database
from services.kit.measures import Measure, measures_of

UNFINISHED = Gauge("stemwright_accounts_erasures_unfinished", "Erasures that not every service has answered yet.")
OLDEST_MAIL = Gauge("stemwright_accounts_oldest_mail_seconds", "Age of the mail that waits for longest.")


def account_measures(database: Database) -> list[Measure]:
    """Those of every database, and what waits in this one."""

    def waiting() -> None:
        with database.read() as session:
            oldest = mails.oldest(session)
            OLDEST_MAIL.set(0 if oldest is None else max(0.0, (session.now() - oldest).total_seconds()))
            UNFINISHED.set(erasures.unfinished(session))

    return [*measures_of(database), Measure([UNFINISHED, OLDEST_MAIL], waiting)]
