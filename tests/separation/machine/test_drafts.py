"""Files that appear in a folder all at once or not at all."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from separation.errors import OutputWriteFailed
from separation.machine.drafts import clear_drafts, draft, publish

OLD = {"vocals.flac": "old", "rest.flac": "old", "manifest.json": "old", "picture.png": "old"}
NEW = {"vocals.flac": "new", "rest.wav": "new", "manifest.json": "new"}
STALE = ("rest.flac", "picture.png")
# Ends the process, or the call, at the n-th renaming: Python tells of each before it is done.
_AT_RENAMING = """
import os, signal, sys
from pathlib import Path
from separation.machine.drafts import draft, publish
left = [int(sys.argv[2])]
def hear(event, _):
    if event == "os.rename":
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
folder, new = Path(sys.argv[1]), {new!r}
with draft(folder) as path:
    for name, words in new.items():
        (path / name).write_text(words)
    sys.addaudithook(hear)
    publish(path, folder, tuple(new), {stale!r})
""".replace("{new!r}", repr(NEW)).replace("{stale!r}", repr(STALE))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def fill(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in files.items():
        (folder / name).write_text(words)
    return folder


def replace_all(folder: Path) -> None:
    with draft(folder) as path:
        publish(fill(path, NEW), folder, tuple(NEW), STALE)


def test_a_set_replaces_another_one_whole(tmp_path: Path) -> None:
    fill(tmp_path, {**OLD, "letter.txt": "mine"})
    replace_all(tmp_path)
    assert contents(tmp_path) == {**NEW, "letter.txt": "mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NEW, "letter.txt"])


def test_folders_that_were_made_for_nothing_are_gone(tmp_path: Path) -> None:
    with draft(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*NEW])
def test_a_folder_in_the_way_leaves_the_old_set_whole(tmp_path: Path, name: str) -> None:
    old = {key: words for key, words in OLD.items() if key != name}
    fill(tmp_path / name, {"mine.txt": "mine"})
    fill(tmp_path, old)
    with pytest.raises(OutputWriteFailed, match=name):
        replace_all(tmp_path)
    assert contents(tmp_path) == old
    assert contents(tmp_path / name) == {"mine.txt": "mine"}


def test_a_failure_at_any_step_leaves_the_old_set_whole(tmp_path: Path) -> None:
    """One new file after the other is missing when its turn comes."""
    for name in NEW:
        folder = fill(tmp_path / name, OLD)
        with pytest.raises(OutputWriteFailed) as caught, draft(folder) as path:
            fill(path, NEW)
            (path / name).unlink()
            publish(path, folder, tuple(NEW), STALE)
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOENT
        assert contents(folder) == OLD
        assert sorted(path.name for path in folder.iterdir()) == sorted(OLD)


def test_killed_at_any_step_the_mark_never_stands_beside_others_files(tmp_path: Path) -> None:
    steps = 0
    while True:
        steps += 1
        folder = fill(tmp_path / str(steps), OLD)
        ended = subprocess.run([sys.executable, "-c", _AT_RENAMING, folder, str(steps)], check=False).returncode
        seen = contents(folder)
        if "manifest.json" in seen:
            assert seen in (OLD, NEW)
        clear_drafts(folder)
        assert contents(folder) == (OLD if ended else NEW)
        assert {path.name for path in folder.iterdir()} == set(contents(folder))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert steps == 1 + len(OLD) + len(NEW)


def test_the_next_run_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from separation.machine.drafts import draft\n"
        "with draft(Path(sys.argv[1])) as path:\n"
        "    (path / 'vocals.flac').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with draft(tmp_path) as path:
        assert list(tmp_path.iterdir()) == [path]


def test_what_a_version_without_locks_left_is_cleared_too(tmp_path: Path) -> None:
    fill(tmp_path / ".partial-ab_c12xy", {"vocals.flac": "half"})
    clear_drafts(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_cleared(tmp_path: Path) -> None:
    fill(tmp_path / ".partial-mine", {"a.txt": "mine"})
    fill(tmp_path, {".partial-ab_c12xy": "a file"})
    (tmp_path / ".partial-abcdefgh").symlink_to(tmp_path / ".partial-mine")
    clear_drafts(tmp_path)
    clear_drafts(tmp_path / "none")
    assert len(list(tmp_path.iterdir())) == 3
    assert contents(tmp_path / ".partial-mine") == {"a.txt": "mine"}


def test_a_living_run_keeps_its_draft(tmp_path: Path) -> None:
    with draft(tmp_path) as mine:
        fill(mine, NEW)
        replace_all(tmp_path)
        clear_drafts(tmp_path)
        assert contents(tmp_path) == NEW
        assert set(NEW) <= set(contents(mine))
        with draft(tmp_path) as other:
            assert other != mine
    assert contents(tmp_path) == NEW
