from collections.abc import Callable
from pathlib import Path

import pytest

from services.local.ballast import BALLAST_BYTES, LITTLE_BYTES, Ballast, free_for_us


class Disk:
    """Says how much room is left beside what the ballast takes."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _folder: Path) -> int:
        return self.free


@pytest.fixture
def changes() -> list[bool]:
    return []


@pytest.fixture
def ballast(tmp_path: Path, changes: list[bool]) -> Callable[[Disk], Ballast]:
    def make(disk: Disk) -> Ballast:
        made = Ballast(tmp_path / "ballast", lambda: changes.append(made.given_up), free_bytes=disk)
        return made

    return make


def test_space_is_taken_for_real(tmp_path: Path, ballast: Callable[[Disk], Ballast]) -> None:
    ballast(Disk(10 * BALLAST_BYTES)).look()

    taken = (tmp_path / "ballast").stat()
    assert taken.st_blocks * 512 >= BALLAST_BYTES
    assert oct(taken.st_mode & 0o777) == "0o600"


def test_space_is_given_up_on_a_full_disk_and_taken_again_when_there_is_room(
    tmp_path: Path, ballast: Callable[[Disk], Ballast], changes: list[bool]
) -> None:
    disk = Disk(10 * BALLAST_BYTES)
    kept = ballast(disk)
    for free, there, said in (
        (10 * BALLAST_BYTES, True, []),
        (LITTLE_BYTES + 1, True, []),
        (LITTLE_BYTES - 1, False, [True]),
        (LITTLE_BYTES - 1 + BALLAST_BYTES, False, [True]),
        (0, False, [True]),
        (2 * BALLAST_BYTES + 1, True, [True, False]),
    ):
        disk.free = free
        kept.look()
        assert ((tmp_path / "ballast").exists(), changes) == (there, said)


def test_what_an_earlier_run_kept_serves_a_start_on_a_full_disk(
    tmp_path: Path, ballast: Callable[[Disk], Ballast]
) -> None:
    earlier = ballast(Disk(10 * BALLAST_BYTES))
    earlier.start()
    earlier.stop()
    assert (tmp_path / "ballast").exists()

    later = ballast(Disk(0))
    later.start()
    later.stop()

    assert later.given_up
    assert not (tmp_path / "ballast").exists()


def test_a_disk_has_free_space(tmp_path: Path) -> None:
    assert free_for_us(tmp_path) > 0
