"""Decoding from the middle of a song on: the same samples as from its beginning, and little of it is read."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from separation.audio.decode import AudioLimits, read_audio
from separation.errors import AudioTooLong
from tests.separation.signals import Samples, music, read, write_encoded, write_wav

RATE = 44100
SECONDS = 30
PLAIN = ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"]
FORMATS = [
    *(("wav", codec, 2) for codec in PLAIN),
    ("aiff", "pcm_s16be", 2),
    ("aiff", "pcm_s24be", 1),
    ("wav", "pcm_s16le", 6),
    ("flac", "flac", 1),
    ("flac", "flac", 2),
    ("flac", "flac", 6),
]


class Counted(io.BufferedReader):
    """A file that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb", buffering=0))
        self.count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def song(channels: int = 2) -> Samples:
    """Loud and soft in turn: frames of FLAC are of very different lengths."""
    quiet = np.repeat(np.array([1, 0.01, 0, 0.3, 0.1, 1], np.float32), SECONDS * RATE // 6)[:, None]
    return np.tile(music(10, RATE, channels), (SECONDS // 10, 1)) * quiet


def read_from(path: Path, sample: int) -> tuple[int, Samples, int]:
    """Where it begins, two seconds from ``sample`` on, and how many bytes were read for them."""
    with Counted(path) as raw, read_audio(raw) as audio:
        begin = position = audio.skip_to(sample)
        parts = []
        for block in audio.blocks():
            parts.append(block)
            position += len(block)
            if position >= sample + 2 * RATE:
                break
        assert audio.samples == position
        return begin, np.concatenate(parts)[sample - begin :], raw.count


@pytest.mark.parametrize(("container", "codec", "channels"), FORMATS)
def test_what_comes_is_what_decoding_from_the_beginning_gives(
    tmp_path: Path, container: str, codec: str, channels: int
) -> None:
    path = write_encoded(tmp_path / "song", song(channels), RATE, container, codec)
    whole = read(path)
    for sample in (1, 5000, 7 * RATE + 1, 21 * RATE + 12345, len(whole) - 1):
        begin, samples, _ = read_from(path, sample)
        assert max(0, sample - 7 * RATE) <= begin <= sample
        assert np.array_equal(samples, whole[sample : sample + len(samples)])
        assert len(samples) >= min(2 * RATE, len(whole) - sample)


@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s16le"), ("flac", "flac")])
def test_what_is_left_out_is_not_read(tmp_path: Path, container: str, codec: str) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (60 * RATE, 1)).astype(np.float32)
    path = write_encoded(tmp_path / "song", np.tile(noise, 2), RATE, container, codec)
    begin, _, count = read_from(path, 40 * RATE)
    assert begin > 33 * RATE
    assert count < path.stat().st_size / 3


def test_a_header_that_lies_about_its_bytes_moves_nothing(tmp_path: Path) -> None:
    """FFmpeg reckons from the bytes a second where a time lies."""
    path = write_wav(tmp_path / "song.wav", song())
    data = bytearray(path.read_bytes())
    data[28:32] = struct.pack("<I", 123_457)
    path.write_bytes(data)
    whole = read(path)
    begin, samples, _ = read_from(path, 19 * RATE)
    assert begin == 19 * RATE
    assert np.array_equal(samples, whole[begin : begin + len(samples)])


def test_behind_the_end_there_is_nothing(tmp_path: Path) -> None:
    for container, codec in (("wav", "pcm_s16le"), ("flac", "flac")):
        path = write_encoded(tmp_path / "song", music(3), RATE, container, codec)
        with path.open("rb") as raw, read_audio(raw) as audio:
            begin = audio.skip_to(9 * RATE)
            assert begin + sum(len(block) for block in audio.blocks()) == audio.samples == 3 * RATE


def test_what_is_left_out_counts_for_the_limit(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "song.wav", music(3))
    limits = AudioLimits(max_duration_seconds=1)
    with path.open("rb") as raw, read_audio(raw, limits) as audio, pytest.raises(AudioTooLong):
        audio.skip_to(2 * RATE)


def test_a_song_whose_middle_is_decoded_is_not_called_damaged(tmp_path: Path) -> None:
    for container, codec in (("wav", "pcm_s16le"), ("flac", "flac")):
        path = write_encoded(tmp_path / "song", song(), RATE, container, codec)
        with path.open("rb") as raw, read_audio(raw) as audio:
            assert audio.skip_to(20 * RATE)
            for _ in audio.blocks():
                pass
            assert audio.info().complete
            assert audio.info().samples == SECONDS * RATE


@pytest.mark.parametrize(
    ("container", "codec"), [("mp3", "libmp3lame"), ("ipod", "aac"), ("matroska", "flac"), ("ogg", "vorbis")]
)
def test_where_only_decoding_tells_the_place_nothing_is_left_out(tmp_path: Path, container: str, codec: str) -> None:
    path = write_encoded(tmp_path / "song", music(12), RATE, container, codec)
    begin, samples, _ = read_from(path, 8 * RATE)
    assert begin == 0
    assert np.array_equal(samples, read(path)[8 * RATE :][: len(samples)])


DAMAGES = ["another song behind it", "an equal song behind it", "length not told", "no end"]


@pytest.mark.parametrize("damage", [*DAMAGES, "no beginning", "a hole", "noise in it"])
def test_a_stream_that_is_not_as_described_is_as_decoded_from_its_beginning(tmp_path: Path, damage: str) -> None:
    path = write_encoded(tmp_path / "song.flac", song(), RATE, "flac", "flac")
    data = bytearray(path.read_bytes())
    first = data.index(b"\xff\xf8")
    match damage:
        case "another song behind it":
            other = write_encoded(tmp_path / "other.flac", music(20, seed=1), RATE, "flac", "flac")
            data += other.read_bytes()
        case "an equal song behind it":
            other = write_encoded(tmp_path / "other.flac", song()[::-1].copy(), RATE, "flac", "flac")
            data += other.read_bytes()
        case "length not told":
            data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
        case "frame length not told":
            data[15:18] = bytes(3)
        case "no end":
            del data[-100_000:]
        case "no beginning":
            del data[first : first + 100_000]
        case "a hole":
            del data[first + 100_000 : first + 150_000]
        case "noise in it":
            data[first + 100_000 : first + 150_000] = np.random.default_rng(0).bytes(50_000)
    path.write_bytes(data)
    whole = read(path)
    # What is missing is told by numbers, wherever one reads from.
    skipped = damage in ("a hole", "noise in it")
    for sample in (3 * RATE, 17 * RATE, 26 * RATE):
        begin, samples, _ = read_from(path, sample)
        assert begin == 0 or skipped
        assert np.array_equal(samples, whole[sample : sample + len(samples)])
