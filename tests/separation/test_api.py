"""The library: arrays to arrays, and the examples of its documents."""

import doctest
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import separation
from separation import OutputFormat, SeparationSettings, separate, separate_array
from separation.cli import separate as separate_command
from separation.errors import ModelError, NoSamples, UnknownStem, UnsupportedChannels, UnsupportedRate
from separation.models.repository import ModelRepository
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, read, to_16_bit, write_encoded, write_wav

_ROOT = Path(__file__).parents[2]


# Arrays


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (22050, 6)])
def test_arrays_are_what_the_files_hold(tmp_path: Path, energy_model: EnergyModel, rate: int, channels: int) -> None:
    song = write_wav(tmp_path / "song.wav", music(14, rate, channels), rate=rate)
    wishes = {"model": energy_model, "settings": SeparationSettings(wiener_share=0.3)}
    separate(song, tmp_path / "out", output=OutputFormat("wav", 32), **wishes)  # type: ignore[arg-type]
    stems = separate_array(read(song), rate, **wishes)  # type: ignore[arg-type]
    assert list(stems) == ["vocals", "instrumental"]
    for name, samples in stems.items():
        assert samples.dtype == np.float32
        assert np.array_equal(samples, read(tmp_path / "out" / f"{name}.wav"))


def test_arrays_sum_to_the_mixture(energy_model: EnergyModel) -> None:
    exact = to_16_bit(music(3))
    stems = separate_array(exact, 44100, model=energy_model)
    assert np.array_equal(stems["vocals"] + stems["instrumental"], exact)
    assert np.abs(stems["vocals"]).max() > 0.01
    loose = 0.3 * np.random.default_rng(0).standard_normal((44100, 2))
    stems = separate_array(loose, 44100, model=energy_model)
    larger = max(np.abs(samples).max() for samples in stems.values())
    assert np.abs(stems["vocals"] + stems["instrumental"] - np.float32(loose)).max() <= larger * 2.0**-24


def test_mono_may_have_one_axis(energy_model: EnergyModel) -> None:
    mono = music(1, channels=1)
    flat = separate_array(mono[:, 0], 44100, model=energy_model)["vocals"]
    assert flat.shape == (44100,)
    assert np.array_equal(flat, separate_array(mono, 44100, model=energy_model)["vocals"][:, 0])


def test_the_stems_that_are_asked_for_in_that_order(energy_model: EnergyModel) -> None:
    mixture = music(0.5)
    before = mixture.copy()
    stems = separate_array(mixture, 44100, model=energy_model, stems=["vocals", "mixture"])
    assert list(stems) == ["vocals", "mixture"]
    assert np.array_equal(stems["mixture"], before)
    stems["mixture"][:] = 0
    assert np.array_equal(mixture, before)
    assert energy_model.rests == 1


def test_arrays_that_cannot_be_separated(energy_model: EnergyModel) -> None:
    good = music(0.1)
    bad = good.copy()
    bad[7] = np.nan
    for mixture, rate, error, words in (
        (good, 7999, UnsupportedRate, "7999 Hz"),
        (good[:0], 44100, NoSamples, "no samples"),
        (good.T, 44100, UnsupportedChannels, "transpose"),
        (np.zeros((2, 10, 2)), 44100, ValueError, "(2, 10, 2)"),
        ((good * 32767).astype(np.int16), 44100, TypeError, "int16"),
        (bad, 44100, ValueError, "finite"),
        (good.astype(np.float64) * 1e300, 44100, ValueError, "finite"),
        (good * 1e13, 44100, ValueError, "within -256 and 256"),
        (-good * 1e5, 44100, ValueError, "within -256 and 256"),
    ):
        with pytest.raises(error, match=re.escape(words)):
            separate_array(mixture, rate, model=energy_model)
    rates: list[Any] = [44100.5, None, "44100", np.nan, np.inf]
    for rate_hz in rates:
        with pytest.raises(UnsupportedRate, match="whole number of Hz"):
            separate_array(good, rate_hz, model=energy_model)
    with pytest.raises(UnknownStem, match="'drums'"):
        separate_array(good, 44100, model=energy_model, stems=["drums"])
    assert energy_model.patches == 0


def test_the_loudest_array_that_is_allowed_has_finite_stems(energy_model: EnergyModel) -> None:
    loud = music(0.1)
    loud *= 256 / np.abs(loud).max()
    stems = separate_array(loud, 44100, model=energy_model)
    assert np.isfinite(stems["vocals"]).all()
    assert np.allclose(stems["vocals"] + stems["instrumental"], loud, atol=1e-4)


def test_a_model_without_vocals_is_refused() -> None:
    from dataclasses import replace

    class Drums(EnergyModel):
        manifest = replace(EnergyModel.manifest, stems=("drums", "rest"))

    with pytest.raises(ModelError, match="does not estimate vocals"):
        separate_array(music(0.1), 44100, model=Drums())


# Documents


@pytest.fixture
def _songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository) -> None:
    """A folder with what the examples speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(model_repository.path))
    write_encoded(Path("song.mp3"), music(3), 44100, "mp3", "libmp3lame")
    write_wav(Path("other.wav"), music(3, seed=1))
    (tmp_path / "Album").mkdir()
    write_wav(Path("Album/01.wav"), music(3, seed=2))
    Path("letter.mp3").write_text("not a song")


def _blocks(language: str, page: str) -> list[str]:
    """The examples on a page of ``docs``."""
    text = (_ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_every_public_name_is_there_and_on_the_page_of_the_package() -> None:
    for name in separation.__all__:
        assert getattr(separation, name).__name__ == name
    assert separation.__doc__
    assert [name for name in separation.__all__ if f"`{name}" not in separation.__doc__] == []


@pytest.mark.usefixtures("_songs")
def test_the_examples_of_the_package_run() -> None:
    assert separation.__doc__
    test = doctest.DocTestParser().get_doctest(separation.__doc__, {}, "separation", None, None)
    assert len(test.examples) > 10
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.usefixtures("_songs")
def test_the_examples_of_the_library_run() -> None:
    names: dict[str, object] = {}
    blocks = _blocks("python", "engine.md")
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/engine.md", "exec"), names)
    assert Path("stems/vocals.flac").exists()


@pytest.mark.usefixtures("_songs")
def test_the_examples_of_the_command_line_run() -> None:
    pytest.importorskip("matplotlib")
    commands = [line for block in _blocks("bash", "command-line.md") for line in block.splitlines()]
    assert len(commands) >= 3
    for command in commands:
        program, subcommand, *arguments = shlex.split(command, comments=True)
        assert (program, subcommand) == ("stemwright", "separate")
        result = CliRunner().invoke(separate_command, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
