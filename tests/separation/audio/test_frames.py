"""What is damaged or missing in a file costs its own length, and what follows it stays in its place."""

import io
import re
import struct
from collections.abc import Collection
from pathlib import Path

import av
import numpy as np
import pytest

from separation.audio.containers import mpeg
from separation.audio.decode import AudioLimits, probe
from separation.errors import AudioTooLong
from tests.separation.signals import music, read, write_encoded


def _remuxed(source: Path, target: Path, container: str, gone: Collection[int], shift: int = 0) -> Path:
    """The same packets in another container, without some of them; those behind a gap ``shift`` ticks later."""
    with av.open(str(source)) as file, av.open(str(target), "w", format=container) as out:
        stream = out.add_stream_from_template(file.streams.audio[0])
        for number, packet in enumerate(file.demux(audio=0)):
            if packet.dts is None or number in gone:
                continue
            if shift and number > min(gone):
                packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
            packet.stream = stream
            out.mux(packet)
    return target


@pytest.mark.parametrize(
    ("container", "codec", "rate", "into", "frame"),
    [
        ("flac", "flac", 44100, "matroska", 4608),
        ("ogg", "libopus", 48000, "webm", 960),
        ("matroska", "aac", 44100, "matroska", 1024),
        ("ipod", "aac", 44100, "mp4", 1024),
        ("mov", "alac", 44100, "mov", 4096),
    ],
)
@pytest.mark.parametrize("gone", [{12}, {4, 5, 6}, {4, 9}])
def test_packets_that_are_missing_leave_silence(
    tmp_path: Path, container: str, codec: str, rate: int, into: str, frame: int, gone: set[int]
) -> None:
    source = write_encoded(tmp_path / "source", music(2, rate), rate, container, codec)
    whole = read(_remuxed(source, tmp_path / "whole", into, ()))
    holed = read(_remuxed(source, tmp_path / "holed", into, gone))
    assert len(holed) == len(whole)
    behind = (max(gone) + 3) * frame
    # What AAC fills with noise is other noise.
    assert np.corrcoef(holed[behind:, 0], whole[behind:, 0])[0, 1] > (0.95 if codec == "aac" else 0.999)


def test_a_frame_of_flac_that_is_damaged_is_silence(tmp_path: Path) -> None:
    path = write_encoded(tmp_path / "song.flac", music(2), 44100, "flac", "flac")
    whole, content = read(path), path.read_bytes()
    frames = _flac_frames(content)
    for begin, end in ((frames[5] + 2, frames[6]), (frames[5] + 300, frames[5] + 302), (frames[5], frames[6])):
        path.write_bytes(content[:begin] + bytes(end - begin) + content[end:])
        decoded = read(path)
        assert len(decoded) == len(whole)
        np.testing.assert_array_equal(decoded[: 5 * 4608], whole[: 5 * 4608])
        assert not decoded[5 * 4608 : 6 * 4608].any()
        np.testing.assert_array_equal(decoded[6 * 4608 :], whole[6 * 4608 :])
        assert not probe(path).complete


