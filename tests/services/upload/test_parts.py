"""Cutting a file into parts, and checking them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.storage import Part
from services.upload.errors import PartMismatch, UploadIncomplete
from services.upload.parts import MAX_PARTS, MEBIBYTE, MIN_PART_BYTES, PartPlan, agreed, plan

CUT = PartPlan(size_bytes=12 * MEBIBYTE, part_bytes=5 * MEBIBYTE)
STORED = [Part(1, "a", 5 * MEBIBYTE), Part(2, "b", 5 * MEBIBYTE), Part(3, "c", 2 * MEBIBYTE)]


@given(st.integers(0, 5 * 10**9), st.integers(1, 64 * MEBIBYTE))
def test_every_cut_is_one_that_the_store_takes(size: int, preferred: int) -> None:
    cut = plan(size, preferred)

    assert 1 <= cut.count <= MAX_PARTS
    assert cut.part_bytes >= MIN_PART_BYTES
    assert sum(cut.size_of(number) for number in cut.numbers) == size
    assert all(cut.size_of(number) == cut.part_bytes for number in cut.numbers if number < cut.count)


def test_parts_that_fit_are_agreed_on() -> None:
    assert agreed(CUT, STORED, None) == STORED
    assert agreed(CUT, STORED[::-1], [(3, '"c"'), (1, "a"), (2, '"b"')]) == STORED


@pytest.mark.parametrize(
    ("stored", "numbers"),
    [([], [1, 2, 3]), (STORED[1:], [1]), ([Part(1, "a", 7), *STORED[1:]], [1])],
)
def test_missing_and_short_parts_are_named(stored: list[Part], numbers: list[int]) -> None:
    with pytest.raises(UploadIncomplete) as refused:
        agreed(CUT, stored, None)

    assert refused.value.extra == {"missing_parts": numbers}


def test_parts_that_the_client_does_not_name_count_as_missing() -> None:
    with pytest.raises(UploadIncomplete) as refused:
        agreed(CUT, STORED, [(1, "a")])

    assert refused.value.extra == {"missing_parts": [2, 3]}


@pytest.mark.parametrize("named", [[(1, "x"), (2, "b"), (3, "c")], [(4, "d")], [(1, "")]])
def test_other_parts_than_the_stored_ones_are_a_mismatch(named: list[tuple[int, str]]) -> None:
    with pytest.raises(PartMismatch):
        agreed(CUT, STORED, named)


def test_the_last_part_is_judged_with_the_whole() -> None:
    short = [*STORED[:2], Part(3, "c", 1)]

    assert agreed(CUT, short, None) == short
