"""``stemwright separate`` again, over the stems of a former run."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.separation.cli.running import separate, song_lines, write_song
from tests.services.worker.tiny_model import make_tiny_model


def test_skip_existing_keeps_what_is_there() -> None:
    write_song("Music/a.wav")
    write_song("Music/b.wav", seed=1)
    assert separate("Music/a.wav", "Music", "-o", "out").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}
    write_song("Music/c.wav", seed=2)
    result = separate("Music/a.wav", "Music", "-o", "out", "--skip-existing")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "a.wav: 0.3 s, there already"
    assert result.stdout.splitlines()[-1].startswith("1 song separated, 2 there already in ")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    again = song_lines(separate("Music/a.wav", "-o", "out", "--skip-existing", "--json"))
    assert [(line.status, line.manifest is not None) for line in again] == [("reused", True)]


def test_more_stems_than_wanted_are_enough() -> None:
    write_song("a.wav")
    separate("a.wav", "-o", "out")
    (line,) = song_lines(separate("a.wav", "-o", "out", "--skip-existing", "--json", "--stems", "vocals"))
    assert line.status == "reused"


@pytest.mark.parametrize(
    ("first", "second"), [("0.2:9", "0.2-0:09"), ("0.1:0.2", "0:00.1-0.2"), (":9", "0-9"), ("0.1-", "0.1:")]
)
def test_a_preview_is_the_same_however_it_is_written(first: str, second: str) -> None:
    write_song("a.wav")
    separate("a.wav", "-o", "out", "--preview", first)
    (line,) = song_lines(separate("a.wav", "-o", "out", "--skip-existing", "--json", "--preview", second))
    assert line.status == "reused"


@pytest.mark.parametrize(
    "wish",
    [
        ["--format", "wav"],
        ["--bit-depth", "24"],
        ["--stems", "vocals,mixture"],
        ["--preview", "0:0.2"],
        ["--overs", "scale"],
    ],
)
def test_skip_existing_separates_where_the_wish_differs(wish: Sequence[str]) -> None:
    write_song("a.wav")
    separate("a.wav", "-o", "out")
    (line,) = song_lines(separate("a.wav", "-o", "out", "--skip-existing", "--json", *wish))
    assert line.status == "done"


@pytest.mark.parametrize("change", ["song", "stem", "stem gone", "manifest", "settings", "model"])
def test_skip_existing_separates_where_something_has_changed(change: str, tmp_path: Path) -> None:
    write_song("a.wav")
    separate("a.wav", "-o", "out")
    stem, manifest = Path("out/a/vocals.flac"), Path("out/a/manifest.json")
    wish: list[str] = []
    match change:
        case "song":
            write_song("a.wav", seed=7)
        case "stem":
            stem.write_bytes(bytes(stem.stat().st_size))
        case "stem gone":
            stem.unlink()
        case "manifest":
            manifest.write_text("{}")
        case "settings":
            manifest.write_text(manifest.read_text().replace('"wiener_share": 0.6', '"wiener_share": 0.5'))
        case "model":
            make_tiny_model(tmp_path / "others", vocals_share=0.5)
            wish = ["--repository", str(tmp_path / "others")]
    (line,) = song_lines(separate("a.wav", "-o", "out", "--skip-existing", "--json", *wish))
    assert line.status == "done"


def test_without_skip_existing_stems_are_replaced() -> None:
    write_song("a.wav")
    separate("a.wav", "-o", "out")
    before = Path("out/a/vocals.flac").stat().st_ino
    Path("out/a/report.png").write_bytes(b"a picture of the former stems")
    result = separate("a.wav", "-o", "out")
    assert result.exit_code == 0
    assert Path("out/a/vocals.flac").stat().st_ino != before
    assert not Path("out/a/report.png").exists()


@pytest.mark.parametrize("version", ['"engine_version": null', '"engine_version": 1', '"other": 1'])
def test_stems_of_another_engine_are_made_anew(version: str) -> None:
    write_song("a.wav")
    separate("a.wav", "-o", "out")
    manifest = Path("out/a/manifest.json")
    manifest.write_text(re.sub(r'"engine_version": \d+', version, manifest.read_text()))
    (line,) = song_lines(separate("a.wav", "-o", "out", "--skip-existing", "--json"))
    assert line.status == "done"
    (line,) = song_lines(separate("a.wav", "-o", "out", "--skip-existing", "--json"))
    assert line.status == "reused"
