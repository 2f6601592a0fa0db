"""``stemwright separate`` and ``stemwright models``, through the real command, with a network that costs nothing."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from separation import OutputFormat, SeparationSettings
from separation.cli import models, separate
from separation.cli.batch import Batch, Wishes
from separation.cli.outcome import SongLine
from separation.cli.reuse import Order
from separation.cli.songs import Song
from separation.manifest import Manifest
from separation.registry import ModelRepository
from separation.settings import OutputFormatName
from separation.wording import duration
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples, music, read, write_encoded, write_silent_film, write_wav
from tests.services.worker.tiny_model import NAME, make_tiny_model


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-models")
    make_tiny_model(path)
    return path


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_repository: Path) -> None:
    """Relative paths, as people give them, and the small model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(tiny_repository))


def _separate(*arguments: object) -> Result:
    return CliRunner().invoke(separate, ["--model", NAME, *map(str, arguments)])


def _lines(result: Result) -> list[SongLine]:
    return [SongLine.model_validate_json(line, extra="forbid") for line in result.stdout.splitlines()]


def _song(path: str, seconds: float = 0.3, seed: int = 0) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return write_wav(Path(path), music(seconds, seed=seed))


def _folders(out: str = "out") -> list[str]:
    """Where stems are, below ``out``."""
    return sorted(str(path.parent.relative_to(out)) for path in Path(out).rglob("manifest.json"))


def _everything(out: str = "out") -> list[Path]:
    return list(Path(out).rglob("*"))


# What becomes of a song


def test_one_line_per_song_and_a_summary() -> None:
    _song("first.wav", 0.7)
    _song("second.wav", 1.5)
    result = _separate("first.wav", "second.wav", "-o", "out", "--format", "wav", "--bit-depth", 24)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    first, second, summary = result.stdout.splitlines()
    assert re.fullmatch(
        r"first\.wav: 0\.7 s in [\d.]+ s \([\d.]+x real time\), stems minus song exactly zero -> out/first", first
    )
    assert second.startswith("second.wav: 1.5 s in ")
    assert re.fullmatch(r"2 songs separated: 2\.2 s in [\d.]+ s \([\d.]+x real time\)", summary)
    assert sorted(path.name for path in Path("out/second").iterdir()) == [
        "instrumental.wav",
        "manifest.json",
        "vocals.wav",
        "waveforms.json",
    ]


def test_a_failure_is_one_line_on_standard_error_and_the_others_are_separated() -> None:
    Path("empty.mp3").touch()
    _song("a.wav")
    result = _separate("empty.mp3", "none.wav", "a.wav", "-o", "out/deep")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "empty.mp3: The file is empty. [audio_empty]",
        "none.wav: The file cannot be read: No such file or directory. [file_unreadable]",
    ]
    assert result.stdout.splitlines()[-1].startswith("1 song separated, 2 failed: 0.3 s in ")
    assert _folders("out/deep") == ["a"]
    assert [path.name for path in Path("out/deep").iterdir()] == ["a"]


def test_nothing_remains_where_no_song_could_be_separated() -> None:
    Path("letter.mp3").write_text("not a song")
    result = _separate("letter.mp3", "-o", "out/deep")
    assert result.exit_code == 1
    assert result.stdout.startswith("0 songs separated, 1 failed in ")
    assert not Path("out").exists()


def test_json_has_one_object_per_song_and_nothing_else() -> None:
    Path("letter.mp3").write_text("not a song")
    _song("a.wav", 1.5)
    arguments = ["--json", "--preview", "0.5:1", "--stems", "vocals", "-o", "out"]
    result = _separate("letter.mp3", "a.wav", "none.wav", *arguments)
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = _lines(result)
    assert [(line.song, line.folder, line.status) for line in lines] == [
        ("letter.mp3", "out/letter", "failed"),
        ("a.wav", "out/a", "done"),
        ("none.wav", "out/none", "failed"),
    ]
    assert [line.error and line.error.code for line in lines] == ["audio_unsupported_format", None, "file_unreadable"]
    manifest = lines[1].manifest
    assert manifest == Manifest.from_json(Path("out/a/manifest.json").read_bytes())
    assert [(stem.file, stem.duration_seconds) for stem in manifest.stems] == [("vocals.flac", 0.5)]
    assert len(read(Path("out/a/vocals.flac"))) == 22050


