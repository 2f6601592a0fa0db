"""Events into transactions: what every consumer of a service with a database does alike."""

from collections.abc import Callable

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from services.kit.database import DATABASE_AWAY, Database, WriteSession, is_collision
from services.kit.events.codec import Event
from services.kit.events.outcomes import InvalidMessage, RetryLater

AWAY_SECONDS = 1.0
COLLISION_SECONDS = 0.1


def in_transaction(database: Database, handle: Callable[[WriteSession, Event], None]) -> Callable[[Event], None]:
    """The handler that runs `handle` in one transaction.

    It raises RetryLater where the database does not answer or a replica wrote the same row at the same time, and
    InvalidMessage where the event holds what the database cannot store.
    """

    def handler(event: Event) -> None:
        try:
            with database.write() as session:
                handle(session, event)
        except DATABASE_AWAY as error:
            raise RetryLater(AWAY_SECONDS, "the database does not answer") from error
        except (IntegrityError, StaleDataError) as error:
            if isinstance(error, IntegrityError) and not is_collision(error):
                raise
            raise RetryLater(COLLISION_SECONDS, "another process wrote the same row") from error
        except (DataError, OverflowError) as error:
            raise InvalidMessage("it holds a value that cannot be stored") from error

    return handler
