"""The states of an upload, as a pure machine.

    pending ──complete──> validating ──accept──> ready
       │                      └───────reject──> rejected
       └─expire, or reject what is fetched────> rejected

    each of them ──delete──> deleted

`pending` waits for bytes, which a client sends or we fetch; `validating` waits for the verdict; `ready` and `rejected`
are verdicts; `deleted` is a tombstone that is kept until every object is certainly gone.
"""

from enum import StrEnum


class UploadStatus(StrEnum):
    PENDING = "pending"
    VALIDATING = "validating"
    READY = "ready"
    REJECTED = "rejected"
    DELETED = "deleted"


class Step(StrEnum):
    """What can happen to an upload."""

    COMPLETE = "complete"
    ACCEPT = "accept"
    REJECT = "reject"
    EXPIRE = "expire"
    DELETE = "delete"


class WrongState(Exception):
    """The step does not lead anywhere from this status: a defect of the caller, who should have looked first."""

    def __init__(self, status: UploadStatus, step: Step) -> None:
        super().__init__(f"{step} does not apply to an upload that is {status}")
        self.status = status
        self.step = step


_NEXT: dict[tuple[UploadStatus, Step], UploadStatus] = {
    (UploadStatus.PENDING, Step.COMPLETE): UploadStatus.VALIDATING,
    (UploadStatus.PENDING, Step.EXPIRE): UploadStatus.REJECTED,
    (UploadStatus.PENDING, Step.REJECT): UploadStatus.REJECTED,
    (UploadStatus.VALIDATING, Step.ACCEPT): UploadStatus.READY,
    (UploadStatus.VALIDATING, Step.REJECT): UploadStatus.REJECTED,
    (UploadStatus.PENDING, Step.DELETE): UploadStatus.DELETED,
    (UploadStatus.VALIDATING, Step.DELETE): UploadStatus.DELETED,
    (UploadStatus.READY, Step.DELETE): UploadStatus.DELETED,
    (UploadStatus.REJECTED, Step.DELETE): UploadStatus.DELETED,
}


def after(status: UploadStatus, step: Step) -> UploadStatus:
    """The status that `step` leads to. Raises WrongState where it leads nowhere."""
    try:
        return _NEXT[(status, step)]
    except KeyError:
        raise WrongState(status, step) from None
