"""The cover of a song goes along with its stems, byte for byte, wherever their format has a place for one."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from separation.audio.containers.pictures import (
    LARGEST_COVER_BYTES,
    Cover,
    Picture,
    front,
    of_base64,
    of_flac,
    read_cover,
)
from separation.audio.decode import open_audio
from separation.audio.encode import StemWriter
from separation.settings import OutputFormat, OutputFormatName, Window
from separation.stream.job import separate_file
from tests.separation.audio.pictures import picture, pictures_in
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, read, write_encoded, write_wav

JPEG, PNG = picture("mjpeg"), picture("png")
WITH_PLACE = [name for name in get_args(OutputFormatName) if name != "wav"]


def song_with(path: Path, name: OutputFormatName, cover: Cover | None, seconds: float = 1) -> Path:
    """A song of that format; its cover is checked with another reader by what writes it."""
    samples = music(seconds, 48000)
    given = np.rint(samples * 2**15).astype(np.float32) if name == "flac" else samples
    tags = {"title": "T"}
    with StemWriter(
        path, OutputFormat(name), 48000, ["FL", "FR"], "stereo", tags, samples=len(samples), cover=cover
    ) as writer:
        writer.write(given)
    return path


def cover_of(path: Path) -> bytes | None:
    with open_audio(path) as audio:
        cover = audio.cover()
        return cover.data if cover else None


def found(data: bytes) -> Cover | None:
    return read_cover(io.BytesIO(), [Picture(data, front)])


def as_cover(data: bytes) -> Cover:
    cover = found(data)
    assert cover
    return cover


@pytest.mark.parametrize("data", [JPEG, PNG], ids=["jpeg", "png"])
@pytest.mark.parametrize("name", WITH_PLACE)
def test_another_reader_finds_the_very_picture(tmp_path: Path, name: OutputFormatName, data: bytes) -> None:
    path = song_with(tmp_path / f"stem.{name}", name, as_cover(data))
    assert pictures_in(path) == [data]
    assert cover_of(path) == data


@pytest.mark.parametrize("name", WITH_PLACE)
def test_a_picture_changes_no_sample_and_no_text(tmp_path: Path, name: OutputFormatName) -> None:
    plain = song_with(tmp_path / "plain", name, None)
    covered = song_with(tmp_path / "covered", name, as_cover(JPEG))
    assert np.array_equal(read(plain), read(covered))
    with open_audio(plain) as one, open_audio(covered) as other:
        assert one.tags == other.tags == {"title": "T"}


@pytest.mark.parametrize(
    ("source", "output"), [("flac", name) for name in WITH_PLACE] + [(name, "flac") for name in WITH_PLACE[1:]]
)
def test_the_stems_have_the_songs_cover(
    tmp_path: Path, energy_model: EnergyModel, source: OutputFormatName, output: OutputFormatName
) -> None:
    song = song_with(tmp_path / "song", source, as_cover(PNG))
    manifest = separate_file(song, tmp_path / "out", model=energy_model, output=OutputFormat(output))
    for stem in manifest.stems:
        assert pictures_in(tmp_path / "out" / stem.file) == [PNG]
    if output == "flac":
        sums = read(tmp_path / "out/vocals.flac") + read(tmp_path / "out/instrumental.flac")
        assert np.abs(sums - read(song)).max() <= 2**-16


def test_a_song_without_a_picture_has_stems_without(tmp_path: Path, energy_model: EnergyModel) -> None:
    separate_file(song_with(tmp_path / "song", "flac", None), tmp_path / "out", model=energy_model)
    assert pictures_in(tmp_path / "out/vocals.flac") == []


def test_wav_has_no_place_for_a_picture(tmp_path: Path, energy_model: EnergyModel) -> None:
    song = song_with(tmp_path / "song", "flac", as_cover(PNG))
    separate_file(song, tmp_path / "out", model=energy_model, output=OutputFormat("wav"), window=Window(0, 0.5))
    assert (tmp_path / "out/vocals.wav").stat().st_size < 4 * 24_000 + 500


def _id3(version: int, frames: bytes, flags: int = 0) -> bytes:
    size = bytes((len(frames) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes((version, 0, flags)) + size + frames


def _apic(data: bytes, kind: int = 3, text: bytes = b"\0image/png\0%c\0") -> bytes:
    body = text % kind + data
    return b"APIC" + struct.pack(">IH", len(body), 0) + body


def _pic(data: bytes) -> bytes:
    body = b"\0PNG\3\0" + data
    return b"PIC" + len(body).to_bytes(3, "big") + body


def _unsynchronised(data: bytes) -> bytes:
    """A frame of 2.4 with a zero behind each FF."""
    body = (b"\0image/png\0\3\0" + data).replace(b"\xff", b"\xff\0")
    sevens = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"APIC" + sevens + b"\0\2" + body


TAGS: dict[str, Callable[[], bytes]] = {
    "ID3v2.3": lambda: _id3(3, _apic(PNG)),
    "ID3v2.2": lambda: _id3(2, _pic(PNG)),
    "ID3v2.4, unsynchronised": lambda: _id3(4, _unsynchronised(PNG)),
    "ID3v2.3, unsynchronised as a whole": lambda: _id3(3, _apic(PNG).replace(b"\xff", b"\xff\0"), 0x80),
    "words in UTF-16": lambda: _id3(3, _apic(PNG, text=b"\1image/png\0%c\xff\xfeA\0\0\1\0\0")),
    "the back before the front": lambda: _id3(3, _apic(JPEG, kind=4) + _apic(PNG)),
    "only a picture of the band": lambda: _id3(3, _apic(PNG, kind=10)),
    "something else before it": lambda: _id3(3, _apic(b"GIF89a" + bytes(99)) + _apic(PNG)),
}


@pytest.mark.parametrize("tag", TAGS)
def test_pictures_of_id3(tmp_path: Path, tag: str) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    song = tmp_path / "song.mp3"
    song.write_bytes(TAGS[tag]() + plain.read_bytes())
    assert cover_of(song) == PNG
    assert np.array_equal(read(song), read(plain))


def test_a_picture_of_an_ape_tag(tmp_path: Path) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    value = b"cover.png\0" + PNG
    item = struct.pack("<II", len(value), 2) + b"Cover Art (Front)\0" + value
    footer = b"APETAGEX" + struct.pack("<4I", 2000, len(item) + 32, 1, 0) + bytes(8)
    song = tmp_path / "song.mp3"
    song.write_bytes(plain.read_bytes() + item + footer)
    assert cover_of(song) == PNG


def _png(width: int, height: int, size: int = 33) -> bytes:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s2I", 13, b"IHDR", width, height) + b"\x08\2\0\0\0" + bytes(4)
    return head + bytes(size - len(head))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a" + bytes(100),
        b"<svg onload=alert(1)>",
        _png(30_000, 30_000),
        _png(0, 10),
        _png(10, 10)[:30],
        b"\xff\xd8\xff" + bytes(1000),
        b"\xff\xd8" + b"\xff\xe0\0\0" * 100_000,
        JPEG[:100],
        _png(10, 10, LARGEST_COVER_BYTES + 1),
    ],
    ids=["nothing", "gif", "svg", "bomb", "no width", "half", "zeros", "markers without end", "cut", "too large"],
)
def test_what_is_no_cover_is_left_out(data: bytes) -> None:
    assert found(data) is None


def test_fill_before_a_frame_is_not_followed_for_ever() -> None:
    """Eight megabytes of it, in each of eight pictures, would take half a minute of processor time."""
    assert found(JPEG[:2] + b"\xff" * 100 + JPEG[2:]) is not None
    assert found(JPEG[:2] + b"\xff" * 100_000 + JPEG[2:]) is None


def test_the_largest_picture_is_kept_and_one_byte_more_is_not_even_read(tmp_path: Path) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame").read_bytes()
    song = tmp_path / "song.mp3"
    largest = _png(10, 10, LARGEST_COVER_BYTES)
    song.write_bytes(_id3(3, _apic(largest)) + plain)
    assert cover_of(song) == largest
    song.write_bytes(_id3(3, _apic(largest + b"\0")) + plain)
    assert cover_of(song) is None
    song.write_bytes(_id3(3, _apic(bytes(100_000_000))) + plain)
    assert cover_of(song) is None


@pytest.mark.parametrize("name", WITH_PLACE)
def test_the_largest_picture_fits_into_every_format(tmp_path: Path, name: OutputFormatName) -> None:
    largest = _png(10, 10, LARGEST_COVER_BYTES)
    path = song_with(tmp_path / f"stem.{name}", name, as_cover(largest), 0.2)
    assert cover_of(path) == largest


def test_sizes_that_lie_lead_nowhere() -> None:
    block = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">6I", 0, 10, 10, 24, 0, 2**32 - 1) + PNG
    assert of_flac(block) == (3, b"")
    assert of_flac(struct.pack(">II", 3, 2**32 - 1)) == (0, b"")
    assert of_flac(b"") == (0, b"")


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"AAAA", b"AAAAAw", b"=" * 1000])
def test_a_comment_that_is_not_base64_is_no_picture(text: bytes) -> None:
    assert found(of_base64(text)[1]) is None


def test_a_wave_file_with_a_tag_has_a_cover(tmp_path: Path) -> None:
    song = write_wav(tmp_path / "song.wav", music(0.3))
    tag = _id3(3, _apic(PNG))
    chunk = b"id3 " + struct.pack("<I", len(tag)) + tag + bytes(len(tag) % 2)
    data = song.read_bytes() + chunk
    song.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert cover_of(song) == PNG
