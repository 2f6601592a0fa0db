"""What becomes of what lies where stems are to be written."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from separation.errors import OutputNamesClash, OutputReplacesInput, OutputWriteFailed, RequestError
from separation.manifest import Manifest
from separation.settings import OutputFormat
from separation.stream.job import separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, write_encoded, write_wav

WAV = OutputFormat("wav")


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(0.3))


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_stems_of_another_format_are_replaced_too(tmp_path: Path, energy_model: EnergyModel, short: Path) -> None:
    out = tmp_path / "out"
    separate_file(short, out, model=energy_model, stems=("vocals", "instrumental", "mixture"))
    (out / "report.png").write_bytes(b"of what is gone")
    (out / "letter.txt").write_bytes(b"mine")
    separate_file(short, out, model=energy_model, output=WAV, stems=("vocals",))
    assert sorted(everything(out)) == ["letter.txt", "manifest.json", "vocals.wav", "waveforms.json"]


def test_nothing_goes_that_we_did_not_write(tmp_path: Path, energy_model: EnergyModel, short: Path) -> None:
    """A stem that was worked on since, and whatever a manifest claims."""
    out = tmp_path / "out"
    manifest = separate_file(short, out, model=energy_model)
    (out / "vocals.flac").write_bytes(b"worked on since")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    stems = [stem.model_copy(update={"name": "mine", "file": "../mine.txt"}) for stem in manifest.stems[1:]]
    lying = manifest.model_copy(update={"stems": (manifest.stems[0], *stems)})
    (out / "manifest.json").write_text(lying.to_json())
    separate_file(short, out, model=energy_model, output=WAV)
    assert (out / "vocals.flac").read_bytes() == b"worked on since"
    assert (tmp_path / "mine.txt").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["instrumental.flac", "vocals.flac", "waveforms.json", "manifest.json"])
def test_a_folder_in_the_way_leaves_everything_as_it_was(
    tmp_path: Path, energy_model: EnergyModel, short: Path, name: str
) -> None:
    out = tmp_path / "out"
    separate_file(short, out, model=energy_model)
    (out / name).unlink()
    (out / name).mkdir()
    before, patches = everything(out), energy_model.patches
    with pytest.raises(OutputWriteFailed, match=name):
        separate_file(write_wav(tmp_path / "b.wav", music(0.3, seed=1)), out, model=energy_model)
    assert everything(out) == before
    assert (out / name).is_dir()
    assert energy_model.patches == patches  # nothing was computed for it


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "a stem that is a link to it"])
def test_a_song_is_not_written_over(tmp_path: Path, energy_model: EnergyModel, way: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    song = out / "vocals.flac"
    write_encoded(song, music(0.3), 44100, "flac", "flac")
    given = song if way == "itself" else tmp_path / "song"
    if way == "symbolic link":
        given.symlink_to(song)
    elif way == "hard link":
        given.hardlink_to(song)
    elif way == "a stem that is a link to it":
        song.rename(given)
        song.symlink_to(given)
    before = song.read_bytes()
    with pytest.raises(OutputReplacesInput, match="the song itself"):
        separate_file(given, out, model=energy_model)
    assert song.read_bytes() == given.read_bytes() == before
    assert energy_model.patches == 0
    separate_file(given, out, model=energy_model, output=WAV)
    assert song.read_bytes() == before


def test_a_stem_that_is_itself_separated_stays(tmp_path: Path, energy_model: EnergyModel, short: Path) -> None:
    """Though the manifest beside it calls it ours, and another format would take its place."""
    out = tmp_path / "out"
    separate_file(short, out, model=energy_model)
    before = (out / "vocals.flac").read_bytes()
    separate_file(out / "vocals.flac", out, model=energy_model, output=WAV)
    assert (out / "vocals.flac").read_bytes() == before
    assert not (out / "instrumental.flac").exists()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_rights_that_the_user_gives_to_files(
    tmp_path: Path, energy_model: EnergyModel, short: Path, mask: int, mode: int
) -> None:
    before = os.umask(mask)
    try:
        separate_file(short, tmp_path / "out", model=energy_model)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {mode}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~mask


def test_a_manifest_is_never_beside_stems_of_another_song(
    tmp_path: Path, energy_model: EnergyModel, short: Path
) -> None:
    """Where one file cannot be moved (here: it is gone when its turn comes) the others go back."""
    out = tmp_path / "out"
    first = separate_file(short, out, model=energy_model)
    before = everything(out)

    class Thief(EnergyModel):
        """Takes a finished stem away before the set is published."""

        def rest(self) -> None:
            (stolen,) = out.glob(".partial-*/instrumental.flac")
            stolen.unlink()

    with pytest.raises(OutputWriteFailed):
        separate_file(write_wav(tmp_path / "b.wav", music(0.3, seed=1)), out, model=Thief())
    assert everything(out) == before
    assert Manifest.from_json((out / "manifest.json").read_bytes()) == first
    shutil.rmtree(out)


# Names


def test_files_have_the_names_that_are_wished_and_the_manifest_says_them(
    tmp_path: Path, energy_model: EnergyModel
) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    out = tmp_path / "out"
    manifest = separate_file(song, out, model=energy_model, file_name=lambda name: f"A - T ({name})")
    assert sorted(path.name for path in out.iterdir()) == [
        "A - T (instrumental).flac",
        "A - T (manifest).json",
        "A - T (vocals).flac",
        "A - T (waveforms).json",
    ]
    assert [stem.file for stem in manifest.stems] == ["A - T (vocals).flac", "A - T (instrumental).flac"]
    assert manifest.waveforms.file == "A - T (waveforms).json"
    assert Manifest.from_json((out / "A - T (manifest).json").read_bytes()) == manifest


def test_songs_of_other_names_share_a_folder_and_replace_only_their_own(
    tmp_path: Path, energy_model: EnergyModel
) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    for name in ("A", "B", "A"):
        separate_file(song, tmp_path, model=energy_model, stems=["vocals"], file_name=f"{name} {{}}".format)
    (tmp_path / "B report.png").touch()
    separate_file(song, tmp_path, model=energy_model, output=OutputFormat("wav"), file_name="B {}".format)
    assert sorted(path.name for path in tmp_path.iterdir() if path != song) == [
        "A manifest.json",
        "A vocals.flac",
        "A waveforms.json",
        "B instrumental.wav",
        "B manifest.json",
        "B vocals.wav",
        "B waveforms.json",
    ]


@pytest.mark.parametrize(
    ("name", "error"),
    [("x".format, OutputNamesClash), ("a/{}".format, RequestError), ("../{}".format, RequestError)],
)
def test_names_that_cannot_be_are_refused_before_any_work(
    tmp_path: Path, energy_model: EnergyModel, name: Callable[[str], str], error: type[Exception]
) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    with pytest.raises(error):
        separate_file(song, tmp_path / "out", model=energy_model, file_name=name)
    assert energy_model.patches == 0
    assert not (tmp_path / "out").exists()
