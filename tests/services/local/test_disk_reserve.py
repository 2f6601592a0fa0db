from collections.abc import Callable
from pathlib import Path

import pytest

from services.local.disk_reserve import LITTLE_BYTES, RESERVED_BYTES, DiskReserve, free_for_us, is_full


class Disk:
    """Says how much room is left beside what the reserve takes."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _folder: Path) -> int:
        return self.free


@pytest.fixture
def changes() -> list[bool]:
    return []


@pytest.fixture
def disk_reserve(tmp_path: Path, changes: list[bool]) -> Callable[[Disk], DiskReserve]:
    def make(disk: Disk) -> DiskReserve:
        made = DiskReserve(tmp_path / "disk-reserve", lambda: changes.append(made.given_up), free_bytes=disk)
        return made

    return make


def test_space_is_taken_for_real(tmp_path: Path, disk_reserve: Callable[[Disk], DiskReserve]) -> None:
    disk_reserve(Disk(10 * RESERVED_BYTES)).look()

    taken = (tmp_path / "disk-reserve").stat()
    assert taken.st_blocks * 512 >= RESERVED_BYTES
    assert oct(taken.st_mode & 0o777) == "0o600"


def test_space_is_given_up_on_a_full_disk_and_taken_again_when_there_is_room(
    tmp_path: Path, disk_reserve: Callable[[Disk], DiskReserve], changes: list[bool]
) -> None:
    disk = Disk(10 * RESERVED_BYTES)
    kept = disk_reserve(disk)
    for free, there, said in (
        (10 * RESERVED_BYTES, True, []),
        (LITTLE_BYTES + 1, True, []),
        (LITTLE_BYTES - 1, False, [True]),
        (LITTLE_BYTES - 1 + RESERVED_BYTES, False, [True]),
        (0, False, [True]),
        (2 * RESERVED_BYTES + 1, True, [True, False]),
    ):
        disk.free = free
        kept.look()
        assert ((tmp_path / "disk-reserve").exists(), changes) == (there, said)
        assert is_full(tmp_path / "disk-reserve") == kept.given_up


def test_a_platform_that_is_started_while_its_space_is_given_up_says_so(
    disk_reserve: Callable[[Disk], DiskReserve],
) -> None:
    """What the reserve had is free now, which is more than little."""
    later = disk_reserve(Disk(LITTLE_BYTES + RESERVED_BYTES))
    later.look()
    assert later.given_up


def test_what_an_earlier_run_kept_serves_a_start_on_a_full_disk(
    tmp_path: Path, disk_reserve: Callable[[Disk], DiskReserve]
) -> None:
    earlier = disk_reserve(Disk(10 * RESERVED_BYTES))
    earlier.start()
    earlier.stop()
    assert (tmp_path / "disk-reserve").exists()

    later = disk_reserve(Disk(0))
    later.start()
    later.stop()

    assert later.given_up
    assert not (tmp_path / "disk-reserve").exists()


def test_a_disk_has_free_space(tmp_path: Path) -> None:
    assert free_for_us(tmp_path) > 0
