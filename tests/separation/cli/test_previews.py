"""``--preview``: a part of a song, in a folder of its own, and what was taken is said."""

import json
from pathlib import Path

import pytest

from separation.cli.places import preview_folder
from separation.settings import Window
from tests.separation.cli.running import separate, song_lines, stem_folders, write_song


def test_a_preview_never_touches_the_stems_of_the_whole_song() -> None:
    write_song("a.wav", 2)
    assert separate("a.wav").exit_code == 0
    before = {path: path.read_bytes() for path in Path("stems").rglob("*") if path.is_file()}
    for part in ("0:01-0:02", "0.5:1", "1-"):
        assert separate("a.wav", "--preview", part).exit_code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert stem_folders("stems") == ["a", "a/preview 0.5s-1s", "a/preview 1s-2s", "a/preview 1s-end"]


def test_previews_of_named_files_lie_apart_too() -> None:
    write_song("a.wav", 2)
    arguments = ["a.wav", "--filename", "{song} {stem}"]
    separate(*arguments)
    separate(*arguments, "--preview", "0-1")
    assert sorted(str(path.relative_to("stems")) for path in Path("stems").rglob("*.flac")) == [
        "a instrumental.flac",
        "a vocals.flac",
        "preview 0s-1s/a instrumental.flac",
        "preview 0s-1s/a vocals.flac",
    ]


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (60, 90, "preview 1m00s-1m30s"),
        (0, 0.25, "preview 0s-0.25s"),
        (3723.5, 1e6, "preview 1h02m03.5s-end"),
    ],
)
def test_the_folder_says_which_part_it_is(start: float, end: float, name: str) -> None:
    assert preview_folder(Window(start, end)) == name


def test_what_was_taken_is_said() -> None:
    write_song("a.wav", 2)
    first, second = separate("a.wav", "--preview", "0:01-0:01.5").stdout.splitlines()
    assert first.startswith("a.wav: 0:01 to 0:01.5 separated in ")
    assert second == "  vocals + instrumental = the song there, exactly -> stems/a/preview 1s-1.5s"


def test_a_preview_that_the_song_is_too_short_for_says_what_there_was() -> None:
    write_song("a.wav", 2)
    result = separate("a.wav", "--preview", "0:01-0:30")
    assert result.stdout.splitlines()[2:] == ["  note: the song ends at 0:02, so the preview is 0:01 to 0:02"]
    (line,) = song_lines(separate("a.wav", "--preview", "0:01-0:30", "--json"))
    assert line.notes == ["the song ends at 0:02, so the preview is 0:01 to 0:02"]
    assert "note" not in separate("a.wav", "--preview", "0:01-").stdout


def test_a_preview_behind_the_end_fails_and_says_so() -> None:
    write_song("a.wav", 2)
    result = separate("a.wav", "--preview", "0:05-0:30")
    assert result.exit_code == 1
    assert result.stderr.startswith("a.wav: The preview begins at ")
    assert not Path("stems").exists()
    (line,) = [json.loads(line) for line in separate("a.wav", "--preview", "5-30", "--json").stdout.splitlines()]
    assert line["error"]["code"] == "window_outside_audio"


def test_previews_in_a_folder_are_not_separated_again() -> None:
    write_song("Music/a.wav", 2)
    separate("Music", "-o", "Music", "--preview", "0-1")
    (line,) = song_lines(separate("Music", "-o", "elsewhere", "--json"))
    assert line.song == "Music/a.wav"
