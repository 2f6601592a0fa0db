"""The state machine alone."""

import itertools

import pytest

from services.upload.states import Step, UploadStatus, WrongState, after

ALLOWED = {
    ("pending", "complete"): "validating",
    ("pending", "expire"): "rejected",
    ("pending", "reject"): "rejected",
    ("pending", "delete"): "deleted",
    ("validating", "accept"): "ready",
    ("validating", "reject"): "rejected",
    ("validating", "delete"): "deleted",
    ("ready", "delete"): "deleted",
    ("rejected", "delete"): "deleted",
}


@pytest.mark.parametrize(("status", "step"), list(itertools.product(UploadStatus, Step)))
def test_only_the_drawn_steps_exist(status: UploadStatus, step: Step) -> None:
    expected = ALLOWED.get((status.value, step.value))
    if expected is None:
        with pytest.raises(WrongState):
            after(status, step)
    else:
        assert after(status, step) == expected


def test_a_verdict_is_never_taken_back() -> None:
    for verdict in (UploadStatus.READY, UploadStatus.REJECTED):
        leads_to = set()
        for step in Step:
            try:
                leads_to.add(after(verdict, step))
            except WrongState:
                continue
        assert leads_to == {UploadStatus.DELETED}
