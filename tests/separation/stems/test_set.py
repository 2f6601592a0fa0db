"""Sums, peaks and samples beyond full scale, from songs that are hard on them."""

from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from separation.errors import Cancelled, ExceedsFullScale, OutputFormatUnsuitable, OutputWriteFailed
from separation.manifest import Manifest
from separation.settings import OutputFormat, OutputFormatName, Window
from separation.stems.spool import MixtureQueue, Spool
from separation.stream.job import separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples, music, read, write_wav

EVERYTHING = ("vocals", "instrumental", "mixture")
TOP = 1 - 2.0**-15


def _square(seconds: float) -> Samples:
    wave = np.sign(np.sin(2 * np.pi * 220 * np.arange(round(seconds * 44100)) / 44100 + 0.1))
    return np.asarray(np.stack([wave, -wave], axis=1), np.float32)


HARD = {
    "silence": np.zeros((30_000, 2), np.float32),
    "direct current": np.full((30_000, 2), 0.75, np.float32),
    "full scale square": _square(0.7),
    "clipped": np.clip(5 * music(0.7), -1, 1),
    "one sample": np.full((1, 2), -1, np.float32),
    "lowest bit": np.full((30_000, 2), 2.0**-15, np.float32),
}


def _read_all(folder: Path, output: OutputFormat) -> dict[str, Samples]:
    return {stem: read(folder / f"{stem}.{output.name}") for stem in EVERYTHING}


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize(
    "output",
    [OutputFormat("flac"), OutputFormat("flac", 24), OutputFormat("wav", 32), OutputFormat("wav", 16, overs="scale")],
    ids=["flac16", "flac24", "float", "scaled"],
)
def test_hard_songs_sum_exactly(tmp_path: Path, energy_model: EnergyModel, kind: str, output: OutputFormat) -> None:
    samples = np.clip(HARD[kind], -1, TOP)  # what 16 bits hold
    source = write_wav(tmp_path / "song.wav", samples)
    expected = read(source)
    manifest = separate_file(source, tmp_path / "out", model=energy_model, output=output, stems=EVERYTHING)
    stems = _read_all(tmp_path / "out", output)
    assert all(np.isfinite(stem).all() for stem in stems.values())
    mixture, analysis = manifest.stems[0], manifest.analysis
    assert analysis
    assert (analysis.loudness_lufs, analysis.peak_dbfs) == (mixture.loudness_lufs, mixture.peak_dbfs)
    if manifest.quality.gain_db == 0:
        assert np.array_equal(stems["vocals"] + stems["instrumental"], expected)
        assert np.array_equal(stems["mixture"], expected)
        assert manifest.quality.null_residual_dbfs is None
    else:
        assert manifest.quality.gain_db > -6.1
        assert np.array_equal(stems["vocals"] + stems["instrumental"], stems["mixture"])


@pytest.mark.parametrize(("name", "bits"), [("flac", 16), ("wav", 24), ("wav", 32)])
def test_scaled_stems_have_one_gain(
    tmp_path: Path, energy_model: EnergyModel, name: OutputFormatName, bits: int
) -> None:
    output = OutputFormat(name, bits, overs="scale")
    half_step = 2.0**-bits
    loud = music(1.5) * np.float32(4)
    source = write_wav(tmp_path / "song.wav", loud, bits=32)
    kept = separate_file(
        source, tmp_path / "kept", model=energy_model, output=OutputFormat("wav", 32), stems=EVERYTHING
    )
    manifest = separate_file(source, tmp_path / "scaled", model=energy_model, output=output, stems=EVERYTHING)
    assert kept.quality.gain_db == 0
    plain, scaled = _read_all(tmp_path / "kept", OutputFormat("wav", 32)), _read_all(tmp_path / "scaled", output)
    highest = max(np.abs(stem).max() for stem in plain.values())
    gain = TOP / highest
    assert manifest.quality.gain_db == pytest.approx(20 * np.log10(gain), abs=1e-3)
    for stem in EVERYTHING:
        assert np.abs(scaled[stem] - gain * plain[stem]).max() <= 2 * half_step + 1e-6  # of the two it is made of
    assert max(np.abs(stem).max() for stem in scaled.values()) == pytest.approx(1, abs=1e-4)
    assert np.abs(scaled["vocals"].astype(np.float64) + scaled["instrumental"] - scaled["mixture"]).max() <= 1e-7
    for record in manifest.stems:
        assert not record.exceeds_full_scale
        assert record.limited_samples == 0
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_the_gain_does_not_depend_on_which_stems_are_written(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(1) * np.float32(4), bits=32)
    output = OutputFormat("flac", overs="scale")
    whole = separate_file(source, tmp_path / "all", model=energy_model, output=output, stems=EVERYTHING)
    alone = separate_file(source, tmp_path / "one", model=energy_model, output=output, stems=["vocals"])
    assert whole.quality.gain_db == alone.quality.gain_db < 0
    assert (tmp_path / "all" / "vocals.flac").read_bytes() == (tmp_path / "one" / "vocals.flac").read_bytes()


