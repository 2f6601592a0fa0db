"""Writing stems: what is in the file is what was given, in every format, to the sample."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from separation.audio.decode import open_audio, probe
from separation.audio.encode import StemWriter, check_format
from separation.errors import OutputFormatUnsuitable, OutputWriteFailed
from separation.settings import OutputFormat, OutputFormatName
from tests.separation.reference import by_ffmpeg, samples_by_pyav
from tests.separation.signals import Samples, music, read

NAMES: tuple[OutputFormatName, ...] = get_args(OutputFormatName)
LOSSLESS = [
    OutputFormat("flac", 16),
    OutputFormat("flac", 24),
    OutputFormat("wav", 16),
    OutputFormat("wav", 24),
    OutputFormat("wav", 32),
]
LOSSY = [
    OutputFormat("mp3"),
    OutputFormat("mp3", bitrate_kbps=320),
    OutputFormat("mp3", bitrate_kbps=128),
    OutputFormat("m4a"),
    OutputFormat("m4a", bitrate_kbps=128),
    OutputFormat("ogg"),
    OutputFormat("opus"),
    OutputFormat("opus", bitrate_kbps=320),
]
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def write(
    path: Path, output: OutputFormat, samples: Samples, rate: int = 44100, layout: str | None = None, block: int = 28000
) -> StemWriter:
    """The file at ``path``; samples are given as the engine gives them, in blocks."""
    channels = samples.shape[1]
    given = samples
    if output.bit_depth in (16, 24):
        given = np.rint(samples * 2 ** (output.bit_depth - 1)).astype(np.float32)
    names, layout = [f"C{number}" for number in range(channels)], layout or LAYOUTS[channels]
    with StemWriter(path, output, rate, names, layout, samples=len(samples)) as writer:
        for begin in range(0, len(given), block):
            writer.write(given[begin : begin + block])
    return writer


def rumbles(seconds: float, channels: int, rate: int = 48000) -> Samples:
    """Noise of 40 to 100 Hz, independent in every channel, which the channel for low effects can hold too."""
    length = round(seconds * rate)
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    spectrum = np.fft.rfft(np.random.default_rng(channels).standard_normal((length, channels)), axis=0)
    spectrum[(frequencies < 40) | (frequencies > 100)] = 0
    samples = np.fft.irfft(spectrum, length, axis=0)
    return np.asarray(0.3 * samples / np.abs(samples).max(axis=0), np.float32)


@pytest.mark.parametrize("output", LOSSLESS, ids=lambda output: f"{output.name}{output.bit_depth}")
@pytest.mark.parametrize("channels", range(1, 9))
def test_lossless_formats_hold_the_samples(tmp_path: Path, output: OutputFormat, channels: int) -> None:
    samples = music(0.2, 48000, channels)
    path = tmp_path / "stem"
    writer = write(path, output, samples, 48000)
    bits = output.bit_depth if output.bit_depth in (16, 24) else None
    expected = samples if bits is None else np.rint(samples * 2 ** (bits - 1)) / 2 ** (bits - 1)
    assert np.array_equal(read(path), expected.astype(np.float32))
    assert (writer.samples, writer.sample_rate_hz) == (len(samples), 48000)


@pytest.mark.parametrize(("channels", "bits"), [(6, 24), (8, 24), (8, 16)])
def test_flac_of_many_channels_at_192_khz_can_be_read(tmp_path: Path, channels: int, bits: int) -> None:
    """Noise, which nothing makes smaller: FFmpeg's reader loses frames beyond 200 kB."""
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (60_000, channels)).astype(np.float32)
    path = tmp_path / "stem"
    write(path, OutputFormat("flac", bits), samples, 192_000)
    steps = 2 ** (bits - 1)
    assert np.array_equal(read(path), (np.rint(samples * steps) / steps).astype(np.float32))


