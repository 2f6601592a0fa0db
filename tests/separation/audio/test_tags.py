"""What a song says about itself reaches its stems, clean and bounded."""

import struct
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import pytest

from separation.audio.containers import identify
from separation.audio.decode import open_audio
from separation.audio.tags import song_tags, stem_tags
from separation.settings import OutputFormat, OutputFormatName
from separation.stream.job import separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import id3_tag, music, read, write_encoded, write_wav

TAGS = {
    "title": "Größe 大",
    "artist": "Someone & the Others",
    "album": "Album",
    "date": "2011-03-04",
    "genre": "Electronic",
    "track": "7",
}


def _tagged(path: Path, container: str, codec: str, tags: dict[str, str]) -> Path:
    with av.open(str(path), "w", format=container) as file:
        file.metadata.update(tags)
        stream: Any = file.add_stream(codec, rate=48000, layout="stereo")
        form = stream.codec_context.codec.audio_formats[0].name
        stream.codec_context.format = form
        frame = av.AudioFrame(form, "stereo", 8192)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts = 48000, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return path


def _tags(path: Path) -> dict[str, str]:
    with open_audio(path) as audio:
        return audio.tags


def _text_frame(name: bytes, text: bytes) -> bytes:
    return name + struct.pack(">I", len(text) + 1) + b"\0\0\x03" + text


def _id3(frames: bytes) -> bytes:
    return b"ID3\x03\0\0" + bytes((len(frames) >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frames


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp3", "libmp3lame"), ("flac", "flac"), ("ipod", "aac"), ("ogg", "libopus"), ("matroska", "flac")],
)
def test_tags_are_read_from_every_container(tmp_path: Path, container: str, codec: str) -> None:
    assert _tags(_tagged(tmp_path / "song", container, codec, TAGS)) == TAGS


def test_wav_knows_the_year_and_the_rest(tmp_path: Path) -> None:
    assert _tags(_tagged(tmp_path / "song", "wav", "pcm_s16le", TAGS)) == TAGS


@pytest.mark.parametrize("name", get_args(OutputFormatName))
def test_stems_carry_the_songs_tags_and_their_own_name(
    tmp_path: Path, energy_model: EnergyModel, name: OutputFormatName
) -> None:
    source = _tagged(tmp_path / "song", "flac", "flac", {**TAGS, "REPLAYGAIN_TRACK_GAIN": "-7 dB", "comment": "none"})
    separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat(name))
    for stem in ("vocals", "instrumental"):
        path = tmp_path / "out" / f"{stem}.{name}"
        assert _tags(path) == {**TAGS, "title": f"Größe 大 ({stem})"}
        with av.open(str(path)) as file:
            everything = {**file.metadata, **file.streams.audio[0].metadata}
        assert not [key for key in everything if "replaygain" in key.lower() or key.lower() == "comment"]


def test_a_song_without_tags_gives_stems_with_a_title(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(0.2))
    separate_file(source, tmp_path / "out", model=energy_model)
    assert _tags(tmp_path / "out" / "vocals.flac") == {"title": "vocals"}


def test_what_only_begins_like_a_picture_is_not_carried_over(tmp_path: Path, energy_model: EnergyModel) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    source = tmp_path / "song.mp3"
    source.write_bytes(id3_tag(b"\x89PNG\r\n\x1a\n" + bytes(100_000)) + plain.read_bytes())
    separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat("mp3"))
    with av.open(str(tmp_path / "out" / "vocals.mp3")) as file:
        assert [stream.type for stream in file.streams] == ["audio"]
    assert (tmp_path / "out" / "vocals.mp3").stat().st_size < 30_000


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\0b\r\n\tc", "a b c"),
        ("  spaces   within  ", "spaces within"),
        ("\u202eexe.3pm", "exe.3pm"),
        ("broken \ufffd\ufffd bytes", "broken bytes"),
        ("\ud800half", "half"),
        ("x" * 10**6, "x" * 250),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_texts_are_cleaned(raw: str, clean: str) -> None:
    assert song_tags({"TITLE": raw}) == {"title": clean}


def test_what_is_empty_or_unknown_is_left_out_and_the_first_source_counts() -> None:
    assert song_tags({"title": "\0\r", "lyrics": "la", "artist": "A"}, {"artist": "B", "title": "T"}) == {
        "title": "T",
        "artist": "A",
    }


def test_stem_tags_leave_the_songs_alone() -> None:
    song = {"title": "T", "artist": "A"}
    assert stem_tags(song, "vocals") == {"title": "T (vocals)", "artist": "A"}
    assert song["title"] == "T"


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    song = tmp_path / "song.mp3"
    song.write_bytes(_id3(_text_frame(b"TIT2", b"Caf\xe9 \xff\xfe\x01\x02!")) + plain.read_bytes())
    title = _tags(song).get("title", "")
    assert title.isprintable()
    assert "\ufffd" not in title


