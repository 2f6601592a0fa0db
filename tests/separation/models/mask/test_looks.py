"""Looks at a patch: transposed, and at the level of a master."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from separation import OutputFormat, Window, separate
from separation.models.mask.looks import Transposition, joint_fractions, level_dbfs, levelled, presence
from separation.models.separator import MaskModel
from separation.settings import SeparationSettings
from separation.spectral.loops import magnitudes
from separation.spectral.stft import StreamingStft
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, read, write_wav

BINS, FFT = 1024, 4096
# A patch is neither lifted nor faded.
AS_IT_IS = SeparationSettings(levels_dbfs=None, presence_floor_db=None)


def _harmonics(pitch: float, bins: int = BINS) -> NDArray[np.float32]:
    """Peaks as wide as those of a Hann window at multiples of ``pitch``, in bins."""
    places = np.arange(bins)[:, None] - pitch * np.arange(1, int(bins / pitch))
    peaks: NDArray[np.float32] = (np.cos(np.pi * places.clip(-2, 2) / 4) ** 2).sum(axis=1).astype(np.float32)
    return peaks


@pytest.mark.parametrize("ratio", [0.9, 1.06, 1.12])
def test_a_look_at_another_pitch_shows_the_same_harmonics_there(ratio: float) -> None:
    look = Transposition(ratio, BINS, 256)
    seen = look.applied(_harmonics(20.0))
    for harmonic in (1, 5, 8):
        place = harmonic * 20 * ratio
        around = np.arange(int(place) - 4, int(place) + 6)
        centre = (seen[around] * around).sum() / seen[around].sum()
        assert abs(centre - place) < 0.05
    assert seen.min() >= 0


def test_a_transposition_by_more_than_an_octave_is_refused() -> None:
    with pytest.raises(ValueError, match="octave"):
        Transposition(2.5, BINS, 256)


class Shares(EnergyModel):
    """Answers the magnitudes themselves; from the second call on, one less each time."""

    def __init__(self, second: float = 1.0) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []
        self._second = second

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        vocals = magnitudes * (self._second if self.seen else 1)
        self.seen.append(magnitudes.shape)
        return np.stack([vocals, 1 - vocals], axis=1)


@pytest.mark.parametrize(("ratio", "bins"), [(1.12, 256), (1.06, 1024), (0.9, 256), (0.9, 1024)])
def test_looks_that_agree_change_nothing(ratio: float, bins: int) -> None:
    smooth = (0.5 + 0.4 * np.sin(np.arange(BINS) / 30)).astype(np.float32) * np.ones((2, 512, 1), np.float32)
    model = Shares()
    settings = replace(AS_IT_IS, transpositions=(ratio, ratio), transposed_bins=bins)
    fractions = joint_fractions(model, smooth, settings)
    inner = slice(2, int(BINS * min(ratio, 1)) - 2)  # silence stands above what the original has
    assert fractions.shape == (2, 1, 512, BINS)  # left and right share one
    np.testing.assert_allclose(fractions[0, ..., inner], smooth[:1, ..., inner], atol=2e-3)
    np.testing.assert_allclose(fractions.sum(axis=0)[..., inner], 1, atol=1e-5)
    assert model.seen == [(1, 2, 512, BINS)] + [(1, 2, 512, bins)] * 2


def test_a_look_counts_in_its_band_and_fades_towards_its_edge() -> None:
    flat = np.ones((2, 512, BINS), np.float32)
    settings = replace(AS_IT_IS, transpositions=(1.12,), transposed_bins=256)
    fractions = joint_fractions(Shares(0.0), flat, settings)
    vocals = fractions[0, 0, 0]
    edge = int(255 / 1.12) + 1
    np.testing.assert_allclose(vocals[: edge - 32], 1 / 1.6, rtol=1e-6)
    assert (np.diff(vocals[edge - 32 : edge]) > 0).all()
    assert (vocals[edge:] == 1).all()


def test_without_further_looks_the_networks_are_asked_once() -> None:
    channel = np.random.default_rng(0).random((1, 512, BINS)).astype(np.float32)
    patch, model = channel.repeat(2, axis=0), Shares()
    assert np.array_equal(joint_fractions(model, patch, replace(AS_IT_IS, transpositions=()))[0], channel)
    assert len(model.seen) == 1


def test_the_vocals_fade_where_nobody_sings() -> None:
    mixture = np.ones(512)
    vocals = np.full(512, 0.25)
    vocals[:200] = 1e-4
    gain = presence(vocals, mixture, -26)
    assert (gain[:100] < 0.01).all()
    assert (gain[300:] > 0.99).all()
    assert (np.diff(gain) >= 0).all()
    np.testing.assert_allclose(presence(10**-2.6 * mixture, mixture, -26), 0.5, rtol=1e-3)
    assert not presence(0 * mixture, 0 * mixture, -26).any()


class HearsIn(EnergyModel):
    """Vocals of half the magnitude in some of the frames; another look may hear them elsewhere."""

    def __init__(self, *looks: slice) -> None:
        super().__init__()
        self._looks = list(looks)

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        vocals = np.zeros_like(magnitudes)
        vocals[:, :, self._looks.pop(0)] = 0.5
        return np.stack([vocals, 1 - vocals], axis=1)


def test_nobody_sings_where_the_first_look_finds_nobody() -> None:
    flat = np.ones((2, 512, BINS), np.float32)
    settings = SeparationSettings(transpositions=(1.12,), transposed_bins=1024)
    fractions = joint_fractions(HearsIn(slice(0, 250), slice(0, 512)), flat, settings)
    assert fractions[0, :, 400:].max() < 1e-3
    assert fractions[1, :, 400:].min() > 1 - 1e-3
    np.testing.assert_allclose(fractions[0, :, :150, :800], 0.5, atol=0.01)
    ungated = replace(settings, presence_floor_db=None)
    kept = joint_fractions(HearsIn(slice(0, 250), slice(0, 512)), flat, ungated)
    assert kept[0, 0, 450, 100] > 0.1


def test_where_somebody_sings_both_looks_count() -> None:
    flat = np.ones((2, 512, BINS), np.float32)
    settings = SeparationSettings(transpositions=(1.12,), transposed_bins=1024)
    fractions = joint_fractions(HearsIn(slice(0, 512), slice(0, 250)), flat, settings)
    np.testing.assert_allclose(fractions[0, :, 300:, 100], 0.5 / 1.6, rtol=0.01)


def test_the_level_of_a_patch_is_that_of_its_samples() -> None:
    hum = np.sin(np.arange(40 * 1024)[:, None] * np.array([0.05, 0.07])).astype(np.float32) * np.float32(0.1)
    spectra = StreamingStft(2, FFT, 1024).push(hum)[8:-8, :, :BINS]
    patch = magnitudes(np.ascontiguousarray(spectra))
    assert level_dbfs(patch, FFT) == pytest.approx(20 * math.log10(0.1) - 3.01, abs=0.01)
    assert level_dbfs(0 * patch, FFT) == -math.inf


def test_only_patches_beyond_the_levels_are_changed_and_lifted_by_no_more_than_eight_bits() -> None:
    patch = np.random.default_rng(0).random((2, 512, BINS)).astype(np.float32)
    level = level_dbfs(patch, FFT)
    assert levelled(patch, FFT, (level - 0.1, level + 0.1)) is patch
    for levels, expected in [((30, 40), level + 30), ((90, 99), level + 48), ((-90, -80), level - 80)]:
        changed = levelled(patch, FFT, (level + levels[0], level + levels[1]))
        assert level_dbfs(changed, FFT) == pytest.approx(expected, abs=1e-3)
    silence = 0 * patch
    assert levelled(silence, FFT, (-18, -12)) is silence


@pytest.mark.parametrize(("level", "change"), [(-18, -30), (-12, 20)])
def test_a_patch_at_another_level_is_answered_as_the_same_music_in_a_master(
    spleeter_model: MaskModel, level: float, change: float
) -> None:
    frames = magnitudes(np.ascontiguousarray(StreamingStft(2, FFT, 1024).push(music(13))[:512, :, :BINS]))
    patch = np.ascontiguousarray(frames.swapaxes(0, 1))
    patch *= np.float32(10 ** ((level - level_dbfs(patch, FFT)) / 20))
    changed = patch * np.float32(10 ** (change / 20))
    as_before = joint_fractions(spleeter_model, changed.copy(), replace(SeparationSettings(), levels_dbfs=None))
    master, answer = (joint_fractions(spleeter_model, seen, SeparationSettings()) for seen in (patch, changed))
    np.testing.assert_allclose(answer, master, atol=1e-3)
    assert np.abs(as_before - master).max() > 0.1


def test_a_window_of_quiet_music_is_that_of_the_whole(tmp_path: Path, energy_model: EnergyModel) -> None:
    song = write_wav(tmp_path / "song.wav", music(13) * np.float32(0.003), bits=32, times=3)
    exact = OutputFormat("wav", 32)
    separate(song, tmp_path / "whole", model=energy_model, output=exact)
    separate(song, tmp_path / "part", model=energy_model, output=exact, window=Window(17, 23))
    whole, part = (read(tmp_path / name / "vocals.wav") for name in ("whole", "part"))
    assert np.array_equal(part, whole[17 * 44100 : 23 * 44100])
    assert part.any()
