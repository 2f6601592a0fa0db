"""The life of a hold on credits, one per job. Pure: no database, no clock.

                 asked, granted           capture
        (none) ------------------> held ---------> captured
          |                         |  \\__ release -> released
          | asked, not granted      |
          |-----------> refused      \\____ expire --> expired
          |
          | the job ended before the hold was asked for
          \\-----------> released

Every state but `held` is final. Events come twice and in any order, so an event that a final state does not expect
changes nothing: the state stays, and whoever asked is told what it is.
"""

from enum import StrEnum

from services.accounts.ledger.transfers import TransferKind


class State(StrEnum):
    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"
    REFUSED = "refused"


class Ending(StrEnum):
    """What can end a hold."""

    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"


class Refusal(StrEnum):
    INSUFFICIENT_CREDITS = "insufficient_credits"
    PREVIEW_ALLOWANCE_EXHAUSTED = "preview_allowance_exhausted"
    ACCOUNT_CLOSED = "account_closed"
    JOB_ENDED = "job_ended"


class Answer(StrEnum):
    """What the orchestrator is told."""

    GRANTED = "granted"
    REFUSED = "refused"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


_ENDS: dict[Ending, State] = {
    Ending.CAPTURE: State.CAPTURED,
    Ending.RELEASE: State.RELEASED,
    Ending.EXPIRE: State.EXPIRED,
}

TRANSFERS: dict[Ending, TransferKind] = {
    Ending.CAPTURE: TransferKind.CAPTURE,
    Ending.RELEASE: TransferKind.RELEASE,
    Ending.EXPIRE: TransferKind.EXPIRE,
}


def end(state: State | None, ending: Ending) -> State:
    """The state after `ending`. A job that never asked for a hold ends as released: a late request must find that."""
    if state is None:
        return State.RELEASED
    return _ENDS[ending] if state is State.HELD else state


def answer_to_request(state: State) -> Answer:
    """What a request for a hold that exists already is answered.

    The first answer again while it is true. Once a hold was given back, saying "granted" again would let a job run on
    credits that nobody holds.
    """
    match state:
        case State.HELD | State.CAPTURED:
            return Answer.GRANTED
        case State.EXPIRED:
            return Answer.EXPIRED
        case State.REFUSED | State.RELEASED:
            return Answer.REFUSED


def answer_to_ending(state: State) -> Answer:
    """What the end of a job is answered, given the state that `end` returned."""
    match state:
        case State.CAPTURED:
            return Answer.CAPTURED
        case State.EXPIRED:
            return Answer.EXPIRED
        case State.RELEASED | State.REFUSED:
            return Answer.RELEASED
        case State.HELD:
            raise ValueError("a hold that still stands has not ended")
