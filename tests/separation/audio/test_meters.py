"""Loudness and waveforms against known answers."""

import numpy as np
import pytest

from separation.audio.loudness import LoudnessMeter, channel_weights
from separation.audio.peaks import MAX_PEAKS, WaveformMeter
from tests.separation.signals import Samples, music

STEREO = ("FL", "FR")


def _sine(dbfs: float, seconds: float, rate: int = 48000, frequency: float = 997) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return np.asarray(10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * time), np.float32)[:, None]


def _loudness(samples: Samples, rate: int, names: tuple[str, ...], block: int = 66_150) -> float | None:
    meter = LoudnessMeter(rate, names)
    for begin in range(0, len(samples), block):
        meter.push(np.ascontiguousarray(samples[begin : begin + block].T))
    return meter.integrated_lufs()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
def test_full_scale_sine_in_one_channel(rate: int) -> None:
    """BS.1770-4: 0 dBFS at 997 Hz in one front channel reads -3.01."""
    assert _loudness(_sine(0, 3, rate), rate, ("FC",)) == pytest.approx(-3.01, abs=0.05)


def test_stereo_sine_at_minus_23() -> None:
    """EBU Tech 3341, case 1: both channels at -23 dBFS read -23.0 +-0.1."""
    assert _loudness(np.repeat(_sine(-23, 20), 2, axis=1), 48000, STEREO) == pytest.approx(-23, abs=0.1)


def test_gates() -> None:
    """EBU Tech 3341, case 3: quiet stretches at -36 dBFS around 60 s at -23 dBFS do not count."""
    mono = np.concatenate([_sine(-36, 10), _sine(-23, 60), _sine(-36, 10)])
    assert _loudness(np.repeat(mono, 2, axis=1), 48000, STEREO) == pytest.approx(-23, abs=0.1)


def test_surround_weights() -> None:
    """EBU Tech 3341, case 6: 5.0 at -28/-28/-24/-30/-30 dBFS reads -23."""
    levels = (-28, -28, -24, -30, -30)
    samples = np.concatenate([_sine(level, 20) for level in levels], axis=1)
    assert _loudness(samples, 48000, ("FL", "FR", "FC", "SL", "SR")) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        ("FL FR FC LFE SL SR", (1, 1, 1, 0, 1.41, 1.41)),
        ("FL FR FC LFE BL BR", (1, 1, 1, 0, 1.41, 1.41)),
        ("FL FR BL BR", (1, 1, 1.41, 1.41)),
        ("FL FR FC LFE BL BR SL SR", (1, 1, 1, 0, 1, 1, 1.41, 1.41)),
        ("FL FR FC LFE BC SL SR", (1, 1, 1, 0, 1, 1.41, 1.41)),
        ("FL FR FC BC", (1, 1, 1, 1)),
        ("FL FR FC LFE BL BR FLC FRC", (1, 1, 1, 0, 1.41, 1.41, 1, 1)),
        ("FL FR TFL TFR", (1, 1, 1, 1)),
    ],
)
def test_a_channel_counts_more_between_60_and_120_degrees(names: str, weights: tuple[float, ...]) -> None:
    """BS.1770-4, table 4."""
    assert tuple(channel_weights(names.split())) == weights


def test_the_lfe_does_not_count() -> None:
    samples = np.concatenate([_sine(-20, 3), _sine(0, 3, frequency=60)], axis=1)
    alone = _loudness(samples[:, :1], 48000, ("FC",))
    assert _loudness(samples, 48000, ("FC", "LFE")) == pytest.approx(alone, abs=1e-3)


def test_blocks_do_not_matter() -> None:
    samples = music(5)
    assert _loudness(samples, 44100, STEREO, 1152) == pytest.approx(_loudness(samples, 44100, STEREO, 10**6), abs=1e-3)


@pytest.mark.parametrize("samples", [np.zeros((48000, 1), np.float32), _sine(-80, 2), _sine(0, 0.3), _sine(0, 0)])
def test_silence_and_less_than_a_block_have_no_loudness(samples: Samples) -> None:
    assert _loudness(samples, 48000, ("FC",)) is None


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 131_072, 131_073, 1_000_003])
def test_waveform_is_bounded_and_right(length: int) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, (length, 2)).astype(np.float32)
    meter = WaveformMeter()
    for begin in range(0, length, 65_000):
        meter.push(np.ascontiguousarray(samples[begin : begin + 65_000].T))
    peaks, step = meter.peaks(), meter.samples_per_peak
    expected = [
        value
        for begin in range(0, length, step)
        for value in (samples[begin : begin + step].min(), samples[begin : begin + step].max())
    ]
    assert peaks == pytest.approx(expected, abs=6e-5)
    assert len(peaks) <= 2 * MAX_PEAKS + 2
    assert length < 200_000 or len(peaks) >= MAX_PEAKS
