"""Pictures: what is measured for them, and the file that is drawn."""

import struct
from pathlib import Path

import numpy as np
import pytest

from separation.cli.report import write_report
from separation.cli.spectrogram import MAX_COLUMNS, TrackMeter, hertz, mel
from separation.errors import Cancelled, OutputWriteFailed
from separation.manifest import Manifest
from separation.settings import OutputFormat, Window
from separation.stream.job import separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples, music, write_wav


def _measured(samples: Samples, rate: int = 44100, block: int = 50_000) -> TrackMeter:
    meter = TrackMeter(rate, samples.shape[1], len(samples))
    for begin in range(0, len(samples), block):
        meter.push(samples[begin : begin + block])
    meter.finish()
    return meter


def _row(meter: TrackMeter, frequency: float) -> int:
    """The row of the spectrogram that a frequency falls in."""
    rows = len(meter.decibels())
    share = (float(mel(frequency)) - meter.lowest_mel) / (meter.highest_mel - meter.lowest_mel)
    return round(share * (rows - 1))


# Measuring


def test_mel_and_hertz_are_inverse_and_1000_is_1000() -> None:
    assert float(mel(1000)) == pytest.approx(1000, abs=0.1)
    assert hertz(mel(np.array([50.0, 440.0, 9000.0]))) == pytest.approx([50, 440, 9000])


