"""Whether there is room for what a backup or a restore is to write."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from services.backup.errors import BackupError
from services.local.disk_reserve import free_for_us

BLOCK_BYTES = 4096


def bytes_on_disk(sizes_bytes: Iterable[int]) -> int:
    """What files of these sizes take on a disk, which gives whole blocks."""
    return sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes_bytes)


def ask_for_room(needs: Iterable[tuple[Path, int]]) -> None:
    """Whether so many bytes can be written below each of these folders, which may not be there yet; several may be on
    one disk. Raises BackupError."""
    needed: Counter[int] = Counter()
    where: dict[int, Path] = {}
    for folder, size in needs:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
        disk = there.stat().st_dev
        needed[disk] += size
        where.setdefault(disk, there)
    for disk, size in needed.items():
        free = free_for_us(where[disk])
        if size > free:
            raise BackupError(
                f"there is no room on the disk of {where[disk]}: {_megabytes(size, up=True)} are needed, and "
                f"{_megabytes(free)} are left"
            )


def _megabytes(size: int, *, up: bool = False) -> str:
    return f"{(size + (99_999 if up else 0)) // 100_000 / 10:,.1f} MB"