@pytest.mark.parametrize(("frame", "tags"), [(b"TIT2", {"title": 250 * "A"}), (b"APIC", {})])
def test_a_tag_of_50_mb_is_not_shown_to_ffmpeg(tmp_path: Path, frame: bytes, tags: dict[str, str]) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.5), 44100, "mp3", "libmp3lame")
    song = tmp_path / "song.mp3"
    tag = _id3(_text_frame(frame, b"A" * 50_000_000))
    song.write_bytes(tag + plain.read_bytes())
    with song.open("rb") as file:
        piece = identify(file).tracks[0].shown[0]
    assert not isinstance(piece, bytes)
    assert len(tag) <= piece[0] < piece[1] == song.stat().st_size
    assert np.array_equal(read(song), read(plain))
    assert _tags(song) == tags
    with open_audio(song) as audio:
        list(audio.blocks())
        assert audio.fraction_read == 1


def test_letters_of_id3v1_and_of_tags_that_lie_about_them(tmp_path: Path) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    song = tmp_path / "song.mp3"
    content = plain.read_bytes()
    latin = b"TAG" + "Café".encode("latin-1").ljust(30, b"\0") + "Motörhead".encode("latin-1").ljust(30, b"\0")
    song.write_bytes(content + latin + bytes(30) + b"1999" + bytes(28) + b"\0\7\x11")
    assert _tags(song) == {"title": "Café", "artist": "Motörhead", "date": "1999", "genre": "Rock", "track": "7"}
    song.write_bytes(_id3(_text_frame(b"TIT2", b"Caf\xe9")) + content)
    assert _tags(song)["title"] == "Café"


@pytest.mark.parametrize(
    ("version", "frames", "tags"),
    [
        (4, [(b"TPE1", b"\3A\0B\0")], {"artist": "A; B"}),
        (4, [(b"TPE1", b"\1\xff\xfeA\0\0\0\xff\xfeB\0\0\0")], {"artist": "A; B"}),
        (4, [(b"TPE1", b"\2\0A\0\0\0B")], {"artist": "A; B"}),
        (3, [(b"TPE1", b"\0A"), (b"TPE1", b"\0B"), (b"TPE1", b"\0A")], {"artist": "A; B"}),
        (3, [(b"TIT2", b"\0Caf\xe9")], {"title": "Café"}),
        (3, [(b"TIT2", b"\1" + "\ufeffCafé".encode("utf-16-be"))], {"title": "Café"}),
        (3, [(b"TIT2", b"\1" + "Café".encode("utf-16-le"))], {"title": "Café"}),
        (
            3,
            [(b"TYER", b"\x001999"), (b"TDAT", b"\x002403"), (b"TCON", b"\0(17)")],
            {"date": "1999-03-24", "genre": "Rock"},
        ),
        (4, [(b"TDRC", b"\x032001-02-03"), (b"TCON", b"\x0317\0Own")], {"date": "2001-02-03", "genre": "Rock; Own"}),
        (2, [(b"TT2", b"\0T"), (b"TP1", b"\0A"), (b"TRK", b"\x003/9")], {"title": "T", "artist": "A", "track": "3/9"}),
        (3, [(b"TXXX", b"\0ARTIST\0C"), (b"COMM", b"\0engx\0y"), (b"TIT2", b"\0T")], {"title": "T"}),
    ],
)
def test_id3v2_of_every_version(
    tmp_path: Path, version: int, frames: list[tuple[bytes, bytes]], tags: dict[str, str]
) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    body = b"".join(
        name + (len(text).to_bytes(3, "big") if version == 2 else len(text).to_bytes(4, "big") + b"\0\0") + text
        for name, text in frames
    )
    song = tmp_path / "song.mp3"
    song.write_bytes(_id3(body).replace(b"ID3\3", bytes((73, 68, 51, version)), 1) + plain.read_bytes())
    found = _tags(song)
    assert {key: found[key] for key in tags} == tags


def test_a_tag_that_is_unsynchronised_as_a_whole(tmp_path: Path) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(0.3), 44100, "mp3", "libmp3lame")
    text = b"\1" + "\ufeffÿT".encode("utf-16-le")
    frame = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text
    tag = bytearray(_id3(frame.replace(b"\xff", b"\xff\0")))
    tag[5] |= 0x80
    song = tmp_path / "song.mp3"
    song.write_bytes(tag + plain.read_bytes())
    assert _tags(song)["title"] == "ÿT"


@pytest.mark.parametrize("container", ["mp3", "wav", "aiff", "flac"])
def test_tags_without_end_are_read_in_no_time(tmp_path: Path, container: str) -> None:
    """FFmpeg compares each with all before it; a quarter of a million would take it minutes."""
    codec = {"mp3": "libmp3lame", "wav": "pcm_s16le", "aiff": "pcm_s16be", "flac": "flac"}[container]
    plain = write_encoded(tmp_path / "plain", music(0.3), 44100, container, codec)
    many = b"".join(b"TXXX" + struct.pack(">I", 9) + b"\0\0\x03%06d\0a" % number for number in range(250_000))
    song = tmp_path / "song"
    song.write_bytes(_id3(_text_frame(b"TIT2", b"T") + many) + plain.read_bytes())
    assert _tags(song)["title"] == "T"
    np.testing.assert_array_equal(read(song), read(plain))