@pytest.mark.parametrize("name", ["flac", "wav"])
def test_a_song_within_full_scale_is_not_scaled(
    tmp_path: Path, energy_model: EnergyModel, name: OutputFormatName
) -> None:
    source = write_wav(tmp_path / "song.wav", music(1))
    for overs in ("keep", "scale"):
        manifest = separate_file(source, tmp_path / overs, model=energy_model, output=OutputFormat(name, overs=overs))
        assert manifest.quality.gain_db == 0
    for stem in ("vocals", "instrumental"):
        assert (tmp_path / "keep" / f"{stem}.{name}").read_bytes() == (
            tmp_path / "scale" / f"{stem}.{name}"
        ).read_bytes()


def test_samples_beyond_full_scale_are_reported_and_kept_in_float(tmp_path: Path, energy_model: EnergyModel) -> None:
    loud = music(1) * np.float32(4)
    source = write_wav(tmp_path / "song.wav", loud, bits=32)
    manifest = separate_file(
        source, tmp_path / "out", model=energy_model, output=OutputFormat("wav", 32), stems=EVERYTHING
    )
    assert np.array_equal(read(tmp_path / "out" / "mixture.wav"), loud)
    (record,) = (stem for stem in manifest.stems if stem.name == "mixture")
    assert record.exceeds_full_scale
    assert record.peak_dbfs == pytest.approx(20 * np.log10(np.abs(loud).max()), abs=0.01)
    integer = separate_file(source, tmp_path / "int", model=energy_model, stems=EVERYTHING)
    (record,) = (stem for stem in integer.stems if stem.name == "mixture")
    assert record.limited_samples == int((np.rint(loud * 2**15) > 2**15 - 1).sum() + (loud * 2**15 < -(2**15)).sum())


