"""Events into transactions: what every consumer of a service with a database does alike."""

from collections.abc import Callable

from sqlalchemy.exc import DataError

from services.kit.database import DATABASE_AWAY, Database, DatabaseContended, WriteSession
from services.kit.events.codec import Event
from services.kit.events.errors import InvalidMessage, RetryLater

AWAY_SECONDS = 1.0


def in_transaction(database: Database, handle: Callable[[WriteSession, Event], None]) -> Callable[[Event], None]:
    """The handler that runs `handle` in one transaction.

    It raises RetryLater, for as long as it takes, where the database does not answer, and InvalidMessage where the
    event holds what the database cannot store. What another transaction was in the way of (a row written at the same
    time, a deadlock, a lock) is raised as it is: the consumer tries it some times, and not for ever.
    """

    def handler(event: Event) -> None:
        try:
            with database.write() as session:
                handle(session, event)
        except DatabaseContended:
            raise
        except DATABASE_AWAY as error:
            raise RetryLater(AWAY_SECONDS, "the database does not answer") from error
        except (DataError, OverflowError) as error:
            raise InvalidMessage("it holds a value that cannot be stored") from error

    return handler
