"""Notes in the cache folder of what was found right, so that it need not be looked at again every time.

A note is a small file that holds the facts under which something was right. It counts while they are the same.
"""

import tempfile
from contextlib import suppress
from pathlib import Path


def is_noted(note: Path, facts: str) -> bool:
    """Whether ``note`` holds these very facts."""
    try:
        return note.read_text(encoding="utf-8") == facts
    except (OSError, ValueError):
        return False


def write_note(note: Path, facts: str) -> None:
    """Replaces ``note``, at once. Where it cannot be written there is none, and all is looked at again."""
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=note.parent, delete=False) as draft:
            try:
                draft.write(facts)
                draft.close()
                Path(draft.name).replace(note)
            except OSError:
                Path(draft.name).unlink(missing_ok=True)


def state_of(file: Path) -> str:
    """Facts that change whenever the file's bytes may have changed. Raises ``OSError``."""
    found = file.stat()
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