@pytest.mark.parametrize("name", get_args(OutputFormatName))
@pytest.mark.parametrize("rate", [44100, 48000])
def test_every_format_keeps_length_and_channels(
    tmp_path: Path, energy_model: EnergyModel, name: OutputFormatName, rate: int
) -> None:
    samples = music(1.1, rate)[:-13]
    source = write_wav(tmp_path / "song.wav", samples, rate=rate)
    manifest = separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat(name))
    for record in manifest.stems:
        decoded = read(tmp_path / "out" / record.file)
        out_rate = 48000 if name == "opus" else rate
        assert decoded.shape == (-(-len(samples) * out_rate // rate), 2) == (record.samples, record.channels)
        assert record.sample_rate_hz == out_rate
        assert record.duration_seconds == len(samples) / rate
        assert record.format == name
    residual = manifest.quality.null_residual_dbfs
    assert residual is None or residual < -100


def test_an_aac_preview_has_its_windows_length(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(3))
    manifest = separate_file(
        source, tmp_path / "out", model=energy_model, output=OutputFormat("m4a"), window=Window(1.3, 2.1)
    )
    assert len(read(tmp_path / "out" / "vocals.m4a")) == round(0.8 * 44100) == manifest.stems[0].samples


def test_a_song_too_short_for_its_format_leaves_nothing(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(1)[:20])
    for name in ("m4a", "mp3"):
        with pytest.raises(OutputFormatUnsuitable, match="20 samples"):
            separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat(name))
        assert not (tmp_path / "out").exists()


def test_cancelling_is_heard_while_waiting_stems_are_written(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(3))
    seen: list[float] = []
    asked_since_the_end = 0

    def cancel() -> bool:
        nonlocal asked_since_the_end
        asked_since_the_end += bool(energy_model.patches)
        return asked_since_the_end > 3

    with pytest.raises(Cancelled):
        separate_file(
            source,
            tmp_path / "out",
            model=energy_model,
            output=OutputFormat("flac", overs="scale"),
            on_progress=lambda progress: seen.append(progress.fraction),
            should_cancel=cancel,
        )
    assert seen
    assert not (tmp_path / "out").exists()


def test_a_spool_gives_back_what_it_took(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 3)
    mixture, vocals = music(0.5, channels=3).T, music(0.5, channels=3, seed=1).T
    for begin in range(0, mixture.shape[1], 4000):
        spool.push(mixture[:, begin : begin + 4000], vocals[:, begin : begin + 4000])
    assert list(tmp_path.iterdir()) == []  # nameless: nothing is left behind whatever happens
    for _ in range(2):
        blocks = list(spool.blocks(7001))
        assert np.array_equal(np.concatenate([block[0] for block in blocks], axis=1), mixture)
        assert np.array_equal(np.concatenate([block[1] for block in blocks], axis=1), vocals)
    assert spool.samples == mixture.shape[1]
    assert spool.highest == pytest.approx(max(a.max() for a in (mixture, vocals, mixture - vocals)))
    assert spool.lowest == pytest.approx(min(a.min() for a in (mixture, vocals, mixture - vocals)))
    spool.close()


def test_a_spool_without_a_place_is_an_error_with_a_code(tmp_path: Path) -> None:
    with pytest.raises(OutputWriteFailed):
        Spool(tmp_path / "missing", 2)


@pytest.mark.parametrize("output", [OutputFormat("flac"), OutputFormat("flac", 24), OutputFormat("wav", 16)])
def test_stems_that_cannot_sum_to_the_song_are_not_handed_out(
    tmp_path: Path, energy_model: EnergyModel, output: OutputFormat
) -> None:
    """At 23 dB above full scale, and with samples of 1e30, which are held at 48 dB above it."""
    hot, absurd = music(0.5), music(0.5)
    hot *= 14 / np.abs(hot).max()
    absurd[100:200] = 1e30
    for number, samples in enumerate((hot, absurd)):
        source, out = write_wav(tmp_path / "song.wav", samples, bits=32), tmp_path / f"out{number}"
        with pytest.raises(ExceedsFullScale, match="WAV with 32 bits"):
            separate_file(source, out, model=energy_model, output=output)
        assert not out.exists()
        for wish in (OutputFormat("wav", 32), OutputFormat("flac", overs="scale")):
            manifest = separate_file(source, out, model=energy_model, output=wish)
            residual = manifest.quality.null_residual_dbfs
            assert residual is None or residual < -90
            assert all(np.isfinite(read(out / stem.file)).all() for stem in manifest.stems)


def test_a_song_somewhat_above_full_scale_is_separated(tmp_path: Path, energy_model: EnergyModel) -> None:
    loud = music(0.5)
    loud *= 1.9 / np.abs(loud).max()
    manifest = separate_file(write_wav(tmp_path / "song.wav", loud, bits=32), tmp_path / "out", model=energy_model)
    assert manifest.quality.null_residual_dbfs is not None
    assert manifest.quality.null_residual_dbfs < -96


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_waits_comes_back_in_order_whatever_is_taken(tmp_path: Path, on_disk: bool) -> None:
    samples = music(1, channels=3)
    queue = MixtureQueue(tmp_path if on_disk else None)
    bounds = [0, 1, 5000, 5001, 30_000, len(samples)]
    for begin, end in pairwise(bounds):
        queue.push(samples.T.copy().T[begin:end])  # each channel in one piece, as the decoder has them
    taken = [queue.take(count) for count in (4000, 1, 20_000, len(samples) - 24_101)]
    assert np.array_equal(np.concatenate(taken), samples[:-100])
    queue.close()
    assert list(tmp_path.iterdir()) == []


def test_a_queue_without_a_place_is_an_error_with_a_code(tmp_path: Path) -> None:
    with pytest.raises(OutputWriteFailed):
        MixtureQueue(tmp_path / "none").push(music(0.1))
