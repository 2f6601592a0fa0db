"""Files that appear in a folder all at once or not at all, whatever ends the process.

::

    folder/
      vocals.flac ... manifest.json     what is there
      .partial-4f0zq8wl/                a draft: what one run makes, out of sight
        .lock                           held (flock) as long as that run lives
        vocals.flac ... manifest.json
        .publishing                     the names of what will be published, while it is
        .before/                        what was there under these names, while it is replaced

Several files cannot be replaced in one step, so what marks the set as whole, the last of the names, leaves first and
comes last. Where the steps in between fail they are taken back; where the process dies in their midst, the next run in
that folder takes them back. So whoever finds the mark finds the files that it speaks of, the old or the new ones.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

from separation.errors import OutputWriteFailed
from separation.machine.console import printable

_PREFIX = ".partial-"
_DRAFT = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")  # as ``tempfile.mkdtemp`` names folders
_LOCK, _NAMES, _BEFORE = ".lock", ".publishing", ".before"


@contextmanager
def draft(folder: Path) -> Iterator[Path]:
    """An empty folder inside ``folder``, which is made if need be; gone afterwards, as what was made for it alone.

    What killed runs have left in ``folder`` is cleared. Raises ``OutputWriteFailed``.
    """
    with ExitStack() as stack:
        stack.callback(remove_empty, missing_folders(folder))
        path, lock = _begun(folder)
        stack.callback(os.close, lock)
        stack.callback(_end, path, folder)
        yield path


def _begun(folder: Path) -> tuple[Path, int]:
    """A new draft and what holds its lock."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _Alone(folder) as sure:
            _clear(folder, sure=sure)
            path = Path(tempfile.mkdtemp(dir=folder, prefix=_PREFIX))
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return path, lock
    except OSError as error:
        raise OutputWriteFailed(f"{printable(str(folder))} cannot be written: {error.strerror}.") from error


def _end(path: Path, folder: Path) -> None:
    with _Alone(folder):
        _settle(path, folder)


def publish(path: Path, folder: Path, names: Sequence[str], stale: Sequence[str] = ()) -> None:
    """Moves the files ``names`` of the draft ``path`` into its ``folder``, where they replace what is there.

    The last of them says that the others are whole. ``stale``: files of ``folder`` that go with what is replaced.
    Raises ``OutputWriteFailed``; then ``folder`` is as it was.
    """
    before, mark = path / _BEFORE, names[-1]
    try:
        with _Alone(folder):
            refuse_folders(folder, names)
            (path / _NAMES).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
            before.mkdir()
            try:
                for name in (mark, *names[:-1], *stale):
                    if os.path.lexists(folder / name):
                        (folder / name).replace(before / name)
                for name in names:
                    (path / name).replace(folder / name)
            except OSError:
                _take_back(path, folder)
                raise
    except OSError as error:
        raise OutputWriteFailed(f"The stems cannot be written: {error.strerror}.") from error


def refuse_folders(folder: Path, names: Sequence[str]) -> None:
    """Raises ``OutputWriteFailed`` where one of the files would have to replace a folder."""
    for name in names:
        if (folder / name).is_dir():
            raise OutputWriteFailed(
                f"{printable(str(folder / name))} cannot be written: there is a folder of that name."
            )


def clear_drafts(folder: Path) -> None:
    """Removes what killed runs have left in ``folder``, and takes back what they had begun to replace."""
    with suppress(OSError), _Alone(folder) as sure:
        _clear(folder, sure=sure)


def missing_folders(folder: Path) -> list[Path]:
    """``folder`` and those above it that do not exist yet, innermost first."""
    return [path for path in (folder, *folder.parents) if not os.path.lexists(path)]


def remove_empty(folders: Sequence[Path]) -> None:
    """Takes back folders that were made for nothing."""
    for folder in folders:
        with suppress(OSError):  # not made after all, or something else has been put there
            folder.rmdir()


class _Alone:
    """Nobody else makes, clears or publishes drafts of ``folder`` meanwhile; false where that cannot be had."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._handle = folder, -1

    def __enter__(self) -> bool:
        try:
            self._handle = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        except OSError:  # some file systems lock files only, or nothing
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)


def _clear(folder: Path, *, sure: bool) -> None:
    """``sure``: nobody makes a draft just now, so one without a lock is one that nobody holds."""
    for path in folder.glob(f"{_PREFIX}*"):
        if _DRAFT.fullmatch(path.name) and path.is_dir() and not path.is_symlink() and _abandoned(path, sure=sure):
            _settle(path, folder)


def _abandoned(path: Path, *, sure: bool) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return sure
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _settle(path: Path, folder: Path) -> None:
    """Removes a draft; takes back what it has published unless all of it is. What cannot be taken back stays in it."""
    with suppress(OSError):
        _take_back(path, folder)
        shutil.rmtree(path, ignore_errors=True)


def _take_back(path: Path, folder: Path) -> None:
    before = path / _BEFORE
    if not before.is_dir():
        return
    names = (path / _NAMES).read_text(encoding="utf-8").split("\n")[:-1]
    mark = names[-1]
    if os.path.lexists(folder / mark) and not os.path.lexists(path / mark):
        return  # it is where it belongs, and so are the others
    for name in names:
        if not os.path.lexists(path / name) and os.path.lexists(folder / name):
            (folder / name).replace(path / name)
    for old in sorted(before.iterdir(), key=lambda old: old.name == mark):  # the mark last
        old.replace(folder / old.name)
    before.rmdir()
