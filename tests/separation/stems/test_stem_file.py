"""The file for DJ software: tracks, names, and that they lie where they should."""

import io
import json
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from separation.audio.containers.boxes import Box, Boxes
from separation.audio.containers.pictures import Cover
from separation.audio.encode import StemWriter
from separation.audio.tags import stem_tags
from separation.errors import UndecodableAudio
from separation.settings import OutputFormat, OutputFormatName
from separation.stems.stem_file import SLOTS, SongFacts, SongTags, tags_of, write_stem_file
from tests.segments import SEGMENT, Samples, decoded, packed, segments, song, written_before_each
from tests.separation.audio.pictures import picture, pictures_in

SILENT_BELOW = 10 ** (-90 / 20)


def facts(tracks: Mapping[str, Samples], rate: int = 44_100, **others: Any) -> SongFacts:
    return SongFacts(len(tracks["mixture"]), rate, "A song", **others)


def made(tracks: Mapping[str, Samples], rate: int = 44_100, **others: Any) -> bytes:
    file = io.BytesIO()
    write_stem_file(facts(tracks, rate, **others), segments(tracks, rate), file.write)
    return file.getvalue()


def found(file: bytes, *path: bytes) -> list[Box]:
    """Boxes on a path from the top; of ``meta`` and ``stsd`` what is within is not looked at."""
    boxes = Boxes(io.BytesIO(file))
    level = [Box(b"", 0, 0, len(file))]
    for kind in path:
        level = [box for parent in level for box in boxes.within(parent.begin, parent.end) if box.kind == kind]
    return level


def content(file: bytes, *path: bytes) -> list[bytes]:
    return [file[box.begin : box.end] for box in found(file, *path)]


def lag(track: NDArray[np.float32], source: Samples) -> int:
    """By how many samples a track lies behind its source, of which a piece with clicks in it is looked for."""
    reach, begin, length = 2048, 20_000, 10_000
    signal = track[begin - reach : begin + length + reach, 0].astype(np.float64)
    wanted = source[begin : begin + length, 0].astype(np.float64)
    return int(np.argmax(np.correlate(signal, wanted, "valid"))) - reach


def test_a_player_of_stems_finds_five_tracks_of_the_song_s_length_in_step_to_the_sample() -> None:
    tracks = song(3 * SEGMENT + 1234)
    heard = decoded(made(tracks))
    assert [track.shape for track in heard] == [(len(tracks["mixture"]), 2)] * 5
    for number, name in enumerate(("mixture", *SLOTS)):
        if name is None:
            assert np.abs(heard[number]).max() < SILENT_BELOW
        else:
            assert lag(heard[number], tracks[name]) == 0
            noise = heard[number] - tracks[name].astype(np.float32) / 2**15
            assert 10 * np.log10(np.mean(noise**2) / np.mean(heard[number] ** 2)) < -25
    # The four faders up are the song, as far as the encoder goes.
    left = np.sum(heard[1:], axis=0) - heard[0]
    assert 10 * np.log10(np.mean(left**2) / np.mean(heard[0] ** 2)) < -25


def test_the_stems_are_named_in_the_box_that_the_format_has_for_it() -> None:
    (text,) = content(made(song(SEGMENT)), b"moov", b"udta", b"stem")
    document = json.loads(text)
    assert document["version"] == 1
    assert [stem["name"] for stem in document["stems"]] == ["Instrumental", "Empty", "Empty", "Vocals"]
    assert len({stem["color"] for stem in document["stems"]}) == 4
    assert not any(effect["enabled"] for effect in document["mastering_dsp"].values())


def test_only_the_mixture_is_what_a_player_plays_that_knows_of_no_stems() -> None:
    heads = content(made(song(SEGMENT)), b"moov", b"trak", b"tkhd")
    assert [head[3] & 1 for head in heads] == [1, 0, 0, 0, 0]


