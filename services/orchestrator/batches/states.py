"""The life of a batch. Pure.

    reserving ──held──> running ──all songs have ended──> completed
        │                  │
        │                  └──canceled, all songs have ended──> canceled
        ├──not held, all songs have ended──> rejected
        └──canceled, or no song could be separated──> canceled, completed

A batch is over when the last of its songs is, never before; what its end is called depends on what was noted until
then.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a batch stands, in the words of the public contract."""

    RESERVING = "reserving"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELED = "canceled"
    REJECTED = "rejected"


FINAL = frozenset({Status.COMPLETED, Status.CANCELED, Status.REJECTED})


def end_of(*, refused: bool, canceled: bool) -> Status:
    """What the end of a batch is called."""
    if refused:
        return Status.REJECTED
    return Status.CANCELED if canceled else Status.COMPLETED
