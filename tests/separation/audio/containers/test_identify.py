"""A container is found wherever it begins, whatever tags enclose it; other kinds of files are not taken for songs."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from separation.audio.containers import identify
from separation.audio.decode import _opened, open_audio, probe
from separation.errors import UnsupportedFormat
from tests.separation.signals import id3_tag, music, read, write_encoded

KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "aiff": ("aiff", "pcm_s16be"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "adts": ("adts", "aac"),
    "m4a": ("ipod", "aac"),
    "ogg": ("ogg", "libopus"),
    "mkv": ("matroska", "flac"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("plain")
    return {
        name: write_encoded(folder / name, music(1.5, 48000), 48000, container, codec)
        for name, (container, codec) in KINDS.items()
    }


def ape(*items: tuple[str, str]) -> bytes:
    """An APEv2 tag with header and footer."""
    body = b"".join(struct.pack("<II", len(v.encode()), 0) + k.encode() + b"\0" + v.encode() for k, v in items)
    ends = [
        b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, len(items), flags) + bytes(8)
        for flags in (0xA0000000, 0x80000000)
    ]
    return ends[0] + body + ends[1]


def id3v1(title: bytes, artist: bytes = b"") -> bytes:
    return b"TAG" + title.ljust(30, b"\0") + artist.ljust(30, b"\0") + bytes(30) + b"1999" + bytes(28) + b"\0\7\x11"


def lyrics(text: bytes) -> bytes:
    body = b"LYRICSBEGIN" + text
    return body + b"%06dLYRICS200" % len(body)


FOOTED = b"ID3\4\0\x10\0\0\0\0" + b"3DI\4\0\x10\0\0\0\0"
TAGS: dict[str, tuple[bytes, bytes]] = {
    "ID3v2 before": (id3_tag(bytes(999)), b""),
    "several ID3v2 with padding before": (3 * (id3_tag(bytes(99)) + bytes(700)), b""),
    "ID3v2 with a footer before": (FOOTED, b""),
    "APEv2 before": (ape(("Title", "T")), b""),
    "ID3v2 and APEv2 before": (id3_tag(b"") + ape(("Title", "T")), b""),
    "ID3v1 before": (id3v1(b"T"), b""),
    "ID3v1 behind": (b"", id3v1(b"T")),
    "APEv2, lyrics and ID3v1 behind": (b"", ape(("Title", "T")) + lyrics(b"la la") + id3v1(b"T")),
    "ID3v2 behind": (b"", FOOTED),
}


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("kind", KINDS)
def test_tags_around_any_container_change_nothing(plain: dict[str, Path], tmp_path: Path, kind: str, tags: str) -> None:
    before, behind = TAGS[tags]
    path = tmp_path / "song"
    path.write_bytes(before + plain[kind].read_bytes() + behind)
    np.testing.assert_array_equal(read(path), read(plain[kind]))
    assert probe(path).complete


@pytest.mark.parametrize(
    "behind",
    [
        b"APETAGEX" + struct.pack("<IIII", 2000, 0xFFFFFFFF, 9, 0) + bytes(8),
        b"APETAGEX" + struct.pack("<IIII", 2000, 1 << 20, 9, 0) + bytes(8),
        b"3DI\4\0\x10\x7f\x7f\x7f\x7f",
    ],
    ids=["APEv2", "a smaller APEv2", "ID3v2"],
)
def test_a_tag_that_claims_more_than_the_file_is_none(plain: dict[str, Path], tmp_path: Path, behind: bytes) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(plain["mp3"].read_bytes() + behind)
    np.testing.assert_array_equal(read(path), read(plain["mp3"]))


@pytest.mark.parametrize("kind", ["mp3", "adts"])
@pytest.mark.parametrize("cut", [1, 7, 100, 777])
def test_a_stream_that_was_cut_out_begins_with_its_first_whole_frame(
    plain: dict[str, Path], tmp_path: Path, kind: str, cut: int
) -> None:
    content = plain[kind].read_bytes()
    with av.open(str(plain[kind])) as file:
        frames = [packet.pos for packet in file.demux(audio=0) if packet.pos is not None]
    begin = frames[0]
    path = tmp_path / "song"
    path.write_bytes(content[begin + cut :])
    expected = tmp_path / "expected"
    expected.write_bytes(content[next(frame for frame in frames if frame >= begin + cut) :])
    np.testing.assert_array_equal(read(path), read(expected))
    assert probe(path).complete


@pytest.mark.parametrize("kind", ["mp3", "adts", "flac", "ogg", "wav", "aiff", "m4a"])
@pytest.mark.parametrize(
    "junk",
    [b"\r\n\r\n", b"ICY 200 OK\r\nicy-name: radio\r\n\r\n", bytes(range(1, 256)) * 40, b"\xff\xfb" * 50, bytes(5000)],
    ids=["lines", "head of a stream", "anything", "what looks like frames", "zeros"],
)
def test_what_precedes_the_first_frame_is_passed_over(
    plain: dict[str, Path], tmp_path: Path, kind: str, junk: bytes
) -> None:
    path = tmp_path / "song"
    path.write_bytes(junk + plain[kind].read_bytes())
    np.testing.assert_array_equal(read(path), read(plain[kind]))


@pytest.mark.parametrize(
    "disguise",
    [
        lambda song: b"RIFF" + struct.pack("<I", len(song)) + b"AVI LIST" + song,
        lambda song: b"PK\x03\x04" + bytes(26) + song,
        lambda song: b"<html>" + song,
        lambda song: bytes(200_000) + song,
    ],
    ids=["film", "archive", "page", "far in"],
)
def test_what_looks_like_a_song_within_another_file_is_none(
    plain: dict[str, Path], tmp_path: Path, disguise: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "song"
    path.write_bytes(disguise(plain["mp3"].read_bytes()))
    with pytest.raises(UnsupportedFormat):
        probe(path)


def test_of_a_stream_of_empty_frames_few_are_held(tmp_path: Path) -> None:
    path = tmp_path / "song.aac"
    path.write_bytes(bytes.fromhex("fff16c40011ffc00") * 250_000)
    with path.open("rb") as raw:
        kind = identify(raw)
        with _opened(raw, kind, kind.tracks[0]):
            assert raw.tell() < 300_000


def test_the_more_trustworthy_of_several_tags_counts(plain: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    behind = ape(("Title", "Título"), ("Artist", "Café")) + id3v1(b"T\xedtulo de", b"Caf\xe9 ")
    path.write_bytes(plain["mp3"].read_bytes() + behind)
    with open_audio(path) as audio:
        assert audio.tags == {"title": "Título", "artist": "Café", "date": "1999", "genre": "Rock", "track": "7"}