@pytest.mark.parametrize("frame", [0, -1])
def test_the_first_and_the_last_frame_of_flac_are_silence_too(tmp_path: Path, frame: int) -> None:
    path = write_encoded(tmp_path / "song.flac", music(2), 44100, "flac", "flac")
    whole, content = read(path), path.read_bytes()
    frames = _flac_frames(content)
    begin = frames[frame] + 100
    path.write_bytes(content[:begin] + bytes(200) + content[begin + 200 :])
    decoded = read(path)
    assert decoded.shape == whole.shape
    middle = slice(4608, len(whole) // 4608 * 4608)
    np.testing.assert_array_equal(decoded[middle], whole[middle])


def test_a_last_frame_of_flac_of_which_nothing_is_left_is_silence(tmp_path: Path) -> None:
    path = write_encoded(tmp_path / "song.flac", music(2), 44100, "flac", "flac")
    whole, content = read(path), path.read_bytes()
    begin = _flac_frames(content)[-1]
    for rest in (bytes(len(content) - begin), b""):
        path.write_bytes(content[:begin] + rest)
        decoded = read(path)
        assert decoded.shape == whole.shape
        np.testing.assert_array_equal(decoded[: len(whole) // 4608 * 4608], whole[: len(whole) // 4608 * 4608])
        assert not decoded[len(whole) // 4608 * 4608 :].any()
        assert not probe(path).complete


def _flac_frames(content: bytes) -> list[int]:
    """Where the frames begin, each with its number; block length and stereo coding may differ from frame to frame."""
    first = content.index(b"\xff\xf8")
    places: list[int] = []
    for match in re.finditer(rb"\xff\xf8(.)(.)(.)", content[first:], re.DOTALL):
        codes = match[1][0] & 15, match[2][0] & 15
        if codes == (content[first + 2] & 15, content[first + 3] & 15) and match[3][0] == len(places):
            places.append(first + match.start())
    return places


def _ogg_pages(content: bytes) -> list[bytes]:
    pages, place = [], 0
    while place < len(content):
        count = content[place + 26]
        size = 27 + count + sum(content[place + 27 : place + 27 + count])
        pages.append(content[place : place + size])
        place += size
    return pages


@pytest.mark.parametrize(("codec", "rate"), [("vorbis", 44100), ("libopus", 48000), ("flac", 44100)])
@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_page_of_ogg_that_is_missing_leaves_silence(tmp_path: Path, codec: str, rate: int, damage: str) -> None:
    path = write_encoded(tmp_path / "song.ogg", music(6, rate), rate, "ogg", codec)
    whole, pages = read(path), _ogg_pages(path.read_bytes())
    page = pages[4]
    changed = b"" if damage == "lost" else page[:100] + bytes([page[100] ^ 1]) + page[101:]
    path.write_bytes(b"".join([*pages[:4], changed, *pages[5:]]))
    decoded = read(path)
    assert decoded.shape == whole.shape
    (granule,) = struct.unpack("<q", page[6:14])
    behind = int(granule) + rate // 5
    assert np.abs(decoded[behind:] - whole[behind:]).max() < 1e-3
    assert not probe(path).complete


@pytest.mark.parametrize(("container", "codec", "frame"), [("mp3", "libmp3lame", 1152), ("adts", "aac", 1024)])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("how", ["zeros", "noise"])
def test_frames_of_a_stream_that_are_destroyed_leave_silence(
    tmp_path: Path, container: str, codec: str, frame: int, count: int, how: str
) -> None:
    path = write_encoded(tmp_path / "song", music(3), 44100, container, codec)
    whole, content = read(path), path.read_bytes()
    with av.open(str(path)) as file:
        places = [packet.pos for packet in file.demux(audio=0) if packet.pos is not None]
    begin, end = places[40], places[40 + count]
    noise = np.random.default_rng(1).integers(0, 256, end - begin, np.uint8).tobytes()
    path.write_bytes(content[:begin] + (noise if how == "noise" else bytes(end - begin)) + content[end:])
    decoded = read(path)
    assert 0 <= len(decoded) - len(whole) < frame  # the encoder's padding may be heard at the end
    behind = slice(45 * frame, len(whole) - frame)
    assert np.abs(decoded[behind] - whole[behind]).mean() < 0.01
    assert not probe(path).complete


@pytest.mark.parametrize("tag", [b"ID3\3\0\0\0\0\7\0" + bytes(896), b"TAG" + bytes(125), b"APETAGEX" + bytes(500)])
@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("adts", "aac")])
def test_a_tag_between_frames_is_no_gap(tmp_path: Path, container: str, codec: str, tag: bytes) -> None:
    path = write_encoded(tmp_path / "song", music(2), 44100, container, codec)
    whole, content = read(path), path.read_bytes()
    with av.open(str(path)) as file:
        places = [packet.pos for packet in file.demux(audio=0) if packet.pos is not None]
    path.write_bytes(content[: places[30]] + tag + content[places[30] :])
    assert read(path).shape == whole.shape
    assert probe(path).complete


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp3", "libmp3lame", 44100), ("adts", "aac", 44100), ("flac", "flac", 44100), ("ogg", "libopus", 48000)],
)
@pytest.mark.parametrize(
    "behind", [bytes(100), bytes(5000), bytes(200_000), b"\n", b"bonus material " * 99, b"\xff\xfb\x90" * 9]
)
def test_what_follows_the_last_frame_is_no_damage(
    tmp_path: Path, container: str, codec: str, rate: int, behind: bytes
) -> None:
    path = write_encoded(tmp_path / "song", music(1.5, rate), rate, container, codec)
    whole = read(path)
    path.write_bytes(path.read_bytes() + behind)
    np.testing.assert_array_equal(read(path), whole)
    assert probe(path).complete


@pytest.mark.parametrize(
    ("container", "codec", "rate", "channels"),
    [("mp3", "libmp3lame", 44100, 2), ("mp3", "libmp3lame", 22050, 1), ("adts", "aac", 44100, 2)],
)
def test_no_accident_behind_a_stream_is_taken_for_sound(
    tmp_path: Path, container: str, codec: str, rate: int, channels: int
) -> None:
    path = write_encoded(tmp_path / "song", music(1.5, rate, channels), rate, container, codec)
    whole, content = read(path), path.read_bytes()
    for seed in range(8):
        path.write_bytes(content + np.random.default_rng(seed).bytes(400_000))
        np.testing.assert_array_equal(read(path), whole)
        assert probe(path).complete


def test_frames_of_many_lengths_that_are_lost_are_counted_by_their_mean() -> None:
    lengths = np.random.default_rng(0).integers(300, 420, 400).tolist()
    frames = [
        bytes((0xFF, 0xF1, 0x50, 0x80 | n >> 11, n >> 3 & 255, (n & 7) << 5 | 31, 252)).ljust(n, b"\x21")
        for n in lengths
    ]
    found = []
    for begin in range(10, 390):
        lost = b"".join(frames[begin : begin + 4])
        stream = io.BytesIO(b"".join([*frames[:begin], bytes(len(lost)), *frames[begin + 4 :]]))
        found += [part for part in mpeg.taken_apart(stream) if isinstance(part, float)]
    assert len(found) == 380
    assert np.mean(np.round(found) == 4) > 0.95


def test_a_gap_counts_against_the_limit(tmp_path: Path) -> None:
    source = write_encoded(tmp_path / "source", music(2), 44100, "matroska", "aac")
    path = _remuxed(source, tmp_path / "song.mka", "matroska", {10}, shift=300_000)
    assert 300 < probe(path).duration_seconds < 303
    with pytest.raises(AudioTooLong):
        probe(path, AudioLimits(max_duration_seconds=60))


def test_a_time_far_away_is_not_believed(tmp_path: Path) -> None:
    source = write_encoded(tmp_path / "source", music(2), 44100, "matroska", "aac")
    path = _remuxed(source, tmp_path / "song.mka", "matroska", {10}, shift=50 * 3600_000)
    assert probe(path).duration_seconds < 2.1
