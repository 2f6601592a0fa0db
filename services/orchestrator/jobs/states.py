"""The life of a job, as a pure state machine.

    reserving ──granted──> queued ──assigned──> running ──succeeded──> succeeded
        │                   │  ▲                   │
        │                   │  └──returned─────────┤   (lease lapsed, worker stopped, failure worth another attempt)
        ├──refused──> rejected                     │
        ├──────────────── gave_up ─────────────────┴──> failed
        └──────────────── canceled ────────────────────> canceled

`rejected`, `succeeded`, `failed` and `canceled` are final: nothing leaves them.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a job stands, in the words of the public contract."""

    RESERVING = "reserving"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.REJECTED})


class Step(StrEnum):
    """What can happen to a job."""

    GRANTED = "granted"
    REFUSED = "refused"
    ASSIGNED = "assigned"
    RESUMED = "resumed"
    RETURNED = "returned"
    SUCCEEDED = "succeeded"
    GAVE_UP = "gave_up"
    CANCELED = "canceled"


_NEXT: dict[tuple[Status, Step], Status] = {
    (Status.RESERVING, Step.GRANTED): Status.QUEUED,
    (Status.RESERVING, Step.REFUSED): Status.REJECTED,
    (Status.QUEUED, Step.ASSIGNED): Status.RUNNING,
    # A worker that was out of earshot still runs the attempt that was taken from it and given to nobody else.
    (Status.QUEUED, Step.RESUMED): Status.RUNNING,
    (Status.QUEUED, Step.SUCCEEDED): Status.SUCCEEDED,
    (Status.RUNNING, Step.RETURNED): Status.QUEUED,
    (Status.RUNNING, Step.SUCCEEDED): Status.SUCCEEDED,
    **{(status, Step.GAVE_UP): Status.FAILED for status in (Status.RESERVING, Status.QUEUED, Status.RUNNING)},
    **{(status, Step.CANCELED): Status.CANCELED for status in (Status.RESERVING, Status.QUEUED, Status.RUNNING)},
}


class WrongState(Exception):
    """The step is not possible from where the job stands."""

    def __init__(self, status: Status, step: Step) -> None:
        super().__init__(f"a {status} job cannot be {step}")
        self.status = status
        self.step = step


def allowed(status: Status, step: Step) -> bool:
    """Whether the step is possible."""
    return (status, step) in _NEXT


def after(status: Status, step: Step) -> Status:
    """The status that the step leads to; raises WrongState where it is not possible."""
    try:
        return _NEXT[status, step]
    except KeyError:
        raise WrongState(status, step) from None
