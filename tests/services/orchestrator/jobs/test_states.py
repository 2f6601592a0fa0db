import pytest

from services.orchestrator.jobs.states import FINAL, Status, Step, WrongState, after, allowed


def test_the_way_of_a_job_that_goes_well() -> None:
    status = Status.RESERVING
    for step in (Step.GRANTED, Step.ASSIGNED, Step.SUCCEEDED):
        status = after(status, step)
    assert status is Status.SUCCEEDED


@pytest.mark.parametrize("status", sorted(FINAL))
@pytest.mark.parametrize("step", list(Step))
def test_nothing_leaves_a_final_status(status: Status, step: Step) -> None:
    assert not allowed(status, step)
    with pytest.raises(WrongState):
        after(status, step)


@pytest.mark.parametrize("status", sorted(set(Status) - FINAL))
def test_every_open_status_can_end_in_a_cancellation_and_in_failure(status: Status) -> None:
    assert after(status, Step.CANCELED) is Status.CANCELED
    assert after(status, Step.GAVE_UP) is Status.FAILED
