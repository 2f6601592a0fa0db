"""``stemwright separate``: no name, no song and no fault of ours ends a run over many songs."""

import json
import os
from pathlib import Path

import pytest

from separation import OutputFormat, SeparationSettings
from separation.cli.batch import Batch, RunOptions
from separation.cli.reuse import Order
from separation.cli.songs import Song
from tests.separation.cli.running import separate, song_lines, stem_folders, write_song
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples

NAMES = ["Песня.wav", "日本.wav", os.fsdecode(b"caf\xe9.wav"), "🎵.wav"]


@pytest.fixture
def _songs() -> None:
    song = write_song("zz.wav").read_bytes()
    for name in NAMES:
        Path(name).write_bytes(song)


@pytest.mark.usefixtures("_songs")
@pytest.mark.parametrize("charset", ["latin-1", "ascii", "cp1252"])
def test_names_that_an_encoding_lacks_are_written_with_replacements(charset: str) -> None:
    result = separate(*NAMES, "нет.wav", "zz.wav", "-o", "o", charset=charset)
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert len(stem_folders("o")) == 5
    assert "[file_unreadable]" in result.stderr
    assert result.stdout.splitlines()[-3].startswith("zz.wav: ")
    if charset != "ascii":  # which Click takes for an environment that says nothing
        assert result.stdout.splitlines()[0].startswith("?????.wav: ")


@pytest.mark.usefixtures("_songs")
@pytest.mark.parametrize("charset", ["latin-1", "ascii", "utf-8"])
def test_in_json_no_name_is_lost(charset: str) -> None:
    result = separate(*NAMES, "нет.wav", "-o", "о", "--json", charset=charset)
    lines = [json.loads(line) for line in result.stdout_bytes.decode(charset).splitlines()]
    whole = [name.encode(errors="surrogateescape").decode(errors="replace") for name in NAMES]
    assert [line["song"] for line in lines] == [*whole, "нет.wav"]
    assert lines[0]["folder"] == "о/Песня"
    assert len(song_lines(separate(*NAMES, "-o", "о", "--json"))) == len(NAMES)


def test_a_message_with_a_name_that_is_no_text_can_be_told() -> None:
    name = os.fsdecode(b"caf\xe9")
    write_song(f"{name}.wav")
    Path("o").mkdir()
    Path("o", name).touch()
    (line,) = song_lines(separate(f"{name}.wav", "-o", "o", "--json"))
    assert line.error
    assert line.error.code == "output_write_failed"
    assert "caf\ufffd" in line.error.message


def test_a_report_of_a_song_with_any_name() -> None:
    pytest.importorskip("matplotlib")
    song = write_song("zz.wav").read_bytes()
    names = [*NAMES[1:], "two\nlines $x$.wav"]
    for name in names:
        Path(name).write_bytes(song)
    result = separate(*names, "-o", "o", "--report")
    assert result.exit_code == 0, result.output
    assert len(list(Path("o").rglob("report.png"))) == len(names)


def test_a_name_too_long_for_its_folder_fails_alone() -> None:
    long = "x" * 254  # without a suffix, so that the folder of the second one, numbered, has too long a name
    write_song("a.wav").rename(long)
    Path("in").mkdir()
    Path("in", long).write_bytes(Path(long).read_bytes())
    write_song("b.wav")
    result = separate(long, f"in/{long}", "b.wav", "-o", "o", "--json")
    lines = song_lines(result)
    assert result.exit_code == 1
    assert [line.status for line in lines] == ["done", "failed", "done"]
    assert lines[1].error
    assert lines[1].error.code == "output_write_failed"


def test_a_fault_of_the_program_is_told_and_ends_one_song_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Faulty(EnergyModel):
        def fractions(self, magnitudes: Samples) -> Samples:
            if self.rests == 1:
                raise ValueError("operands could not be broadcast together")
            return super().fractions(magnitudes)

    songs = [Song(write_song(f"{name}.wav"), tmp_path / "o" / name) for name in "abc"]
    batch = Batch(songs, Faulty(), RunOptions(Order(("vocals",), None, OutputFormat(), SeparationSettings())))
    batch.run(lambda: False)
    assert [outcome.status for outcome in batch.outcomes] == ["done", "failed", "done"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("b.wav: This is a fault of the program: ValueError: operands could not be broadcast")
    assert "(test_names.py:" in line
    assert line.endswith("[separation_failed]")
    assert stem_folders("o") == ["a", "c"]
