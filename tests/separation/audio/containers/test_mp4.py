"""What of an MP4's sound is presented, by edits, tags or tables; what a file may claim; which track is taken."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from separation.audio.decode import open_audio, probe
from separation.errors import AudioChangesFormat, AudioTooComplex, NoAudioStream, NoSamples, UndecodableAudio
from tests.separation.audio.test_inputs import encoded
from tests.separation.signals import music, read

CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta")


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def changed(content: bytes, change: Callable[[bytes, bytes], bytes | None]) -> bytes:
    """All boxes anew: ``change`` gives a box for a kind and its content, or leaves it as it is."""
    parts, place = [], 0
    while place < len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        within = content[place + 8 : place + size]
        if kind in CONTAINERS:
            within = changed(within, change)
        other = change(kind, within)
        parts.append(box(kind, within) if other is None else other)
        place += size
    return b"".join(parts)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """AAC of two seconds: 1024 samples of the encoder's, then 88,200. The index is last: it may change its size."""
    path = tmp_path_factory.mktemp("mp4") / "song.m4a"
    return encoded(path, "ipod", "aac", music(2), 44100).read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "song.m4a"


def whole(song: bytes, path: Path) -> np.ndarray:
    """All that can be decoded of it, with the encoder's own samples."""
    path.write_bytes(with_edits(song, (0, 0)))
    return read(path)


def with_edits(song: bytes, *edits: tuple[int, int], clock: int = 44100) -> bytes:
    """Edits of so many ticks of the film's clock, from a place in the media on, -1 for silence; none at all."""
    entries = b"".join(struct.pack(">IiI", length, place, 1 << 16) for length, place in edits)
    edts = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + entries))

    def change(kind: bytes, content: bytes) -> bytes | None:
        if kind == b"mvhd":
            return box(kind, content[:12] + struct.pack(">I", clock) + content[16:])
        return edts if kind == b"edts" else None

    return changed(song, change)


@pytest.mark.parametrize("samples", [1024, 5000, 44100 - 77, 44100, 66150])
@pytest.mark.parametrize("container", ["ipod", "mp4", "mov"])
def test_a_song_has_its_own_length(path: Path, container: str, samples: int) -> None:
    encoded(path, container, "aac", music(2)[:samples], 44100)
    info = probe(path)
    assert (info.samples, info.complete) == (samples, True)


