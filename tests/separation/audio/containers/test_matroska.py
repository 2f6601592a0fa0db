"""What of a Matroska file is not shown to FFmpeg, and that it changes nothing."""

import contextlib
import errno
import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from separation.audio.containers import identify
from separation.audio.decode import open_audio, probe
from separation.errors import AudioError, AudioTooComplex
from tests.separation.signals import music, read, write_encoded


def element(kind: str, content: bytes, width: int = 8) -> bytes:
    return bytes.fromhex(kind) + (len(content) | 1 << 7 * width).to_bytes(width, "big") + content


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoded(tmp_path_factory.mktemp("mka") / "song.mka", music(1), 44100, "matroska", "flac")


UNKNOWN = b"\x01" + b"\xff" * 7
SIZES = (b"\x01\x7f" + b"\xff" * 6, b"\x01\xff" + b"\xff" * 5 + b"\xfe")
"""Of elements that end far behind what any disk has room for."""


class OnDisk(io.BytesIO):
    """A file that cannot be moved in to where none ever ends, as it is on a disk."""

    def seek(self, position: int, whence: int = 0) -> int:
        if position > 1 << 44:
            raise OSError(errno.EINVAL, "Invalid argument")
        return super().seek(position, whence)


def _with(song: Path, path: Path, *elements: bytes, segment: bytes = UNKNOWN) -> Path:
    """The song with other elements first, in a segment of that size: one that does not say where it ends."""
    content = song.read_bytes()
    place = content.index(bytes.fromhex("18538067")) + 4
    path.write_bytes(content[:place] + segment + b"".join(elements) + content[place + 8 :])
    return path


def _tags(count: int) -> bytes:
    simple = [element("67C8", element("45A3", b"%06d" % n) + element("4487", b"x")) for n in range(count)]
    return element("1254C367", element("7373", element("63C0", b"") + b"".join(simple)))


@pytest.mark.parametrize("width", [4, 5, 8])
def test_what_is_attached_or_too_long_is_not_shown(song: Path, tmp_path: Path, width: int) -> None:
    attached = element("61A7", element("466E", b"a.png") + element("465C", bytes(100_000)))
    chapter = element("B6", element("73C4", struct.pack(">I", 1)) + element("91", b"\1"))
    elements = [
        element("1941A469", attached, width),
        element("1043A770", element("45B9", 1000 * chapter), width),
        element("1C53BB6B", 1000 * element("BB", element("B3", b"\1")), width),
        _tags(10_000),
    ]
    path = _with(song, tmp_path / "song.mka", *elements)
    np.testing.assert_array_equal(read(path), read(song))
    assert probe(path).complete
    with open_audio(path) as audio:
        assert not audio.tags


def _in_blocks(frames: list[bytes], extra: bytes, *, together: int, duration_ns: int, padding: int) -> bytes:
    """AAC at 48 kHz with its delay noted, so many frames in a block by Xiph's lacing, ``padding`` samples too many."""
    ns = 1_000_000_000
    of_frames = element("23E383", duration_ns.to_bytes(4, "big")) if duration_ns else b""
    sound = element("E1", element("B5", struct.pack(">d", 48000)) + element("9F", b"\2"))
    track = element("D7", b"\1") + element("83", b"\2") + element("86", b"A_AAC") + element("63A2", extra)
    track += element("56AA", (1024 * ns // 48000).to_bytes(4, "big")) + of_frames + sound
    cluster = element("E7", b"\0")
    for first in range(0, len(frames), together):
        block = frames[first : first + together]
        lengths = b"".join(b"\xff" * (len(frame) // 255) + bytes([len(frame) % 255]) for frame in block[:-1])
        laced = bytes([2, len(block) - 1]) + lengths if len(block) > 1 else b"\0"
        content = element("A1", b"\x81" + struct.pack(">h", round(first * 1024 / 48)) + laced + b"".join(block))
        last = first + together >= len(frames)
        cluster += element(
            "A0", content + (element("75A2", (padding * ns // 48000).to_bytes(4, "big")) if last else b"")
        )
    head = element("1A45DFA3", element("4282", b"matroska"))
    info = element("1549A966", element("2AD7B1", (1_000_000).to_bytes(3, "big")))
    return head + element("18538067", info + element("1654AE6B", element("AE", track)) + element("1F43B675", cluster))


@pytest.mark.parametrize("duration_ns", [0, 21_333_333])
@pytest.mark.parametrize("together", [2, 3, 8])
def test_frames_that_share_a_block_are_those_of_blocks_of_their_own(
    tmp_path: Path, together: int, duration_ns: int
) -> None:
    """A block has one time, and its padding is its last frame's."""
    source = write_encoded(tmp_path / "song.m4a", music(1, 48000), 48000, "ipod", "aac")
    with av.open(str(source)) as file:
        extra = file.streams.audio[0].codec_context.extradata or b""
        frames = [bytes(packet) for packet in file.demux(audio=0) if packet.size]
    padding = (len(frames) - 1) * 1024 - 48000
    alone, laced = tmp_path / "alone.mka", tmp_path / "laced.mka"
    alone.write_bytes(_in_blocks(frames, extra, together=1, duration_ns=duration_ns, padding=padding))
    laced.write_bytes(_in_blocks(frames, extra, together=together, duration_ns=duration_ns, padding=padding))
    whole = read(alone)
    assert len(whole) == 48000
    np.testing.assert_array_equal(read(laced), whole)


@pytest.mark.parametrize("segment", [b"", UNKNOWN])
def test_a_file_that_ends_in_a_cluster_is_cut_off(song: Path, tmp_path: Path, segment: bytes) -> None:
    path = _with(song, tmp_path / "song.mka", segment=segment) if segment else song
    assert probe(path).complete
    content = path.read_bytes()
    path = tmp_path / "cut.mka"
    path.write_bytes(content[: len(content) // 2])
    assert not probe(path).complete


@pytest.mark.parametrize("segment", [UNKNOWN, *SIZES])
@pytest.mark.parametrize("size", SIZES)
def test_an_element_of_any_size_is_survived(song: Path, tmp_path: Path, segment: bytes, size: bytes) -> None:
    path = _with(song, tmp_path / "song.mka", bytes.fromhex("1254C367") + size, segment=segment)
    with contextlib.suppress(AudioError):
        identify(OnDisk(path.read_bytes()))
    with contextlib.suppress(AudioError):
        probe(path)


def test_more_tracks_than_a_film_has_are_refused(song: Path, tmp_path: Path) -> None:
    track = element("AE", element("D7", b"\7") + element("83", b"\2") + element("86", b"A_FLAC"))
    for elements in ([element("1654AE6B", 500 * track)], 500 * [element("1654AE6B", track)]):
        with pytest.raises(AudioTooComplex):
            probe(_with(song, tmp_path / "song.mka", *elements))