@pytest.mark.parametrize("output", LOSSY, ids=lambda output: f"{output.name}{output.bitrate_kbps}")
@pytest.mark.parametrize(("rate", "length"), [(44100, 1025), (48000, 2304), (8000, 8000), (44100, 22_277)])
def test_lossy_formats_have_the_songs_length(tmp_path: Path, output: OutputFormat, rate: int, length: int) -> None:
    samples = music(3, rate)[:length]
    path = tmp_path / f"stem.{output.name}"
    writer = write(path, output, samples, rate, block=3001)
    expected = length if output.name != "opus" else -(-length * 48000 // rate)
    assert writer.samples == len(read(path)) == samples_by_pyav(path) == expected
    command = by_ffmpeg(path, 2)
    assert command is None or len(command) == expected
    assert writer.sample_rate_hz == probe(path).sample_rate_hz == (48000 if output.name == "opus" else rate)


@pytest.mark.parametrize("name", ["mp3", "m4a", "ogg", "opus"])
def test_lossy_music_is_where_it_was(tmp_path: Path, name: OutputFormatName) -> None:
    samples = music(2, 48000)
    write(tmp_path / "stem", OutputFormat(name), samples, 48000)
    difference = read(tmp_path / "stem") - samples
    assert np.std(difference) < 0.12 * np.std(samples)


@pytest.mark.parametrize("name", ["ogg", "opus"])
@pytest.mark.parametrize("length", [1, 2, 47, 960])
def test_vorbis_and_opus_hold_a_single_sample(tmp_path: Path, name: OutputFormatName, length: int) -> None:
    write(tmp_path / "stem", OutputFormat(name), music(1, 48000)[:length], 48000)
    assert len(read(tmp_path / "stem")) == length


@pytest.mark.parametrize(("name", "fewest"), [("mp3", 48), ("m4a", 1024)])
def test_stems_too_short_for_their_format_are_refused(tmp_path: Path, name: OutputFormatName, fewest: int) -> None:
    write(tmp_path / "stem", OutputFormat(name), music(1)[:fewest])
    assert len(read(tmp_path / "stem")) == fewest
    with pytest.raises(OutputFormatUnsuitable, match=f"only for {fewest} or more"):
        write(tmp_path / "other", OutputFormat(name), music(1)[: fewest - 1])


@pytest.mark.parametrize(
    ("name", "layout"),
    [("m4a", layout) for layout in ("3.0", "quad", "4.0", "5.0", "5.0(side)", "5.1", "5.1(side)", "7.1")]
    + [("opus", layout) for layout in ("3.0", "quad", "quad(side)", "5.1", "5.1(side)", "7.1")],
)
def test_surround_channels_keep_their_places(tmp_path: Path, name: OutputFormatName, layout: str) -> None:
    channels = {"3": 3, "q": 4, "4": 4}.get(layout[0]) or sum(map(int, layout[:3].split(".")))
    samples = rumbles(1, channels)
    write(tmp_path / "stem", OutputFormat(name), samples, 48000, layout)
    decoded = read(tmp_path / "stem")
    assert decoded.shape == samples.shape
    alike = np.corrcoef(samples.T, decoded.T)[:channels, channels:]
    assert (alike.diagonal() > 0.9).all()
    assert (alike.argmax(axis=1) == np.arange(channels)).all()


@pytest.mark.parametrize(
    ("name", "rate", "layout"),
    [
        ("mp3", 96000, "stereo"),
        ("mp3", 44100, "5.1"),
        ("m4a", 22051, "stereo"),
        ("m4a", 192_000, "stereo"),
        ("m4a", 48000, "6.1"),
        ("m4a", 48000, "2.1"),
        ("ogg", 44100, "mono"),
        ("ogg", 44100, "5.1"),
        ("opus", 48000, "5.0"),
        ("opus", 48000, "7.1(wide)"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, name: OutputFormatName, rate: int, layout: str) -> None:
    channels = {"mono": 1, "stereo": 2, "2.1": 3, "5.0": 5, "5.1": 6, "6.1": 7, "7.1(wide)": 8}[layout]
    with pytest.raises(OutputFormatUnsuitable, match="choose FLAC or WAV"):
        check_format(OutputFormat(name), rate, channels, layout)
    with pytest.raises(OutputFormatUnsuitable, match="choose FLAC or WAV"):
        write(tmp_path / "stem", OutputFormat(name), np.zeros((2000, channels), np.float32), rate, layout)
    assert not (tmp_path / "stem").exists()


@pytest.mark.parametrize("rate", [8000, 22050, 22051, 44100, 96000, 192_000])
def test_opus_is_the_song_at_48_khz(tmp_path: Path, rate: int) -> None:
    time = np.arange(rate) / rate
    tone = np.asarray(0.3 * np.sin(2 * np.pi * 440 * time), np.float32)[:, None].repeat(2, axis=1)
    write(tmp_path / "stem", OutputFormat("opus"), tone, rate)
    decoded = read(tmp_path / "stem")
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    assert decoded.shape == (48000, 2)
    assert np.std(decoded[2000:-2000, 0] - expected[2000:-2000]) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_the_same_samples_give_the_same_bytes(tmp_path: Path, name: OutputFormatName) -> None:
    for copy, block in (("a", 28000), ("b", 5001)):
        write(tmp_path / copy, OutputFormat(name), music(1), block=block)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["mp3", "m4a", "ogg", "opus"])
def test_samples_beyond_full_scale_stay(tmp_path: Path, name: OutputFormatName) -> None:
    loud = music(1, 48000) * np.float32(1.5 / np.abs(music(1, 48000)).max())
    write(tmp_path / "stem", OutputFormat(name), loud, 48000)
    assert np.abs(read(tmp_path / "stem")).max() > 1.2


def test_a_place_that_cannot_be_written_is_an_error_with_a_code(tmp_path: Path) -> None:
    with pytest.raises(OutputWriteFailed):
        write(tmp_path / "missing" / "stem.flac", OutputFormat("flac"), music(0.1))


@pytest.mark.parametrize("output", [*LOSSLESS[:1], *LOSSLESS[-1:], *LOSSY[:1], *LOSSY[3:4], *LOSSY[5:7]])
@pytest.mark.parametrize("folder", ["mix:1", "Intro: x", "http:", "data:,a", "100%d", "a|b", "caf\udce9"])
def test_no_name_is_taken_for_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, output: OutputFormat
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    samples = music(0.3)
    write(Path(folder, "concat:vocals"), output, samples)
    assert len(read(Path(folder, "concat:vocals"))) in {len(samples), -(-len(samples) * 48000 // 44100)}


def test_surround_that_does_not_say_which_is_taken_as_the_usual(tmp_path: Path) -> None:
    write(tmp_path / "stem", OutputFormat("m4a"), rumbles(0.5, 6), 48000, "6 channels")
    with open_audio(tmp_path / "stem") as audio:
        assert audio.layout == "5.1"


@pytest.mark.parametrize(
    ("name", "bits", "bitrate"),
    [
        ("wma", None, None),
        ("flac", 32, None),
        ("opus", 16, None),
        ("mp3", None, 32),
        ("m4a", None, 512),
        ("ogg", None, 128),
        ("wav", None, 128),
    ],
)
def test_formats_that_do_not_exist(name: str, bits: int | None, bitrate: int | None) -> None:
    with pytest.raises(OutputFormatUnsuitable):
        OutputFormat(name, bits, bitrate)  # type: ignore[arg-type]


def test_a_wish_for_overs_that_does_not_exist() -> None:
    with pytest.raises(OutputFormatUnsuitable, match="neither keep nor scale"):
        OutputFormat("wav", overs="clip")  # type: ignore[arg-type]