@pytest.mark.parametrize("options", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+default_base_moof", "dash"])
def test_a_song_in_fragments_has_its_own_length(path: Path, options: str) -> None:
    encoded(path, "mp4", "aac", music(2)[:-77], 44100, options={"movflags": options, "frag_duration": "300000"})
    info = probe(path)
    assert info.samples in (88200 - 77, 88200 - 77 + 1024)  # not every muxer says that the first frame is the encoder's
    assert info.complete


def test_edits_present_what_they_say(song: bytes, path: Path) -> None:
    all_of_it = whole(song, path)
    assert len(all_of_it) == 1024 + 88200
    for edits, places in {
        ((10_000, 1024),): [(1024, 11_024)],
        ((10_000, 1024), (5000, 40_000)): [(1024, 11_024), (40_000, 45_000)],
        ((0, 5000),): [(5000, 89_224)],
        ((999_999, 2048),): [(2048, 89_224)],
    }.items():
        path.write_bytes(with_edits(song, *edits))
        np.testing.assert_array_equal(read(path), np.concatenate([all_of_it[slice(*place)] for place in places]))


def test_an_edit_without_media_is_silence(song: bytes, path: Path) -> None:
    all_of_it = whole(song, path)
    path.write_bytes(with_edits(song, (22_050, -1), (10_000, 1024), (500, -1), (300, 60_000)))
    decoded = read(path)
    assert len(decoded) == 22_050 + 10_000 + 500 + 300
    assert not decoded[:22_050].any()
    np.testing.assert_array_equal(decoded[22_050:32_050], all_of_it[1024:11_024])
    assert not decoded[32_050:32_550].any()
    np.testing.assert_array_equal(decoded[32_550:], all_of_it[60_000:60_300])


def test_the_table_is_more_exact_than_edits_by_a_coarse_clock(song: bytes, path: Path) -> None:
    path.write_bytes(with_edits(song, (2000, 1024), clock=1000))
    assert probe(path).samples == 88_200
    path.write_bytes(with_edits(song, (1999, 1024), clock=1000))
    assert probe(path).samples == round(1.999 * 44100)


@pytest.mark.parametrize("edits", [[(5000, 50_000), (5000, 1024)], [(44100 * 3601, -1), (5000, 1024)]])
def test_edits_that_go_back_or_are_silent_for_hours_are_left_alone(
    song: bytes, path: Path, edits: list[tuple[int, int]]
) -> None:
    path.write_bytes(with_edits(song, *edits))
    assert probe(path).samples == 1024 + 88_200


def test_more_edits_than_are_read_are_refused_and_not_cut_off(song: bytes, path: Path) -> None:
    path.write_bytes(with_edits(song, *((10, 1024 + 20 * number) for number in range(4096))))
    assert probe(path).samples == 40_960
    path.write_bytes(with_edits(song, *((10, 1024 + 20 * number) for number in range(4097))))
    with pytest.raises(AudioTooComplex):
        probe(path)


@pytest.mark.parametrize("edited", [True, False])
def test_itunes_note_of_the_length_counts(song: bytes, path: Path, edited: bool) -> None:
    path.write_bytes(_noted(song, b" 00000000 00000400 00000123 000000000001577B 00000000", edited=edited))
    assert probe(path).samples == 0x1577B


def test_a_note_that_leaves_nothing_of_the_song_is_none(song: bytes, path: Path) -> None:
    path.write_bytes(_noted(song, b" 00000000 7FFFFFFF 00000123 000000000001577B 00000000", edited=False))
    assert probe(path).samples == 1024 + 88_200


def _noted(song: bytes, note: bytes, *, edited: bool) -> bytes:
    freeform = box(b"mean", bytes(4) + b"com.apple.iTunes") + box(b"name", bytes(4) + b"iTunSMPB")
    freeform = box(b"----", freeform + box(b"data", struct.pack(">II", 1, 0) + note))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    meta = box(b"meta", bytes(4) + handler + box(b"ilst", freeform))

    def change(kind: bytes, content: bytes) -> bytes | None:
        if kind == b"edts" and not edited:
            return b""
        return box(kind, meta) if kind == b"udta" else None

    return changed(with_edits(song, (1994, 1024), clock=1000), change)


def test_nothing_that_is_presented_is_an_error(song: bytes, path: Path) -> None:
    path.write_bytes(with_edits(song, (1000, 500_000)))
    with pytest.raises(NoSamples):
        probe(path)


def test_several_artists_and_numbers(song: bytes, path: Path) -> None:
    def item(kind: bytes, *values: bytes, coding: int = 1) -> bytes:
        return box(kind, b"".join(box(b"data", struct.pack(">II", coding, 0) + value) for value in values))

    items = item(b"\xa9ART", b"Caf\xc3\xa9", b"Mot\xc3\xb6rhead") + item(b"trkn", struct.pack(">HHHH", 0, 3, 9, 0))
    meta = box(b"meta", bytes(4) + box(b"ilst", items + item(b"gnre", b"\0\x12") + item(b"\xa9nam", b"T")))
    path.write_bytes(changed(song, lambda kind, _: box(kind, meta) if kind == b"udta" else None))
    with open_audio(path) as audio:
        assert audio.tags == {"title": "T", "artist": "Café; Motörhead", "genre": "Rock", "track": "3/9"}


# What a file may claim.


def claiming(kind: bytes, claim: bytes) -> Callable[[bytes, bytes], bytes | None]:
    return lambda found, content: box(kind, claim) if found == kind else None


@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        (b"stsz", struct.pack(">III", 0, 1, 20_000_000)),
        (b"stsz", struct.pack(">III", 0, 0, 20_000_000)),
        (b"stco", struct.pack(">II", 0, 500_000_000)),
        (b"stsc", struct.pack(">II", 0, 500_000_000)),
        (b"stts", struct.pack(">II", 0, 500_000_000)),
    ],
)
def test_tables_that_claim_more_than_the_file_holds_are_refused(
    song: bytes, path: Path, kind: bytes, claim: bytes
) -> None:
    path.write_bytes(changed(song, claiming(kind, claim)))
    with pytest.raises(AudioTooComplex):
        probe(path)


def test_another_track_may_claim_what_it_will(song: bytes, path: Path) -> None:
    track: list[bytes] = []
    changed(song, lambda kind, content: track.append(box(kind, content)) if kind == b"trak" else None)
    other = changed(track[0], claiming(b"stsz", struct.pack(">III", 0, 1, 20_000_000)))
    path.write_bytes(changed(song, lambda kind, content: box(kind, 3 * other + content) if kind == b"moov" else None))
    assert probe(path).samples == 88_200
    many = 500 * track[0]
    path.write_bytes(changed(song, lambda kind, content: box(kind, content + many) if kind == b"moov" else None))
    with pytest.raises(AudioTooComplex):
        probe(path)


