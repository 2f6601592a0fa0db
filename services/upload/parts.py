"""How a file is cut into parts, and whether the parts in the store are the ones that were agreed on. Pure.

Limits of S3 (Amazon S3 User Guide, "Multipart upload limits"): every part but the last has at least 5 MiB, and there
are at most 10,000 of them. We stay below 1,000, so that one page of ListParts tells everything.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.kit.storage import Part
from services.upload.errors import PartMismatch, UploadIncomplete

MEBIBYTE = 1024 * 1024
MIN_PART_BYTES = 5 * MEBIBYTE
MAX_PARTS = 256


@dataclass(frozen=True)
class PartPlan:
    """Parts 1..`count`, each of `part_bytes` except the last, which holds the rest."""

    size_bytes: int
    part_bytes: int

    @property
    def count(self) -> int:
        """At least one: an empty file is sent as one empty part."""
        return max(1, math.ceil(self.size_bytes / self.part_bytes))

    @property
    def numbers(self) -> range:
        return range(1, self.count + 1)

    def size_of(self, number: int) -> int:
        """Bytes that part `number` must have."""
        return min(self.part_bytes, self.size_bytes - (number - 1) * self.part_bytes)


def plan(size_bytes: int, preferred_part_bytes: int) -> PartPlan:
    """The cut of a file of this size: parts of the preferred size, larger ones where there would be too many."""
    smallest = max(MIN_PART_BYTES, preferred_part_bytes, math.ceil(size_bytes / MAX_PARTS))
    return PartPlan(size_bytes, math.ceil(smallest / MEBIBYTE) * MEBIBYTE)


def bare(etag: str) -> str:
    """An ETag without quotes; clients send it with or without."""
    return etag.strip().strip('"')


def agreed(plan: PartPlan, stored: Sequence[Part], named: Iterable[tuple[int, str]] | None) -> list[Part]:
    """The parts that make the file, in order.

    `named` is what the client believes it sent; None takes what is there. The store is asked to assemble only what
    passes here: an assembly that fails costs all parts on some stores. Raises UploadIncomplete for parts that are
    missing or of the wrong size, PartMismatch for an ETag that is not the stored one.
    """
    there: Mapping[int, Part] = {part.number: part for part in stored}
    if named is not None:
        _check_named(plan, there, dict(named))
    missing = [number for number in plan.numbers if number not in there]
    if missing:
        raise UploadIncomplete(missing)
    wrong = [number for number in plan.numbers if not _fits(plan, there[number])]
    if wrong:
        raise UploadIncomplete(wrong)
    return [there[number] for number in plan.numbers]


def _check_named(plan: PartPlan, there: Mapping[int, Part], named: Mapping[int, str]) -> None:
    for number, etag in named.items():
        if number not in plan.numbers:
            raise PartMismatch(f"Part {number} does not belong to this upload of {plan.count} parts.")
        part = there.get(number)
        if part is not None and bare(part.etag) != bare(etag):
            raise PartMismatch(f"Part {number} in the store is not the one that was named: its ETag differs.")
    unnamed = [number for number in plan.numbers if number not in named]
    if unnamed:
        raise UploadIncomplete(unnamed)


def _fits(plan: PartPlan, part: Part) -> bool:
    """Parts before the last must be as planned, or the store refuses them.

    The last one may be of any size: what it makes of the whole is judged with the whole, where the person is told
    that the file is not as long as was said.
    """
    return part.number == plan.count or part.size_bytes == plan.size_of(part.number)