def test_remarks_tell_what_a_listener_would_wonder_about() -> None:
    write_wav(Path("silence.wav"), 0 * music(0.5))
    whole = write_encoded(Path("cut.flac"), music(0.5), 44100, "flac", "flac").read_bytes()
    Path("cut.flac").write_bytes(whole[: len(whole) // 2])
    result = _separate("silence.wav", "cut.flac", "-o", "out")
    silence, cut, _ = result.stdout.splitlines()
    assert silence.endswith("-> out/silence; vocals silent; instrumental silent")
    assert cut.endswith("-> out/cut; the file is damaged or ends early")


def test_the_wishes_reach_the_engine() -> None:
    _song("a.wav", 0.5)
    result = _separate(
        "a.wav", "-o", "out", "--json", "--quality", "best", "--overs", "scale", "--format", "mp3", "--bitrate", 128,
        "--threads", 1, "--stems", "mixture,vocals",
    )  # fmt: skip
    (line,) = _lines(result)
    assert line.manifest
    assert line.manifest.settings == {**asdict(SeparationSettings.best()), "overs": "scale"}
    assert [(stem.name, stem.format, stem.bitrate_kbps) for stem in line.manifest.stems] == [
        ("mixture", "mp3", 128),
        ("vocals", "mp3", 128),
    ]


# Wrong from the start


@pytest.mark.parametrize(
    "arguments",
    [
        ["--preview", "9"],
        ["--preview", "9:3"],
        ["--preview", "a:b"],
        ["--preview", "nan:3"],
        ["--format", "wma"],
        ["--format", "flac", "--bitrate", "128"],
        ["--format", "mp3", "--bit-depth", "16"],
        ["--stems", "vocals,drums"],
        ["--stems", ","],
        ["--quality", "worst"],
        ["--threads", "0"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: Sequence[str]) -> None:
    _song("a.wav")
    result = _separate("a.wav", "-o", "out", *arguments)
    assert result.exit_code == 2
    assert not Path("out").exists()


def test_no_songs_and_no_folder_are_wrong_usage() -> None:
    assert _separate("-o", "out").exit_code == 2
    assert _separate("a.wav").exit_code == 2


def test_help_names_every_format() -> None:
    text = CliRunner().invoke(separate, ["--help"]).stdout
    assert f"[{'|'.join(get_args(OutputFormatName))}]" in text


def test_a_missing_model_says_how_to_get_it() -> None:
    _song("a.wav")
    result = CliRunner().invoke(separate, ["a.wav", "-o", "out", "--repository", "none"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith("Run: stemwright models import spleeter-2stems")
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_written_is_said_once() -> None:
    _song("a.wav")
    _song("b.wav")
    Path("file").touch()
    result = _separate("a.wav", "b.wav", "-o", "file/out")
    assert result.exit_code == 1
    assert result.stderr == "Error: file/out cannot be written: Not a directory.\n"


def test_a_report_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    _song("a.wav")
    result = _separate("a.wav", "-o", "out", "--report")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "pip install 'stemwright[report]'" in line
    assert not Path("out").exists()


# Folders and names


def test_of_a_folder_every_audio_file_is_taken_and_its_structure_mirrored() -> None:
    for path in ("Music/b.wav", "Music/Album/cd 2/01.wav", "Music/Album/cd 10/01.wav", "Music/a.wav"):
        _song(path)
    write_encoded(Path("Music/Album/no suffix"), music(0.3, 48000), 48000, "ogg", "libopus")
    Path("Music/cover.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    Path("Music/notes.txt").write_text("wide text", encoding="utf-16")  # its first bytes could begin an MP3
    write_silent_film(Path("Music/film.mp4"))
    _song("Music/.hidden/c.wav")
    _song("Music/._b.wav")
    result = _separate("Music/", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert [line.song for line in _lines(result)] == [
        "Music/a.wav",
        "Music/b.wav",
        "Music/Album/no suffix",
        "Music/Album/cd 10/01.wav",
        "Music/Album/cd 2/01.wav",
    ]
    assert _folders() == [
        "Music/Album/cd 10/01",
        "Music/Album/cd 2/01",
        "Music/Album/no suffix",
        "Music/a",
        "Music/b",
    ]


def test_the_folder_that_one_is_in_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _song("Music/Album/a.wav")
    Path("Link").symlink_to("Music/Album")
    monkeypatch.chdir(tmp_path / "Music" / "Album")
    assert _separate(".", "..", "../../Link", "-o", "../../out").exit_code == 0
    assert _folders("../../out") == ["Album/a"]
    assert _separate("../../Link", "-o", "../../out").exit_code == 0
    assert _folders("../../out") == ["Album/a", "Link/a"]


def test_a_broken_song_in_a_folder_is_reported() -> None:
    _song("Music/a.wav")
    Path("Music/b.mp3").touch()
    result = _separate("Music", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr == "Music/b.mp3: The file is empty. [audio_empty]\n"
    assert _folders() == ["Music/a"]


def test_a_folder_without_audio_is_an_error() -> None:
    Path("Papers").mkdir()
    Path("Papers/letter.txt").write_text("Dear reader")
    result = _separate("Papers", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr == "Papers: There is no audio in this folder. [folder_without_songs]\n"


@pytest.mark.parametrize("out", ["Music/stems", "Music"])
def test_stems_are_not_separated_again(out: str) -> None:
    _song("Music/a.wav")
    assert _separate("Music", "-o", out).exit_code == 0
    second = _separate("Music", "-o", out, "--json")
    third = _separate("Music", "-o", "elsewhere", "--json")
    assert [[line.song for line in _lines(result)] for result in (second, third)] == [["Music/a.wav"]] * 2


def test_equal_names_get_folders_of_their_own() -> None:
    paths = ("x/song.wav", "y/song.wav", "y/Song.wav", "Album/song.wav", "Other/Album/song.wav")
    for seed, path in enumerate(paths):
        _song(path, seed=seed)
    result = _separate(*paths[:3], "Album", "Other/Album", "x/../x/song.wav", "-o", "out", "--json")
    assert {line.song: line.folder for line in _lines(result)} == {
        "x/song.wav": "out/song",
        "y/song.wav": "out/song (2)",
        "y/Song.wav": "out/Song (3)",
        "Album/song.wav": "out/Album/song",
        "Other/Album/song.wav": "out/Album/song (2)",
    }
    assert len({read(path).tobytes() for path in Path("out").rglob("vocals.flac")}) == 5


def test_a_song_that_is_called_like_a_stem_is_not_written_over() -> None:
    song = _song("vocals/vocals.wav")
    before = song.read_bytes()
    result = _separate("vocals/vocals.wav", "-o", ".", "--format", "wav")
    assert result.exit_code == 0, result.output
    assert song.read_bytes() == before
    assert _folders(".") == ["vocals (2)"]


def test_names_never_lead_out_of_the_folder() -> None:
    for name in ("..wav", "...wav"):
        _song(f"in/{name}")
    assert _separate("in/..wav", "in/...wav", "-o", "out").exit_code == 0
    assert _folders() == ["song", "song (2)"]


def test_strange_names_do_not_break_the_lines() -> None:
    _song("a.wav")
    names = ["two\nlines.wav", "\x1b[31mred.wav", "日本 $x$.wav", os.fsdecode(b"latin-\xe9.wav")]
    for name in names:
        Path(name).write_bytes(Path("a.wav").read_bytes())
    result = _separate(*names, "-o", "out")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:4]] == [
        "two\ufffdlines.wav",
        "\ufffd[31mred.wav",
        "日本 $x$.wav",
        "latin-\ufffd.wav",
    ]
    assert len(_lines(_separate(*names, "-o", "out", "--json"))) == 4


def test_a_pipe_is_refused_without_waiting_for_it() -> None:
    os.mkfifo("pipe.wav")
    result = _separate("pipe.wav", "-o", "out")
    assert result.stderr == "pipe.wav: The file cannot be read: not a regular file. [file_unreadable]\n"


# Again


def test_skip_existing_keeps_what_is_there() -> None:
    _song("Music/a.wav")
    _song("Music/b.wav", seed=1)
    assert _separate("Music/a.wav", "Music", "-o", "out").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}
    _song("Music/c.wav", seed=2)
    result = _separate("Music/a.wav", "Music", "-o", "out", "--skip-existing")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "a.wav: there already -> out/a"
    assert result.stdout.splitlines()[-1].startswith("1 song separated, 2 there already: 0.3 s in ")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    again = _lines(_separate("Music/a.wav", "-o", "out", "--skip-existing", "--json"))
    assert [(line.status, line.manifest is not None) for line in again] == [("reused", True)]


def test_more_stems_than_wanted_are_enough() -> None:
    _song("a.wav")
    _separate("a.wav", "-o", "out")
    (line,) = _lines(_separate("a.wav", "-o", "out", "--skip-existing", "--json", "--stems", "vocals"))
    assert line.status == "reused"


@pytest.mark.parametrize(("first", "second"), [("0.2:9", "0.2:7"), ("0.1:0.2", "0.1:0.2"), (":9", "0:3")])
def test_a_window_is_the_same_where_its_samples_are(first: str, second: str) -> None:
    _song("a.wav")
    _separate("a.wav", "-o", "out", "--preview", first)
    (line,) = _lines(_separate("a.wav", "-o", "out", "--skip-existing", "--json", "--preview", second))
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
    _song("a.wav")
    _separate("a.wav", "-o", "out")
    (line,) = _lines(_separate("a.wav", "-o", "out", "--skip-existing", "--json", *wish))
    assert line.status == "done"


@pytest.mark.parametrize("change", ["song", "stem", "stem gone", "manifest", "settings", "model"])
def test_skip_existing_separates_where_something_has_changed(change: str, tmp_path: Path) -> None:
    _song("a.wav")
    _separate("a.wav", "-o", "out")
    stem, manifest = Path("out/a/vocals.flac"), Path("out/a/manifest.json")
    wish: list[str] = []
    match change:
        case "song":
            _song("a.wav", seed=7)
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
    (line,) = _lines(_separate("a.wav", "-o", "out", "--skip-existing", "--json", *wish))
    assert line.status == "done"


def test_without_skip_existing_stems_are_replaced() -> None:
    _song("a.wav")
    _separate("a.wav", "-o", "out")
    before = Path("out/a/vocals.flac").stat().st_ino
    Path("out/a/report.png").write_bytes(b"a picture of the former stems")
    result = _separate("a.wav", "-o", "out")
    assert result.exit_code == 0
    assert Path("out/a/vocals.flac").stat().st_ino != before
    assert not Path("out/a/report.png").exists()


# Pictures


def test_report_draws_a_picture_and_says_where() -> None:
    pytest.importorskip("matplotlib")
    _song("a.wav")
    (line,) = _lines(_separate("a.wav", "-o", "out", "--report", "--json"))
    assert line.report == "out/a/report.png"
    first = Path("out/a/report.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    Path("out/a/report.png").unlink()
    (line,) = _lines(_separate("a.wav", "-o", "out", "--report", "--json", "--skip-existing"))
    assert line.status == "reused"
    assert Path("out/a/report.png").read_bytes() == first


# A full disk


def test_a_full_disk_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class FullDisk(EnergyModel):
        """Stands for a disk that is full by the time of the second song."""

        def fractions(self, magnitudes: Samples) -> Samples:
            if self.rests:
                raise OSError(28, "No space left on device")
            return super().fractions(magnitudes)

    songs = [Song(_song(f"{name}.wav"), tmp_path / "out" / name) for name in "abc"]
    order = Order(("vocals",), None, OutputFormat(), SeparationSettings())
    batch = Batch(songs, FullDisk(), Wishes(order))
    batch.run(lambda: False)
    assert [outcome.status for outcome in batch.outcomes] == ["done", "failed"]
    assert (
        "b.wav: The stems cannot be written: No space left on device. [output_write_failed]" in capsys.readouterr().err
    )
    assert _folders() == ["a"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.46, "9.5 s"), (59.97, "1:00"), (200.4, "3:20"), (3599.6, "1:00:00"), (3723, "1:02:03")],
)
def test_times_are_written_as_people_read_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# Models


def test_models_list_and_verify(model_repository: ModelRepository) -> None:
    for command in (["list"], ["verify"], ["verify", "spleeter-2stems"]):
        result = CliRunner().invoke(models, [*command, "--repository", str(model_repository.path)])
        assert result.exit_code == 0
        assert result.stdout.startswith("spleeter-2stems  sha256:")
    result = CliRunner().invoke(models, ["verify", "none", "--repository", str(model_repository.path)])
    assert result.exit_code == 1
