"""What a song says about itself reaches its stems, clean and bounded."""

import struct
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import pytest

from separation.containers import identify
from separation.decode import open_audio
from separation.engine import separate_file
from separation.settings import OutputFormat, OutputFormatName
from separation.tags import song_tags, stem_tags
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


def test_cover_art_is_not_carried_over(tmp_path: Path, energy_model: EnergyModel) -> None:
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
