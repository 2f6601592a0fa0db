"""``stemwright separate`` through the real command, with a network that costs nothing."""

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from separation import OutputFormat, SeparationSettings
from separation import cli as commands
from separation.cli.batch import Batch, RunOptions
from separation.cli.reuse import Order
from separation.cli.songs import Song
from separation.cli.wording import duration
from separation.manifest import Manifest
from separation.settings import OutputFormatName
from tests.separation.cli.running import separate, song_lines, stem_folders, write_song
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples, music, read, write_encoded, write_wav


def test_two_lines_a_song_and_a_summary() -> None:
    write_song("first.wav", 0.7)
    write_song("second.wav", 1.5)
    result = separate("first.wav", "second.wav", "-o", "out", "--format", "wav", "--bit-depth", 24)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    first, words, second, _, summary = result.stdout.splitlines()
    assert re.fullmatch(r"first\.wav: 0\.7 s separated in [\d.]+ s", first)
    assert words == "  vocals + instrumental = the song, exactly -> out/first"
    assert second.startswith("second.wav: 1.5 s separated in ")
    assert re.fullmatch(r"2 songs separated in [\d.]+ s \(0:02 of music\)", summary)
    assert sorted(path.name for path in Path("out/second").iterdir()) == [
        "instrumental.wav",
        "manifest.json",
        "vocals.wav",
        "waveforms.json",
    ]


def test_a_failure_is_one_line_on_standard_error_and_the_others_are_separated() -> None:
    Path("empty.mp3").touch()
    write_song("a.wav")
    result = separate("empty.mp3", "none.wav", "a.wav", "-o", "out/deep")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "empty.mp3: The file is empty. [audio_empty]",
        "none.wav: The file cannot be read: No such file or directory. [file_unreadable]",
    ]
    assert result.stdout.splitlines()[-1].startswith("1 song separated, 2 failed in ")
    assert stem_folders("out/deep") == ["a"]
    assert [path.name for path in Path("out/deep").iterdir()] == ["a"]


def test_nothing_remains_where_no_song_could_be_separated() -> None:
    Path("letter.mp3").write_text("not a song")
    result = separate("letter.mp3", "-o", "out/deep")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert not Path("out").exists()


def test_json_has_one_object_per_song_and_nothing_else() -> None:
    Path("letter.mp3").write_text("not a song")
    write_song("a.wav", 1.5)
    arguments = ["--json", "--preview", "0.5:1", "--stems", "vocals", "-o", "out"]
    result = separate("letter.mp3", "a.wav", "none.wav", *arguments)
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = song_lines(result)
    assert [(line.song, line.folder, line.status) for line in lines] == [
        ("letter.mp3", "out/letter/preview 0.5s-1s", "failed"),
        ("a.wav", "out/a/preview 0.5s-1s", "done"),
        ("none.wav", "out/none/preview 0.5s-1s", "failed"),
    ]
    assert [line.error and line.error.code for line in lines] == ["audio_unsupported_format", None, "file_unreadable"]
    manifest = lines[1].manifest
    assert manifest == Manifest.from_json(Path("out/a/preview 0.5s-1s/manifest.json").read_bytes())
    assert [(stem.file, stem.duration_seconds) for stem in manifest.stems] == [("vocals.flac", 0.5)]
    assert lines[1].files
    assert lines[1].files["vocals"] == "out/a/preview 0.5s-1s/vocals.flac"
    assert len(read(Path(lines[1].files["vocals"]))) == 22050


