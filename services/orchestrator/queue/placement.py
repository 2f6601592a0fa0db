"""Which queued job gets the next free slot. Pure: facts in, choice out.

Fast work goes first: a relaxed job gets a slot that no fast one can use. It waits like that for `RELAXED_SECONDS`; from
then on it is one of the fast ones, as if it had been queued at that moment, and is overtaken no longer than they are.

Among those that are equal in this, paid jobs come before free ones, but waiting counts for both, so a free job is
overtaken only by paid jobs that came less than `FREE_HANDICAP_SECONDS` after it. Each job that an account has running
puts its next one back by `FAIRNESS_SECONDS`, so that an account with thousands of songs does not keep the others
waiting.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

RELAXED_SECONDS = 4 * 3600.0
FREE_HANDICAP_SECONDS = 300.0
FAIRNESS_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """The head of one of an account's queues: those of its jobs that need the same go in order."""

    account_id: str
    mode: str
    """`full` is paid for, `preview` is free."""
    tier: str
    """`fast` or `relaxed`."""
    model_name: str
    model_digest: str | None
    """None until the first attempt pins it."""
    queued_at: datetime
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A worker with room for one more separation."""

    worker_id: str
    models: Mapping[str, str]
    """Digest of each model it serves, by name."""
    free: int
    speed: float


def rank(candidate: Candidate, running: int) -> tuple[bool, float]:
    """Whether the job gives way to fast ones, and seconds of merit against it: the lowest goes first."""
    gives_way = candidate.tier == "relaxed" and candidate.waited_seconds < RELAXED_SECONDS
    handicap = 0.0 if candidate.mode == "full" else FREE_HANDICAP_SECONDS
    if candidate.tier == "relaxed":
        handicap += RELAXED_SECONDS
    return gives_way, handicap + FAIRNESS_SECONDS * running - candidate.waited_seconds


def serves(slot: Slot, candidate: Candidate) -> bool:
    """Whether the worker has the model the job needs, in the version it is pinned to."""
    digest = slot.models.get(candidate.model_name)
    return digest is not None and candidate.model_digest in (None, digest)


def choose(
    candidates: Iterable[Candidate], slots: Iterable[Slot], running_by_account: Mapping[str, int]
) -> tuple[Candidate, Slot] | None:
    """The best head of a queue, of equals the first, and the fastest slot that serves it; None where nothing fits."""
    free = sorted((slot for slot in slots if slot.free > 0), key=lambda slot: (-slot.speed, -slot.free, slot.worker_id))
    by_merit = sorted(candidates, key=lambda head: rank(head, running_by_account.get(head.account_id, 0)))
    for candidate in by_merit:
        for slot in free:
            if serves(slot, candidate):
                return candidate, slot
    return None