@pytest.mark.parametrize(("rate", "channels", "seconds"), [(44100, 2, 3.3), (8000, 1, 20), (96000, 6, 0.5)])
def test_the_envelope_is_that_of_the_samples(rate: int, channels: int, seconds: float) -> None:
    samples = music(seconds, rate, channels)
    meter = _measured(samples, rate)
    parts = np.split(samples, [len(samples) * number // meter.columns for number in range(1, meter.columns)])
    assert np.array_equal(meter.lows, [part.min() for part in parts])
    assert np.array_equal(meter.highs, [part.max() for part in parts])
    assert meter.rms == pytest.approx([np.sqrt(np.square(part).mean()) for part in parts], rel=1e-5)
    assert meter.peak == np.abs(samples).max()


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
@pytest.mark.parametrize("frequency", [100.0, 440.0, 3000.0])
def test_a_sine_stands_at_its_frequency_with_its_level(rate: int, frequency: float) -> None:
    time = np.arange(2 * rate) / rate
    tone = np.float32(0.1) * np.sin(2 * np.pi * frequency * time).astype(np.float32)
    meter = _measured(np.stack([tone, tone], axis=1), rate)
    middle = meter.decibels()[:, meter.columns // 2]
    assert abs(int(middle.argmax()) - _row(meter, frequency)) <= 1
    assert middle.max() == pytest.approx(-20, abs=4)


def test_a_click_stands_at_its_time() -> None:
    samples = np.zeros((44100 * 4, 1), np.float32)
    samples[44100] = 1
    power = 10 ** (_measured(samples).decibels() / 10)
    columns = power.sum(axis=0)
    assert columns.argmax() / len(columns) == pytest.approx(0.25, abs=0.01)
    assert columns[: int(0.23 * len(columns))].max() < 1e-10 * columns.max()


@pytest.mark.parametrize("block", [1000, 4097, 1_000_000])
def test_how_the_samples_arrive_changes_nothing(block: int) -> None:
    samples = music(5)
    meter, other = _measured(samples), _measured(samples, block=block)
    assert np.array_equal(meter.decibels(), other.decibels())
    assert np.array_equal(meter.highs, other.highs)


@pytest.mark.parametrize("length", [1, 7, 300, 4096])
def test_very_short_tracks(length: int) -> None:
    meter = _measured(music(1)[:length])
    assert np.isfinite(meter.decibels()).all()
    assert len(meter.lows) == meter.columns


def test_what_a_file_lacks_is_silence_and_what_it_has_more_is_left_out() -> None:
    meter = TrackMeter(44100, 1, 44100)
    meter.push(np.full((22050, 1), 0.5, np.float32))
    meter.finish()
    half = meter.columns // 2
    assert set(meter.highs[:half]) == {0.5}
    assert set(meter.highs[half + 1 :]) == {0.0}
    meter.push(np.ones((10, 1), np.float32))
    assert meter.peak == 0.5


def test_the_size_does_not_grow_with_the_track() -> None:
    """Two hours of stereo, of which the first minute arrives."""
    meter = TrackMeter(44100, 2, 2 * 3600 * 44100)
    held = {name: np.size(value) for name, value in vars(meter).items()}
    for _ in range(40):
        meter.push(np.zeros((66_150, 2), np.float32))
    assert meter.columns == MAX_COLUMNS
    assert {name: np.size(value) for name, value in vars(meter).items()} == held
    assert sum(held.values()) < 500_000


# Drawing


@pytest.fixture(autouse=True)
def _needs_matplotlib(request: pytest.FixtureRequest) -> None:
    if "picture" in request.node.name:
        pytest.importorskip("matplotlib")


def _separated(folder: Path, song: Path, **wishes: object) -> Manifest:
    return separate_file(song, folder, model=EnergyModel(), **wishes)  # type: ignore[arg-type]


def _size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


@pytest.fixture
def short_song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "Größe $x_2$ 日本.wav", music(2))


def test_a_picture_has_a_part_for_the_mixture_and_each_stem(tmp_path: Path, short_song: Path) -> None:
    heights = []
    for number, stems in enumerate([("vocals",), ("vocals", "instrumental"), ("mixture", "vocals", "instrumental")]):
        folder = tmp_path / str(number)
        picture = write_report(short_song, folder, _separated(folder, short_song, stems=stems))
        assert picture == folder / "report.png"
        width, height = _size(picture)
        assert width == 1690
        heights.append(height)
    assert heights[0] < heights[1] == heights[2]


def test_the_same_separation_gives_the_same_picture(tmp_path: Path, short_song: Path) -> None:
    manifest = _separated(tmp_path / "out", short_song)
    first = write_report(short_song, tmp_path / "out", manifest).read_bytes()
    assert write_report(short_song, tmp_path / "out", manifest).read_bytes() == first


@pytest.mark.parametrize("format_name", ["wav", "mp3", "m4a", "ogg", "opus"])
def test_a_picture_of_a_preview_in_any_format(tmp_path: Path, short_song: Path, format_name: str) -> None:
    output = OutputFormat(format_name)  # type: ignore[arg-type]
    manifest = _separated(tmp_path / "out", short_song, window=Window(0.5, 1.25), output=output)
    assert _size(write_report(short_song, tmp_path / "out", manifest))[0] == 1690


def test_a_picture_of_silence(tmp_path: Path) -> None:
    song = write_wav(tmp_path / "silence.wav", np.zeros((1000, 1), np.float32))
    manifest = _separated(tmp_path / "out", song)
    assert _size(write_report(song, tmp_path / "out", manifest))[0] == 1690


def test_a_cancelled_picture_leaves_nothing(tmp_path: Path, short_song: Path) -> None:
    manifest = _separated(tmp_path / "out", short_song)
    before = sorted((tmp_path / "out").iterdir())
    with pytest.raises(Cancelled):
        write_report(short_song, tmp_path / "out", manifest, should_cancel=lambda: True)
    assert sorted((tmp_path / "out").iterdir()) == before


def test_a_picture_that_cannot_be_written_is_an_error_with_a_code(tmp_path: Path, short_song: Path) -> None:
    manifest = _separated(tmp_path / "out", short_song)
    (tmp_path / "out" / "report.png").mkdir()
    before = sorted((tmp_path / "out").iterdir())
    with pytest.raises(OutputWriteFailed, match=r"report\.png cannot be written"):
        write_report(short_song, tmp_path / "out", manifest)
    assert sorted((tmp_path / "out").iterdir()) == before
