"""For operators: records that no consumer could handle, to be seen, replayed once, or discarded."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Table, select

from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.errors import answers
from services.kit.events.dead_letter_box import LETTER, DeadLetter, DeadLetterBox, NotReplayable
from services.kit.inserting import insert_unless_present
from services.kit.paging import Limit
from services.kit.schemas import Page
from services.kit.validation import form
from services.orchestrator.administration import audit
from services.orchestrator.administration.audit import Action
from services.orchestrator.administration.errors import DeadLetterDecided, DeadLetterNotFound, DeadLetterNotReplayable
from services.orchestrator.administration.models import DeadLetterDecision
from services.orchestrator.administration.routes import Operator, Reason

_DECISIONS = cast(Table, DeadLetterDecision.__table__)
_LETTER = form(LETTER, "must be the name of a dead letter")


class Decision(StrEnum):
    OPEN = "open"
    """Nobody has dealt with it."""
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class DeadLetterView(BaseModel):
    """A record that a consumer could not handle."""

    id: str
    status: Decision
    topic: str
    consumer: str
    reason: str = Field(description="Why it could not be handled.")
    died_at: datetime
    event_type: str
    event_id: str
    account_id: str | None
    key: str
    size_bytes: int
    from_partition: int
    from_offset: int
    decided_at: datetime | None
    decided_because: str | None


class DeadLetterContent(DeadLetterView):
    content: dict[str, Any] | None = Field(
        description="What the record says, with null for what is its owner's business; null where it cannot be read."
    )


class DeadLetters:
    """`operator_id` is who does it. The event log is asked outside of any transaction."""

    def __init__(self, database: Database, box: DeadLetterBox) -> None:
        self._database = database
        self._box = box

    def newest(
        self, status: Decision | None, *, after: str | None, limit: int
    ) -> tuple[list[DeadLetterView], str | None]:
        """A page of the newest letters, and where the next one begins. Raises Unavailable."""
        with self._database.read() as session:
            decided = {row.letter: row for row in session.scalars(select(DeadLetterDecision))}
        # What was dealt with hides nothing that is open: else the fifty-first of a partition would never be seen.
        letters = self._box.newest(decided if status is Decision.OPEN else ())
        # Whoever turns pages may deal with their letters meanwhile: the place of the last is known all the same.
        begin = next((place + 1 for place, letter in enumerate(letters) if letter.name == after), 0)
        views = [DeadLetterView.model_validate(_told(letter, decided.get(letter.name))) for letter in letters[begin:]]
        wanted = [view for view in views if status in (None, view.status)]
        shown = wanted[:limit]
        return shown, shown[-1].id if len(wanted) > limit else None

    def get(self, name: str) -> DeadLetterContent:
        """One, with what it says. Raises DeadLetterNotFound, Unavailable."""
        letter = self._found(name)
        with self._database.read() as session:
            decision = session.get(DeadLetterDecision, name)
        return DeadLetterContent.model_validate({**_told(letter, decision), "content": letter.content()})

    def replay(self, operator_id: str, name: str, reason: str) -> DeadLetterContent:
        """Puts the record on its topic once more, where all of its consumers meet it again.

        Raises DeadLetterNotFound, DeadLetterDecided, DeadLetterNotReplayable, Unavailable.
        """
        letter = self._found(name)
        try:
            record = letter.record()
        except NotReplayable as error:
            raise DeadLetterNotReplayable(str(error)) from None
        with self._database.write() as session:
            self._decide(session, operator_id, letter, Decision.REPLAYED, reason)
            outbox.add_record(session, record)
        return self.get(name)

    def discard(self, operator_id: str, name: str, reason: str) -> DeadLetterContent:
        """Has it asked for no more; the event log lets go of it in its own time.

        Raises DeadLetterNotFound, DeadLetterDecided, Unavailable.
        """
        letter = self._found(name)
        with self._database.write() as session:
            self._decide(session, operator_id, letter, Decision.DISCARDED, reason)
        return self.get(name)

    def _found(self, name: str) -> DeadLetter:
        letter = self._box.find(name)
        if letter is None:
            raise DeadLetterNotFound
        return letter

    @staticmethod
    def _decide(session: WriteSession, operator_id: str, letter: DeadLetter, decision: Decision, reason: str) -> None:
        row = {"letter": letter.name, "decision": decision, "reason": reason, "decided_at": session.now()}
        if not insert_unless_present(session, _DECISIONS, row):
            raise DeadLetterDecided
        action = Action.DEAD_LETTER_REPLAYED if decision is Decision.REPLAYED else Action.DEAD_LETTER_DISCARDED
        audit.note(session, operator_id, action, target_id=letter.name, reason=reason)


def _told(letter: DeadLetter, decision: DeadLetterDecision | None) -> dict[str, Any]:
    return {
        "id": letter.name,
        "status": decision.decision if decision else Decision.OPEN,
        "topic": letter.topic.name,
        "consumer": letter.consumer,
        "reason": letter.reason,
        "died_at": letter.died_at,
        "event_type": letter.type,
        "event_id": letter.event_id,
        "account_id": letter.account_id,
        "key": letter.key,
        "size_bytes": letter.size_bytes,
        "from_partition": letter.from_partition,
        "from_offset": letter.from_offset,
        "decided_at": decision.decided_at if decision else None,
        "decided_because": decision.reason if decision else None,
    }


async def _dead_letters(request: Request) -> DeadLetters:
    dead_letters: DeadLetters = request.app.state.dead_letters
    return dead_letters


DeadLettersDep = Annotated[DeadLetters, Depends(_dead_letters)]
LetterName = Annotated[str, Path(pattern=_LETTER)]

router = APIRouter(prefix="/v1/admin/dead-letters", tags=["operators"])


@router.get("", summary="List dead letters")
def list_dead_letters(
    _operator: Operator,
    dead_letters: DeadLettersDep,
    status: Annotated[Decision | None, Query(description="Absent: all.")] = None,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(pattern=_LETTER, description="The `next_cursor` of the page before.")] = None,
) -> Page[DeadLetterView]:
    """Records that no consumer could handle, the newest first; of each partition of the event log the last fifty, which
    with `status=open` are the last fifty that are open."""
    items, following = dead_letters.newest(status, after=cursor, limit=limit)
    return Page(items=items, next_cursor=following)


@router.get("/{letter}", summary="Read a dead letter", responses=answers(DeadLetterNotFound))
def get_dead_letter(letter: LetterName, _operator: Operator, dead_letters: DeadLettersDep) -> DeadLetterContent:
    """A dead letter and what it says."""
    return dead_letters.get(letter)


@router.post(
    "/{letter}/replay",
    summary="Replay a dead letter",
    responses=answers(DeadLetterNotFound, DeadLetterDecided, DeadLetterNotReplayable),
)
def replay_dead_letter(
    letter: LetterName, body: Reason, operator: Operator, dead_letters: DeadLettersDep
) -> DeadLetterContent:
    """Puts the record on its topic once more, and no second time: every consumer of the topic meets it again, and does
    nothing twice. One that still cannot be handled comes back as another dead letter."""
    return dead_letters.replay(operator.account_id, letter, body.reason)


@router.post(
    "/{letter}/discard", summary="Discard a dead letter", responses=answers(DeadLetterNotFound, DeadLetterDecided)
)
def discard_dead_letter(
    letter: LetterName, body: Reason, operator: Operator, dead_letters: DeadLettersDep
) -> DeadLetterContent:
    """Nothing is to be done about it."""
    return dead_letters.discard(operator.account_id, letter, body.reason)
