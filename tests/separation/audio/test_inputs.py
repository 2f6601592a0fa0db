"""Songs of every kind have the length that FFmpeg gives them; damaged ones have an answer or an error with a code."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from separation.audio import frames
from separation.audio.channels import in_an_order_of_its_own, usual_order
from separation.audio.decode import AudioInfo, AudioLimits, open_audio, probe
from separation.errors import AudioError, NoAudioStream, UndecodableAudio, UnsupportedChannels
from tests.separation.reference import by_ffmpeg, samples_by_pyav
from tests.separation.signals import Samples, music, read

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def encoded(
    path: Path,
    container: str,
    codec: str,
    samples: Samples,
    rate: int,
    *,
    options: Mapping[str, str] | None = None,
    chapters: int = 0,
    film: bool = False,
) -> Path:
    """Any container and codec; as it is by FFmpeg's own muxers, with their delays and paddings."""
    layout = "7.1(wide)" if codec == "alac" and samples.shape[1] == 8 else LAYOUTS[samples.shape[1]]
    with av.open(str(path), "w", format=container, options=dict(options or {})) as file:
        picture: Any = file.add_stream("mpeg4", rate=10) if film else None
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        if chapters:
            unit = Fraction(1, 1000)
            file.set_chapters(
                [
                    {"id": n, "start": 5 * n, "end": 5 * n + 5, "time_base": unit, "metadata": {}}
                    for n in range(chapters)
                ]
            )
        form = stream.codec_context.codec.audio_formats[0].name
        stream.codec_context.format = form
        if picture:
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
            for _ in range(5):
                file.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        resampler = av.AudioResampler(format=form, layout=layout, rate=rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
        if picture:
            file.mux(picture.encode(None))
    return path


EXACT = [
    ("wav", "pcm_u8", 44100),
    ("wav", "pcm_s16le", 44100),
    ("wav", "pcm_s24le", 44100),
    ("wav", "pcm_s32le", 44100),
    ("wav", "pcm_s64le", 44100),
    ("wav", "pcm_f32le", 44100),
    ("wav", "pcm_f64le", 44100),
    ("aiff", "pcm_s16be", 44100),
    ("aiff", "pcm_s24be", 44100),
    ("aiff", "pcm_s16le", 44100),  # AIFF-C
    ("aiff", "pcm_f32be", 44100),
    ("flac", "flac", 44100),
    ("ogg", "flac", 44100),
    ("matroska", "flac", 44100),
    ("mov", "alac", 44100),
    ("mov", "pcm_s16le", 44100),
    ("mp3", "libmp3lame", 44100),
    ("mp3", "libmp3lame", 22050),
    ("ogg", "libopus", 48000),
    ("ogg", "libopus", 24000),
    ("webm", "libopus", 48000),
]


@pytest.mark.parametrize(("container", "codec", "rate"), EXACT)
def test_length_of_what_knows_its_length(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    samples = music(1, rate)[:-77]
    path = encoded(tmp_path / "song", container, codec, samples, rate)
    expected = len(samples) * 48000 // rate if codec == "libopus" else len(samples)
    decoded = read(path)
    assert len(decoded) == samples_by_pyav(path) == expected
    command = by_ffmpeg(path, 2)
    if command is not None:
        assert command.shape == decoded.shape
        assert np.abs(command - decoded).max() < 2e-3
    if codec.startswith(("pcm", "flac", "alac")):
        assert np.abs(decoded - samples).max() < (0.01 if codec == "pcm_u8" else 1e-4)


@pytest.mark.parametrize(
    ("container", "length"), [("adts", 44 * 1024), ("ipod", 44100 - 77)], ids=["without a word of its delay", "edits"]
)
def test_length_of_aac(tmp_path: Path, container: str, length: int) -> None:
    """43 frames hold the song, one more comes first. Edits say what is the song's; FFmpeg heeds where they begin."""
    path = encoded(tmp_path / "song", container, "aac", music(1)[:-77], 44100)
    decoded = read(path)
    assert len(decoded) == length
    command = by_ffmpeg(path, 2)
    assert command is None or 0 <= len(command) - length < 1024


def test_length_of_mp3_without_a_xing_header(tmp_path: Path) -> None:
    path = encoded(tmp_path / "song", "mp3", "libmp3lame", music(1), 44100, options={"write_xing": "0"})
    with av.open(str(path)) as file:
        packets = sum(packet.size > 0 for packet in file.demux(audio=0))
    decoded = read(path)
    assert len(decoded) == samples_by_pyav(path) == 1152 * packets
    command = by_ffmpeg(path, 2)
    assert command is None or len(command) == len(decoded)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176_400, 192_000])
