"""With the real network: agreement with Spleeter itself, previews and repeats."""

from pathlib import Path

import numpy as np
import pytest

from separation.backends import MaskModel
from separation.engine import separate_file
from separation.settings import OutputFormat, SeparationSettings, Window
from tests.separation.conftest import VECTORS
from tests.separation.signals import Samples, music, read, to_16_bit, write_wav

FLOAT_WAV = OutputFormat("wav", 32)


def _sdr(reference: Samples, estimate: Samples) -> float:
    """Signal to distortion in dB, without any alignment or scaling."""
    reference = reference.astype(np.float64)
    return float(10 * np.log10(np.square(reference).sum() / np.square(reference - estimate).sum()))


@pytest.fixture(scope="module")
def spleeters_way(spleeter_model: MaskModel, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    out = tmp_path_factory.mktemp("spleeter")
    settings = SeparationSettings.spleeter()
    separate_file(VECTORS / "hydrogen_195s.mp3", out, model=spleeter_model, output=FLOAT_WAV, settings=settings)
    return read(out / "vocals.wav")


@pytest.mark.parametrize("seconds", ["1.0", "11.4"])
def test_with_spleeters_settings_the_vocals_are_spleeters(spleeters_way: Samples, seconds: str) -> None:
    reference = read(VECTORS / f"vocals_from_{seconds}s.flac")
    begin = round(float(seconds) * 44100)
    assert _sdr(reference, spleeters_way[begin : begin + len(reference)]) > 60


def test_previews_and_repeats_with_the_real_network(spleeter_model: MaskModel, tmp_path: Path) -> None:
    source = write_wav(tmp_path / "song.wav", to_16_bit(music(14, 48000)), rate=48000)
    whole = separate_file(source, tmp_path / "whole", model=spleeter_model)
    again = separate_file(source, tmp_path / "again", model=spleeter_model)
    assert [stem.sha256 for stem in whole.stems] == [stem.sha256 for stem in again.stems]
    separate_file(source, tmp_path / "part", model=spleeter_model, window=Window(9.5, 11))
    for stem in ("vocals.flac", "instrumental.flac"):
        expected = read(tmp_path / "whole" / stem)[round(9.5 * 48000) : 11 * 48000]
        assert np.array_equal(read(tmp_path / "part" / stem), expected)