def test_the_track_that_is_enabled_comes_first(path: Path) -> None:
    with av.open(str(path), "w", format="mov") as file:
        streams = [file.add_stream("pcm_s16le", rate=44100, layout=layout) for layout in ("stereo", "mono")]
        for stream, channels in zip(streams, (2, 1), strict=True):
            packed = np.zeros((1, channels * 44100), np.int16)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=stream.layout)
            frame.sample_rate = 44100
            file.mux(stream.encode(frame))
    content = bytearray(path.read_bytes())
    for first, second, channels in ((1, 1, 2), (1, 0, 2), (0, 1, 1), (0, 0, 2)):
        place = content.index(b"tkhd") + 7
        content[place] = first
        content[content.index(b"tkhd", place) + 7] = second
        path.write_bytes(content)
        assert probe(path).channels == channels


def test_no_track_with_sound_is_no_audio(song: bytes, path: Path) -> None:
    path.write_bytes(song.replace(b"soun", b"text"))
    with pytest.raises(NoAudioStream):
        probe(path)


def test_an_index_that_ends_in_the_middle_is_cut_off(song: bytes, path: Path) -> None:
    """Wherever that is, and not too complex, without sound or empty, whatever is left of its tables claims."""
    begin, last_table = song.index(b"moov") + 4, song.index(b"stco")
    for place in range(begin, last_table + 12, 5):
        path.write_bytes(song[:place])
        with pytest.raises(UndecodableAudio):
            probe(path)


@pytest.mark.parametrize(
    "options", [{"movflags": "faststart"}, {"movflags": "empty_moov+skip_trailer", "frag_duration": "500000"}]
)
def test_a_file_that_ends_in_its_sound_is_cut_off(path: Path, options: dict[str, str]) -> None:
    """By a tenth of a second, which is less than an encoder's padding may be, and in fragments that tell no length."""
    with av.open(str(path), "w", format="mov", options=options) as file:
        stream = file.add_stream("pcm_s16be", rate=44100, layout="stereo")
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(np.ones((1, 2 * 4410), np.int16), format="s16", layout="stereo")
            frame.sample_rate = 44100
            file.mux(stream.encode(frame))
    content = path.read_bytes()
    assert probe(path).complete
    in_a_header = content.rindex(b"moof" if b"moof" in content else b"mdat") + 20
    for end in (len(content) - 17_640, in_a_header):
        path.write_bytes(content[:end])
        info = probe(path)
        assert info.duration_seconds < 2
        assert not info.complete


def _in_formats(song: bytes, *used: int) -> bytes:
    """The song with another format behind its own, mono at 22,050 Hz; the first chunks and the rest are in those."""

    def change(kind: bytes, content: bytes) -> bytes | None:
        if kind == b"stsd":
            own = content[8:]
            other = own[:24] + struct.pack(">H", 1) + own[26:32] + struct.pack(">I", 22050 << 16) + own[36:]
            return box(kind, content[:4] + struct.pack(">I", 2) + own + other)
        if kind == b"stsc":
            (each,) = struct.unpack(">I", content[12:16])
            runs = [struct.pack(">III", number, each, number_of) for number, number_of in enumerate(used, 1)]
            return box(kind, content[:4] + struct.pack(">I", len(runs)) + b"".join(runs))
        return None

    return changed(song, change)


def test_a_format_that_no_chunk_is_in_is_not_the_songs(path: Path) -> None:
    """FFmpeg takes the last of several for all chunks."""
    song = encoded(path, "mov", "pcm_s16le", music(1), 44100).read_bytes()
    samples = read(path)
    path.write_bytes(_in_formats(song, 1))
    decoded = read(path)
    np.testing.assert_array_equal(decoded, samples[: len(decoded)])
    assert len(decoded) > 40_000
    path.write_bytes(_in_formats(song, 1, 2))
    with pytest.raises(AudioChangesFormat):
        probe(path)


def test_samples_of_24_bits_in_32_are_read_as_they_lie(path: Path) -> None:
    """Core Audio's own description of sound has both numbers."""
    song = encoded(path, "mov", "pcm_s32le", music(1), 44100).read_bytes()
    samples = read(path)

    def change(kind: bytes, content: bytes) -> bytes | None:
        if kind != b"stsd":
            return None
        fields = struct.pack(">IdIIIIII", 72, 44100.0, 2, 0x7F000000, 24, 1 << 2 | 1 << 4, 8, 1)
        common = struct.pack(">6xHHHIHHHHI", 1, 2, 0, 0, 3, 16, 0xFFFE, 0, 1 << 16)
        return box(kind, struct.pack(">II", 0, 1) + box(b"lpcm", common + fields))

    path.write_bytes(changed(song, change))
    np.testing.assert_array_equal(read(path), samples)