def test_every_track_is_presented_from_the_song_s_first_sample_on_for_its_length() -> None:
    """What players go by that heed edit lists: all five say the same."""
    tracks = song(2 * SEGMENT + 7)
    file = made(tracks)
    edits = content(file, b"moov", b"trak", b"edts", b"elst")
    timescales = content(file, b"moov", b"mvhd") + content(file, b"moov", b"trak", b"mdia", b"mdhd")
    assert {struct.unpack(">I", times[12:16])[0] for times in timescales} == {44_100}
    assert len(edits) == 5
    assert len(set(edits)) == 1
    count, duration, skipped = struct.unpack(">III", edits[0][4:16])
    assert (count, duration) == (1, len(tracks["mixture"]))
    (frames,) = {struct.unpack(">I", sizes[8:12])[0] for sizes in content(file, *_TABLE, b"stsz")}
    # Nothing lies behind the song: its last sample is the last of the last frame.
    assert skipped + duration == frames * 1024


_TABLE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def test_the_index_leads_to_sound_and_covers_all_of_it() -> None:
    file = made(song(3 * SEGMENT))
    sound = [(box.begin, box.end) for box in found(file, b"mdat")]
    held = 0
    for places, sizes in zip(content(file, *_TABLE, b"stco"), content(file, *_TABLE, b"stsz"), strict=True):
        held += sum(struct.unpack(f">{(len(sizes) - 12) // 4}I", sizes[12:]))
        for place in struct.unpack(f">{(len(places) - 8) // 4}I", places[8:]):
            assert any(begin <= place < end for begin, end in sound)
    assert held == sum(end - begin for begin, end in sound)


def tempo(file: bytes) -> int | None:
    """Beats a minute in iTunes' list, which FFmpeg does not tell."""
    boxes = Boxes(io.BytesIO(file))
    (meta,) = found(file, b"moov", b"udta", b"meta")
    (items,) = (box for box in boxes.within(meta.begin + 4, meta.end) if box.kind == b"ilst")
    values = [file[box.begin + 16 : box.end] for box in boxes.within(items.begin, items.end) if box.kind == b"tmpo"]
    return int.from_bytes(values[0], "big") if values else None


def test_what_a_deck_shows_of_the_song_is_in_its_tags() -> None:
    file = made(song(SEGMENT), tempo_bpm=123.6, key="F# minor")
    with av.open(io.BytesIO(file)) as container:
        assert (container.metadata["title"], container.metadata["initialkey"]) == ("A song", "F# minor")
    assert tempo(file) == 124
    unknown = made(song(SEGMENT))
    with av.open(io.BytesIO(unknown)) as container:
        assert "initialkey" not in container.metadata
    assert tempo(unknown) is None


def own_tags(format_name: OutputFormatName, tmp_path: Path, tags: dict[str, str]) -> SongTags:
    """As they are read from a stem in this format."""
    path, samples = tmp_path / "stem", np.zeros((48_000, 2), np.float32)
    texts, cover = stem_tags(tags, "vocals"), Cover(picture("mjpeg"), "mjpeg", 64, 64)
    with StemWriter(
        path, OutputFormat(format_name), 48_000, ["FL", "FR"], "stereo", texts, samples=len(samples), cover=cover
    ) as writer:
        writer.write(samples)
    return tags_of(path.read_bytes(), "vocals")


@pytest.mark.parametrize("format_name", get_args(OutputFormatName))
def test_title_artist_and_cover_are_the_song_s_own_as_its_stems_have_them(
    format_name: OutputFormatName, tmp_path: Path
) -> None:
    tags = own_tags(format_name, tmp_path, {"title": "Her song", "artist": "Her", "album": "All of hers"})
    tracks = song(SEGMENT)
    out = io.BytesIO()
    write_stem_file(facts(tracks), segments(tracks), out.write, tags)
    path = tmp_path / "song.stem.mp4"
    path.write_bytes(out.getvalue())
    with av.open(str(path)) as container:
        told = container.metadata
        assert (told["title"], told["artist"], told["album"]) == ("Her song", "Her", "All of hers")
    assert pictures_in(path) == ([] if format_name == "wav" else [picture("mjpeg")])
    assert len(decoded(out.getvalue())) == 5


