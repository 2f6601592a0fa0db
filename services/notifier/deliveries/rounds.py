"""What is said to the database between tries: what came of some, and which are next."""

import logging
from collections.abc import Sequence

from services.kit.database import DATABASE_AWAY, Database
from services.notifier.deliveries.outcomes import Outcomes, Tried
from services.notifier.deliveries.queue import DeliveryQueue, Parcel, Room

log = logging.getLogger(__name__)


class Rounds:
    """Each is one transaction, however many tries have ended since the one before."""

    def __init__(self, database: Database, queue: DeliveryQueue, outcomes: Outcomes) -> None:
        self._database = database
        self.queue = queue
        self._outcomes = outcomes

    def turn(self, tries: Sequence[Tried], room: Room) -> list[Parcel]:
        """Notes what came of tries, then takes what is due.

        Raises as a database does that is away; the same tries may then be brought again. A try that cannot be noted
        is told of and left out: its delivery is due again when its lease ends.
        """
        if not tries and not self.queue.is_due():
            return []
        try:
            with self._database.write() as session:
                self._outcomes.note(session, tries)
                return self.queue.take(session, room)
        except DATABASE_AWAY:
            raise
        except Exception:
            if not tries:
                raise
            log.exception("what became of %d tries is noted one by one", len(tries))
        for tried in tries:
            self._note_alone(tried)
        return []

    def end(self, tries: Sequence[Tried], untried: Sequence[Parcel]) -> None:
        """Notes what came of tries, and gives back what was taken and not tried to the end."""
        with self._database.write() as session:
            self._outcomes.note(session, tries)
            self.queue.give_back(session, untried)

    def _note_alone(self, tried: Tried) -> None:
        try:
            with self._database.write() as session:
                self._outcomes.note(session, [tried])
        except DATABASE_AWAY:
            raise
        except Exception:
            log.exception("what became of a try of %s could not be noted", tried.parcel.delivery_id)