@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s24le"), ("flac", "flac")])
def test_rates_from_8_to_192_khz(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    path = encoded(tmp_path / "song", container, codec, music(0.3, rate), rate)
    info = probe(path)
    assert (info.sample_rate_hz, info.samples, info.complete) == (rate, round(0.3 * rate), True)


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mov", "alac"), ("ogg", "libopus"), ("ipod", "aac")],
)
def test_mono_stereo_and_surround(tmp_path: Path, container: str, codec: str, channels: int) -> None:
    """Eight planes are one more than PyAV's own list of planes can bear."""
    samples = music(0.5, 48000, channels)
    samples *= np.linspace(1, 0.3, channels, dtype=np.float32)
    decoded = read(encoded(tmp_path / "song", container, codec, samples, 48000))
    assert decoded.shape[1] == channels
    voiced = [channel for channel in range(channels) if channels < 6 or channel != 3]  # lossy codecs filter the LFE
    loudness = decoded[:24000].std(axis=0) / samples.std(axis=0)
    assert np.abs(loudness[voiced] - 1).max() < 0.25


def test_the_sound_of_a_film(tmp_path: Path) -> None:
    for container in ("mp4", "matroska", "mov"):
        path = encoded(tmp_path / "film", container, "aac", music(1), 44100, film=True)
        assert probe(path).samples == (samples_by_pyav(path) if container == "matroska" else 44100)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("mov", "alac")])
def test_a_hundred_chapters(tmp_path: Path, container: str, codec: str) -> None:
    path = encoded(tmp_path / "song", container, codec, music(1), 44100, chapters=100)
    assert probe(path).samples == 44100


def test_an_encrypted_mp4_is_an_error_with_a_code(tmp_path: Path) -> None:
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "11" * 16, "encryption_kid": "22" * 16}
    path = encoded(tmp_path / "song", "mp4", "aac", music(1), 44100, options=key)
    with pytest.raises(UndecodableAudio, match="encrypted"):
        probe(path)


def test_an_encrypted_matroska_is_an_error_though_its_samples_could_be_read(tmp_path: Path) -> None:
    title = b"a title that leaves room for what an encrypted track says"
    path = tmp_path / "song.mka"
    with av.open(str(path), "w", format="matroska") as file:
        stream: Any = file.add_stream("pcm_s16le", rate=44100, layout="stereo")
        stream.metadata["title"] = title.decode()
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 88200), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert probe(path).samples == 44100
    # RFC 9559, 5.1.4.1.31: of kind "encryption", by AES, under a key of that name; padding fills the title's place.
    encryption = ebml("5035", ebml("47e1", b"\5") + ebml("47e2", b"key"))
    contents = ebml("6d80", ebml("6240", ebml("5032", b"\1") + ebml("5033", b"\1") + encryption))
    name = ebml("536e", title)
    padding = ebml("ec", bytes(len(name) - len(contents) - 2))
    data = path.read_bytes()
    assert data.count(name) == 1
    path.write_bytes(data.replace(name, contents + padding))
    with pytest.raises(UndecodableAudio, match="encrypted"):
        probe(path)


def ebml(name: str, content: bytes) -> bytes:
    """An element of a Matroska file, shorter than 127 bytes."""
    return bytes.fromhex(name) + bytes([0x80 | len(content)]) + content


@pytest.mark.parametrize(
    ("tag", "order"),
    [(121, [0, 1, 2, 3, 4, 5]), (122, [0, 1, 4, 5, 2, 3]), (123, [0, 2, 1, 5, 3, 4]), (124, [1, 2, 0, 5, 3, 4])],
)
def test_channels_in_an_order_of_apples_own_come_in_the_usual_one(tmp_path: Path, tag: int, order: list[int]) -> None:
    """MPEG 5.1 A to D of Core Audio. Decoded as they are they would end the process: PyAV frees their order twice."""
    path = encoded(tmp_path / "song", "mov", "pcm_s16le", music(0.5, channels=6), 48000)
    as_they_lie = read(path)
    data = bytearray(path.read_bytes())
    atom = data.index(b"chan")
    data[atom + 8 : atom + 12] = struct.pack(">HH", tag, 6)
    path.write_bytes(data)
    with open_audio(path) as audio:
        assert audio.layout == "5.1(side)"
        assert audio.channel_names == ("FL", "FR", "FC", "LFE", "SL", "SR")
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), as_they_lie[:, order])