def test_notes_tell_what_a_listener_would_wonder_about() -> None:
    write_wav(Path("silence.wav"), 0 * music(0.5))
    whole = write_encoded(Path("cut.flac"), music(0.5), 44100, "flac", "flac").read_bytes()
    Path("cut.flac").write_bytes(whole[: len(whole) // 2])
    result = separate("silence.wav", "cut.flac", "-o", "out")
    lines = result.stdout.splitlines()
    assert lines[2:4] == ["  note: vocals silent", "  note: instrumental silent"]
    assert lines[6] == "  note: the file is damaged or ends early"


def test_the_wishes_reach_the_engine() -> None:
    write_song("a.wav", 0.5)
    result = separate(
        "a.wav", "-o", "out", "--json", "--overs", "scale", "--format", "mp3", "--bitrate", 128, "--threads", 1,
        "--stems", "mixture,vocals",
    )  # fmt: skip
    (line,) = song_lines(result)
    assert line.manifest
    assert line.manifest.settings == {**asdict(SeparationSettings()), "overs": "scale"}
    assert [(stem.name, stem.format, stem.bitrate_kbps) for stem in line.manifest.stems] == [
        ("mixture", "mp3", 128),
        ("vocals", "mp3", 128),
    ]


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
        ["--threads", "0"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: Sequence[str]) -> None:
    write_song("a.wav")
    result = separate("a.wav", "-o", "out", *arguments)
    assert result.exit_code == 2
    assert not Path("out").exists()


def test_without_a_folder_stems_go_to_stems() -> None:
    write_song("a.wav")
    assert separate("a.wav").exit_code == 0
    assert stem_folders("stems") == ["a"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "wav", "--bit-depth", 32], "vocals + instrumental = the song, to the last bit"),
        (["--format", "flac"], "vocals + instrumental = the song, to the last of 16 bits"),
        (["--format", "mp3"], "vocals + instrumental = the song, before its encoding as MP3"),
    ],
)
def test_the_sum_check_is_told_in_words(arguments: Sequence[object], words: str) -> None:
    write_encoded(Path("a.mp3"), music(0.5), 44100, "mp3", "libmp3lame")  # no whole numbers of 16 bits
    result = separate("a.mp3", *arguments)
    assert result.stdout.splitlines()[1] == f"  {words} -> stems/a"


def test_figures_are_for_those_who_ask() -> None:
    write_song("a.wav", 1)
    lines = separate("a.wav", "--verbose").stdout.splitlines()
    assert lines[2] == "  song: wav, pcm_s16le, 44100 Hz, 2 channels"
    assert re.fullmatch(r"  vocals: -[\d.]+ LUFS, peak -[\d.]+ dBFS, [\d.]+ MB", lines[3])
    assert re.fullmatch(r"  music: (no key|[A-G][#b]? (major|minor) \(\d+[AB]\)), no tempo", lines[5])
    assert lines[6] == "  sum: stems minus song exactly zero"
    assert lines[7].startswith("  model: tiny-2stems sha256:")
    assert "x real time" in lines[8]
    assert "total " in lines[9]


def test_help_names_every_format() -> None:
    text = CliRunner().invoke(commands.separate, ["--help"]).stdout
    assert f"[{'|'.join(get_args(OutputFormatName))}]" in text


def test_a_missing_model_says_how_to_get_it() -> None:
    write_song("a.wav")
    result = CliRunner().invoke(commands.separate, ["a.wav", "-o", "out", "--repository", "none"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith("Run: stemwright models import spleeter-2stems")
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_written_is_said_once() -> None:
    write_song("a.wav")
    write_song("b.wav")
    Path("file").touch()
    result = separate("a.wav", "b.wav", "-o", "file/out")
    assert result.exit_code == 1
    assert result.stderr == "Error: file/out cannot be written: Not a directory.\n"


def test_a_report_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    write_song("a.wav")
    result = separate("a.wav", "-o", "out", "--report")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "pip install 'stemwright[report]'" in line
    assert not Path("out").exists()


def test_report_draws_a_picture_and_says_where() -> None:
    pytest.importorskip("matplotlib")
    write_song("a.wav")
    (line,) = song_lines(separate("a.wav", "-o", "out", "--report", "--json"))
    assert line.report == "out/a/report.png"
    first = Path("out/a/report.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    Path("out/a/report.png").unlink()
    (line,) = song_lines(separate("a.wav", "-o", "out", "--report", "--json", "--skip-existing"))
    assert line.status == "reused"
    assert Path("out/a/report.png").read_bytes() == first


def test_a_full_disk_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class FullDisk(EnergyModel):
        """Stands for a disk that is full by the time of the second song."""

        def fractions(self, magnitudes: Samples) -> Samples:
            if self.rests:
                raise OSError(28, "No space left on device")
            return super().fractions(magnitudes)

    songs = [Song(write_song(f"{name}.wav"), tmp_path / "out" / name) for name in "abc"]
    order = Order(("vocals",), None, OutputFormat(), SeparationSettings())
    batch = Batch(songs, FullDisk(), RunOptions(order))
    batch.run(lambda: False)
    assert [outcome.status for outcome in batch.outcomes] == ["done", "failed"]
    assert (
        "b.wav: The stems cannot be written: No space left on device. [output_write_failed]" in capsys.readouterr().err
    )
    assert stem_folders() == ["a"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.46, "9.5 s"), (59.97, "1:00"), (200.4, "3:20"), (3599.6, "1:00:00"), (3723, "1:02:03")],
)
def test_times_are_written_as_people_read_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