def test_a_song_without_tags_is_called_as_its_file_is(tmp_path: Path) -> None:
    tags = own_tags("flac", tmp_path, {})
    assert tags.texts == {}
    for nothing in (b"", b"no song", b"fLaC"):
        assert tags_of(nothing, "vocals") == SongTags()


@pytest.mark.parametrize("missing", ["vocals", "instrumental"])
def test_a_stem_that_nobody_ordered_is_what_remains(missing: str) -> None:
    tracks = song(2 * SEGMENT)
    ordered = {name: track for name, track in tracks.items() if name != missing}
    assert made(ordered) == made(tracks)


@pytest.mark.parametrize(
    ("rate", "channels", "file_rate"), [(44_100, 1, 44_100), (96_000, 2, 48_000), (22_050, 6, 44_100)]
)
def test_whatever_the_song_is_the_tracks_are_stereo_at_a_rate_that_decks_play(
    rate: int, channels: int, file_rate: int
) -> None:
    tracks = song(2 * SEGMENT + 5, rate, channels)
    file = made(tracks, rate)
    with av.open(io.BytesIO(file)) as container:
        assert {(stream.rate, stream.channels) for stream in container.streams.audio} == {(file_rate, 2)}
    lengths = {len(track) for track in decoded(file)}
    assert lengths == {-(-len(tracks["mixture"]) * file_rate // rate)}


def test_the_same_song_is_the_same_file() -> None:
    tracks = song(SEGMENT)
    assert made(tracks) == made(tracks)


def test_the_file_is_written_while_the_segments_come() -> None:
    """Whoever downloads it does not wait for the last, and no more than one is held."""
    tracks = song(4 * SEGMENT)
    told = written_before_each(tracks, lambda pieces, write: write_stem_file(facts(tracks), pieces, write))
    assert told == sorted(set(told))
    assert told[0] < told[1]


@pytest.mark.parametrize("change", [-1, 1])
def test_segments_of_another_length_than_was_told_make_no_file(change: int) -> None:
    tracks = song(2 * SEGMENT)
    wrong = SongFacts(len(tracks["mixture"]) + change, 44_100, "A song")
    file = io.BytesIO()
    with pytest.raises(UndecodableAudio):
        write_stem_file(wrong, segments(tracks), file.write)
    assert not found(file.getvalue(), b"moov")


def test_what_is_no_segment_makes_no_file() -> None:
    tracks = song(SEGMENT)
    with pytest.raises(UndecodableAudio):
        write_stem_file(facts(tracks), [dict.fromkeys(tracks, b"no FLAC")], io.BytesIO().write)


def test_as_a_program_it_writes_the_same_file_and_says_by_its_end_whether_it_is_whole() -> None:
    tracks = song(2 * SEGMENT)
    about = {"samples": len(tracks["mixture"]), "sample_rate_hz": 44_100, "title": "A song"}
    head = json.dumps({"song": about, "tracks": list(tracks)}).encode()
    pieces = [piece for segment in segments(tracks) for piece in segment.values()]
    command = [sys.executable, "-I", "-m", "separation.stems.stem_file"]
    whole = subprocess.run(command, input=packed(head, *pieces), capture_output=True, timeout=120, check=False)
    assert (whole.returncode, whole.stdout) == (0, made(tracks))
    for broken in (packed(head, *pieces[:3]), packed(head, *pieces)[:-1], packed(head, *pieces[:2])):
        cut = subprocess.run(command, input=broken, capture_output=True, timeout=120, check=False)
        assert cut.returncode != 0
