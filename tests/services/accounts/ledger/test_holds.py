"""The life of a hold."""

import pytest

from services.accounts.ledger.holds import Answer, Ending, State, answer_to_ending, answer_to_request, end

FINAL = [State.CAPTURED, State.RELEASED, State.EXPIRED, State.REFUSED]


@pytest.mark.parametrize(
    ("ending", "state"),
    [(Ending.CAPTURE, State.CAPTURED), (Ending.RELEASE, State.RELEASED), (Ending.EXPIRE, State.EXPIRED)],
)
def test_a_hold_ends_once(ending: Ending, state: State) -> None:
    assert end(State.HELD, ending) is state


@pytest.mark.parametrize("state", FINAL)
@pytest.mark.parametrize("ending", Ending)
def test_a_final_state_stays(state: State, ending: Ending) -> None:
    assert end(state, ending) is state


@pytest.mark.parametrize("ending", Ending)
def test_a_job_that_never_asked_ends_as_released(ending: Ending) -> None:
    assert end(None, ending) is State.RELEASED


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        (State.HELD, Answer.GRANTED),
        (State.CAPTURED, Answer.GRANTED),
        (State.REFUSED, Answer.REFUSED),
        (State.RELEASED, Answer.REFUSED),
        (State.EXPIRED, Answer.EXPIRED),
    ],
)
def test_a_request_is_answered_by_what_is_true_now(state: State, answer: Answer) -> None:
    assert answer_to_request(state) is answer


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        (State.CAPTURED, Answer.CAPTURED),
        (State.RELEASED, Answer.RELEASED),
        (State.REFUSED, Answer.RELEASED),
        (State.EXPIRED, Answer.EXPIRED),
    ],
)
def test_an_ending_is_answered_by_what_became_of_the_hold(state: State, answer: Answer) -> None:
    assert answer_to_ending(state) is answer


def test_a_standing_hold_has_no_ending_to_tell() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        answer_to_ending(State.HELD)