@pytest.mark.parametrize(
    ("labels", "order"),
    [((2, 1, 3, 4, 5, 6), [1, 0, 2, 3, 4, 5]), ((0,) * 6, [0, 1, 2, 3, 4, 5]), ((1,) * 6, [0, 1, 2, 3, 4, 5])],
    ids=["right first", "all unused", "all left"],
)
def test_channels_that_an_aiff_labels_one_by_one(tmp_path: Path, labels: tuple[int, ...], order: list[int]) -> None:
    """Core Audio's labels. With any of these the decoder's own order would end the process, too."""
    path = encoded(tmp_path / "song", "aiff", "pcm_s16be", music(0.5, channels=6), 48000)
    as_they_lie = read(path)
    told = struct.pack(">III", 0, 0, 6) + b"".join(struct.pack(">II12x", label, 0) for label in labels)
    data = path.read_bytes()
    sound = data.index(b"SSND")
    data = data[:sound] + b"CHAN" + struct.pack(">I", len(told)) + told + data[sound:]
    path.write_bytes(data[:4] + struct.pack(">I", len(data) - 8) + data[8:])
    with open_audio(path) as audio:
        assert audio.layout == "5.1"
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), as_they_lie[:, order])


def test_orders_of_channels() -> None:
    assert not in_an_order_of_its_own(["FL", "FR", "FC", "LFE", "SL", "SR"])
    assert not in_an_order_of_its_own(["NONE", "NONE"])
    assert not in_an_order_of_its_own(["FC"])
    assert in_an_order_of_its_own(["FR", "FL"])
    assert in_an_order_of_its_own(["FL", "FL"])
    assert in_an_order_of_its_own(["FL", "USR7"])
    assert in_an_order_of_its_own(["UNSD", "UNSD"])
    assert not in_an_order_of_its_own([])
    assert usual_order(["FR", "LFE", "FL"]) == (("FL", "FR", "LFE"), [2, 0, 1])
    assert usual_order(["USR7", "FL"]) == (("FL", "FR"), [0, 1])


def test_an_order_that_a_decoder_found_itself_is_refused_and_its_frames_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(frames, "_NEVER_FREED", kept)
    channels = [SimpleNamespace(name="FR"), SimpleNamespace(name="FL")]
    frame: Any = SimpleNamespace(layout=SimpleNamespace(name="2 channels (FR+FL)", channels=channels))
    path = encoded(tmp_path / "song", "mov", "pcm_s16le", music(0.1), 48000)
    with open_audio(path) as audio, pytest.raises(UnsupportedChannels):
        audio._track._checked([frame])
    assert kept == [frame]


def test_only_subtitles_or_pictures_is_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w", format="matroska") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    with pytest.raises(NoAudioStream):
        probe(path)


# Damage of any kind.


def _outcome(path: Path) -> AudioInfo | str:
    """What ``probe`` finds, or the code of its error; any other exception fails the test."""
    try:
        return probe(path, AudioLimits(max_duration_seconds=30))
    except AudioError as error:
        return error.code


KINDS = [
    ("wav", "pcm_s16le", 8000, 1),
    ("aiff", "pcm_s16be", 8000, 2),
    ("flac", "flac", 8000, 2),
    ("mp3", "libmp3lame", 44100, 2),
    ("adts", "aac", 44100, 2),
    ("ipod", "aac", 44100, 8),
    ("mov", "alac", 44100, 1),
    ("ogg", "libopus", 48000, 8),
    ("matroska", "flac", 8000, 2),
    ("webm", "libopus", 48000, 2),
]


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    return {
        f"{container} {codec}": encoded(
            folder / container, container, codec, music(0.3, rate, channels), rate
        ).read_bytes()
        for container, codec, rate, channels in KINDS
    }


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "song"


def _has_an_answer(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    outcome = _outcome(path)
    if isinstance(outcome, AudioInfo):
        assert outcome.samples > 0
        assert 1 <= outcome.channels <= 8
    else:
        assert outcome.startswith("audio_")


kinds = st.sampled_from([f"{container} {codec}" for container, codec, _, _ in KINDS])


@settings(max_examples=150, deadline=None)
@given(kind=kinds, fraction=st.floats(0, 1))
def test_a_file_cut_anywhere(whole_files: dict[str, bytes], damaged: Path, kind: str, fraction: float) -> None:
    whole = whole_files[kind]
    _has_an_answer(damaged, whole[: round(fraction * len(whole))])


@settings(max_examples=200, deadline=None)
@given(
    kind=kinds,
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=20),
    head=st.booleans(),
)
def test_bits_flipped_anywhere(
    whole_files: dict[str, bytes], damaged: Path, kind: str, flips: list[tuple[float, int]], head: bool
) -> None:
    content = bytearray(whole_files[kind])
    reach = min(512, len(content)) if head else len(content)  # headers are short and matter most
    for place, bit in flips:
        content[int(place * reach)] ^= 1 << bit
    _has_an_answer(damaged, bytes(content))


@settings(max_examples=60, deadline=None)
@given(kind=kinds, other=kinds, fraction=st.floats(0, 1))
def test_a_file_that_goes_on_as_another(
    whole_files: dict[str, bytes], damaged: Path, kind: str, other: str, fraction: float
) -> None:
    whole = whole_files[kind]
    _has_an_answer(damaged, whole[: round(fraction * len(whole))] + whole_files[other])
