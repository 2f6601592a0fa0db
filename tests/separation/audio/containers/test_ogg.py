"""Songs that follow each other in one Ogg file, its tags, and what it may not claim."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from separation.audio.containers import identify
from separation.audio.decode import open_audio, probe
from separation.errors import AudioChangesFormat, AudioTooComplex
from tests.separation.signals import music, read, write_encoded


def _song(path: Path, codec: str, rate: int, channels: int = 2, seed: int = 0) -> tuple[bytes, np.ndarray]:
    write_encoded(path, music(1 + seed / 4, rate, channels, seed), rate, "ogg", codec)
    return path.read_bytes(), read(path)


@pytest.mark.parametrize(
    "codecs",
    [("vorbis", "vorbis"), ("libopus", "libopus", "libopus"), ("flac", "flac"), ("vorbis", "libopus", "flac")],
)
def test_songs_that_follow_each_other_are_one(tmp_path: Path, codecs: tuple[str, ...]) -> None:
    songs = [_song(tmp_path / "link", codec, 48000, seed=number) for number, codec in enumerate(codecs)]
    path = tmp_path / "song.ogg"
    path.write_bytes(b"".join(content for content, _ in songs))
    np.testing.assert_array_equal(read(path), np.concatenate([samples for _, samples in songs]))
    assert probe(path).complete


@pytest.mark.parametrize(("codec", "rate", "channels"), [("libopus", 48000, 1), ("flac", 44100, 2)])
def test_a_song_of_another_format_that_follows_is_an_error(
    tmp_path: Path, codec: str, rate: int, channels: int
) -> None:
    first, _ = _song(tmp_path / "link", "libopus", 48000)
    second, _ = _song(tmp_path / "link", codec, rate, channels)
    path = tmp_path / "song.ogg"
    path.write_bytes(first + second)
    with pytest.raises(AudioChangesFormat):
        probe(path)


@pytest.mark.parametrize("codec", ["vorbis", "libopus"])
@pytest.mark.parametrize("behind", [bytes(1 << 20), b"OggS" * 100_000, bytes(range(256)) * 1000])
def test_what_follows_the_last_page_is_no_damage(tmp_path: Path, codec: str, behind: bytes) -> None:
    song, samples = _song(tmp_path / "song", codec, 48000)
    path = tmp_path / "song.ogg"
    path.write_bytes(song + behind)
    np.testing.assert_array_equal(read(path), samples)
    assert probe(path).complete


def page(serial: int, content: bytes, *, flags: int = 0, number: int = 0) -> bytes:
    """A page of one whole packet, with its checksum."""
    lacing = bytes([255] * (len(content) // 255) + [len(content) % 255])
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qIII", 0, serial, number, 0) + bytes([len(lacing)]) + lacing
    return head[:22] + struct.pack("<I", _checksum(head + content)) + head[26:] + content


def _checksum(data: bytes) -> int:
    """RFC 3533, 6."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


def _later(song: bytes, samples: int) -> bytes:
    """The song with every place that a page of sound tells so many samples later."""
    pages = []
    for part in song.split(b"OggS")[1:]:
        (granule,) = struct.unpack("<q", part[2:10])
        head = b"OggS" + part[:2] + struct.pack("<q", granule + samples if granule else 0) + part[10:18]
        content = part[22:]
        pages.append(head + struct.pack("<I", _checksum(head + bytes(4) + content)) + content)
    return b"".join(pages)


def test_vorbis_that_ends_on_its_first_page_ends_where_that_says(tmp_path: Path) -> None:
    whole = read(write_encoded(tmp_path / "song.ogg", music(0.5), 44100, "ogg", "vorbis"))
    song = (tmp_path / "song.ogg").read_bytes()
    path = tmp_path / "cut.ogg"
    path.write_bytes(_later(song, -300))
    np.testing.assert_array_equal(read(path), whole[:-300])
    path.write_bytes(_later(song, -300) * 2)
    np.testing.assert_array_equal(read(path), np.concatenate([whole[:-300]] * 2))
    assert probe(path).complete


def test_vorbis_that_begins_before_zero_begins_there(tmp_path: Path) -> None:
    whole = read(write_encoded(tmp_path / "song.ogg", music(1.5), 44100, "ogg", "vorbis"))
    song = (tmp_path / "song.ogg").read_bytes()
    path = tmp_path / "cut.ogg"
    for samples, first in ((-100, 100), (-1024, 1024), (-5000, 0), (1000, 0)):
        path.write_bytes(_later(song, samples))
        np.testing.assert_array_equal(read(path), whole[first:])
    path.write_bytes(_later(song, -100) * 2)
    np.testing.assert_array_equal(read(path), np.concatenate([whole[100:]] * 2))


def _with_comments(song: bytes, packet: bytes) -> bytes:
    """The song with another second page, which is the comments'."""
    second = song.index(b"OggS", 4)
    third = song.index(b"OggS", second + 4)
    return song[:second] + page(struct.unpack("<I", song[14:18])[0], packet, number=1) + song[third:]


def _comments(*texts: bytes, count: int | None = None) -> bytes:
    number = len(texts) if count is None else count
    parts = [struct.pack("<I", len(text)) + text for text in texts]
    return b"OpusTags" + struct.pack("<II", 0, number) + b"".join(parts)


def test_several_artists_are_kept(tmp_path: Path) -> None:
    song, _ = _song(tmp_path / "song", "libopus", 48000)
    path = tmp_path / "song.opus"
    path.write_bytes(_with_comments(song, _comments("ARTIST=Café".encode(), "artist=Motörhead".encode(), b"TITLE=T")))
    with open_audio(path) as audio:
        assert audio.tags == {"title": "T", "artist": "Café; Motörhead"}


def test_more_comments_than_a_song_has_are_refused(tmp_path: Path) -> None:
    song, _ = _song(tmp_path / "song", "libopus", 48000)
    path = tmp_path / "song.opus"
    path.write_bytes(_with_comments(song, _comments(b"a=b", count=100_000)))
    with pytest.raises(AudioTooComplex):
        probe(path)


def test_more_streams_than_a_recording_has_are_refused(tmp_path: Path) -> None:
    head = b"OpusHead\1\2" + struct.pack("<HIhB", 312, 48000, 0, 0)
    path = tmp_path / "song.opus"
    path.write_bytes(b"".join(page(serial, head, flags=2) for serial in range(1000)))
    with pytest.raises(AudioTooComplex):
        probe(path)


def test_what_looks_like_first_pages_is_read_once(tmp_path: Path) -> None:
    class Counted(io.FileIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size) or b""

    content, samples = _song(tmp_path / "link", "libopus", 48000)
    path = tmp_path / "song.ogg"
    path.write_bytes(content + b"OggS\0\2" * 100_000 + bytes(70_000))
    with Counted(path) as raw:
        identify(raw)
        assert raw.reads < 200
    np.testing.assert_array_equal(read(path), samples)
