"""Reading songs: what arrives, and what hostile or broken files get."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from separation.audio.decode import AudioInfo, AudioLimits, open_audio, probe
from separation.errors import (
    AudioChangesFormat,
    AudioError,
    AudioTooLong,
    EmptyFile,
    NoAudioStream,
    NoSamples,
    UndecodableAudio,
    UnsupportedChannels,
    UnsupportedFormat,
    UnsupportedRate,
)
from tests.separation.signals import (
    id3_tag,
    music,
    read,
    to_16_bit,
    wav_header,
    write_encoded,
    write_silent_film,
    write_wav,
)

FORMATS = [
    ("wav", "pcm_u8", 0.01),
    ("wav", "pcm_s16le", 1e-4),
    ("wav", "pcm_s24le", 1e-6),
    ("wav", "pcm_s32le", 1e-7),
    ("wav", "pcm_f32le", 0),
    ("wav", "pcm_f64le", 0),
    ("aiff", "pcm_s16be", 1e-4),
    ("flac", "flac", 1e-4),
    ("matroska", "flac", 1e-4),
    ("mov", "alac", 1e-4),
    ("mp3", "libmp3lame", 0.1),
    ("ipod", "aac", 0.1),
    ("adts", "aac", 0.1),
    ("ogg", "vorbis", 0.1),
    ("ogg", "libopus", 0.1),
    ("webm", "libopus", 0.1),
]


@pytest.mark.parametrize(("container", "codec", "error"), FORMATS)
def test_every_format_on_the_list_is_read(tmp_path: Path, container: str, codec: str, error: float) -> None:
    samples = music(1.5, rate=48000)
    path = write_encoded(tmp_path / "song.bin", samples, 48000, container, codec)
    decoded = read(path)
    assert decoded.dtype == np.float32
    if error < 0.1:
        assert decoded.shape == samples.shape
        assert np.abs(decoded - samples).max() <= error
    else:  # lossy: padding may be added, the music must be there
        assert len(decoded) >= len(samples) - 2048
        assert 0.5 < np.std(decoded) / np.std(samples) < 1.5
    info = probe(path)
    assert (info.sample_rate_hz, info.channels, info.samples) == (48000, 2, len(decoded))
    assert info.complete


def test_length_is_ffmpegs_own_for_gapless_mp3(tmp_path: Path) -> None:
    samples = music(2)
    path = write_encoded(tmp_path / "song.mp3", samples, 44100, "mp3", "libmp3lame")
    assert len(read(path)) == len(samples)


@pytest.mark.parametrize("bits", [16, 32])
def test_16_bit_and_float_wav_arrive_exactly(tmp_path: Path, bits: int) -> None:
    samples = to_16_bit(music(0.7, channels=1))
    assert np.array_equal(read(write_wav(tmp_path / "a.wav", samples, bits=bits)), samples)


def test_blocks_have_one_length_but_the_last(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", music(5))
    with open_audio(path) as audio:
        lengths = [len(block) for block in audio.blocks()]
    assert sum(lengths) == 5 * 44100
    assert all(1.5 <= length / 44100 < 1.8 for length in lengths[:-1])


def test_cover_art_is_ignored(tmp_path: Path) -> None:
    plain = write_encoded(tmp_path / "plain.mp3", music(1), 44100, "mp3", "libmp3lame")
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(id3_tag(b"\x89PNG\r\n\x1a\n" + bytes(300_000), padding=5000) + plain.read_bytes())
    assert np.array_equal(read(tagged), read(plain))


def _outcome(path: Path, limits: AudioLimits | None = None) -> AudioInfo | str:
    """What ``probe`` finds, or the code of its error; any other exception fails the test."""
    try:
        return probe(path, limits)
    except AudioError as error:
        return error.code


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"This is a letter, not a song.\n" * 20,
        b"#EXTM3U\n#EXTINF:10,\n/etc/hostname\n",
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\nsecret.wav\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile secret.wav\n",
        b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nm=audio 5004 RTP/AVP 0\r\n",
        b"[playlist]\nFile1=secret.wav\nNumberOfEntries=1\n",
        b"<html><body>not found</body></html>",
        b"PK\x03\x04" + bytes(200),
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"RIFF\x24\0\0\0AVI LIST" + bytes(200),
        b"ID3\x03\0\0\0\0\0\x05abcde#EXTM3U\nsecret.wav\n",
        bytes(5000),
        b"\xff",
    ],
)
def test_playlists_and_other_files_are_refused_by_their_content(tmp_path: Path, content: bytes) -> None:
    write_wav(tmp_path / "secret.wav", music(0.1))
    with pytest.raises(UnsupportedFormat):
        probe(_bytes(tmp_path / "song.mp3", content))


def test_a_playlist_behind_the_magic_of_a_container_opens_nothing(tmp_path: Path) -> None:
    write_wav(tmp_path / "secret.wav", music(0.1))
    for magic in (b"fLaC", b"OggS", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftyp", b"\xff\xfb\x90\x00", b"RIFF\0\0\0\0WAVE"):
        path = _bytes(
            tmp_path / "song.mp3", magic + b"\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n" * 9
        )
        with pytest.raises(AudioError):
            probe(path)


def test_an_external_track_of_a_film_is_not_opened(tmp_path: Path) -> None:
    """QuickTime may name another file as the place of its samples (``dref``)."""
    secret = write_wav(tmp_path / "secret.wav", music(1))
    path = write_encoded(tmp_path / "a.mov", music(1), 44100, "mov", "pcm_s16le")
    content = path.read_bytes()
    start = content.index(b"dref") - 4
    old_size = struct.unpack(">I", content[start : start + 4])[0]
    location = str(secret).encode()
    alias = struct.pack(">I", 12 + len(location)) + b"url \0\0\0\0" + location
    dref = struct.pack(">I", 16 + len(alias)) + b"dref\0\0\0\0\0\0\0\x01" + alias
    grown = len(dref) - old_size
    content = content[:start] + dref + content[start + old_size :]
    for kind in (b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        place = content.rindex(kind, 0, start) - 4
        size = struct.unpack(">I", content[place : place + 4])[0]
        content = content[:place] + struct.pack(">I", size + grown) + content[place + 4 :]
    path.write_bytes(content)
    opened: list[object] = []
    original = Path.open

    class Watched(type(path)):  # type: ignore[misc]
        def open(self, *args: object, **kwargs: object) -> object:
            opened.append(self)
            return original(self, *args, **kwargs)  # type: ignore[call-overload]

    secret.unlink()  # were it opened, decoding would now end differently
    assert probe(Watched(path)).samples == 44100
    assert opened == [path]


def test_empty_file(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        probe(_bytes(tmp_path / "a.wav", b""))


def test_film_without_sound(tmp_path: Path) -> None:
    with pytest.raises(NoAudioStream):
        probe(write_silent_film(tmp_path / "film.mp4"))


def test_no_samples(tmp_path: Path) -> None:
    with pytest.raises(AudioError) as caught:
        probe(_bytes(tmp_path / "a.wav", wav_header(0)))
    assert isinstance(caught.value, NoSamples | UndecodableAudio)


def test_one_sample(tmp_path: Path) -> None:
    assert probe(write_wav(tmp_path / "a.wav", np.full((1, 2), 0.5, np.float32))).samples == 1


@pytest.mark.parametrize(
    ("container", "codec"), [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "flac")]
)
def test_a_file_that_ends_early_gives_what_it_holds(tmp_path: Path, container: str, codec: str) -> None:
    path = write_encoded(tmp_path / "a.bin", music(3), 44100, container, codec)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    info = probe(path)
    assert 1 < info.duration_seconds < 2
    assert not info.complete


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (44100, 1), (22050, 2), (8000, 1)])
def test_an_mp3_ends_early_by_the_note_of_its_encoder(tmp_path: Path, rate: int, channels: int) -> None:
    """In the first frame, wherever its kind of frame has room for it; without a note nobody can tell."""
    path = write_encoded(tmp_path / "a.mp3", music(3, channels=channels), rate, "mp3", "libmp3lame")
    whole = path.read_bytes()
    assert probe(path).complete
    path.write_bytes(whole[: len(whole) * 4 // 5])
    assert not probe(path).complete
    path.write_bytes(whole[: len(whole) * 4 // 5].replace(b"Xing", bytes(4)).replace(b"Info", bytes(4)))
    assert probe(path).complete


def test_an_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    path = write_encoded(tmp_path / "a.m4a", music(3), 44100, "ipod", "aac")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UndecodableAudio):
        probe(path)


def test_damage_in_the_middle_is_survived(tmp_path: Path) -> None:
    path = write_encoded(tmp_path / "a.flac", music(3), 44100, "flac", "flac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    info = probe(path)
    assert 2 < info.duration_seconds <= 3.2
    assert not info.complete


def test_the_limit_counts_decoded_samples_not_the_header(tmp_path: Path) -> None:
    path = write_encoded(tmp_path / "a.flac", music(4, 44100, 1), 44100, "flac", "flac")
    content = bytearray(path.read_bytes())
    # STREAMINFO: the number of samples is the low 36 bits of the 8 bytes at offset 18. It now says one second.
    stream_info = int.from_bytes(content[18:26], "big")
    content[18:26] = ((stream_info >> 36 << 36) | 44100).to_bytes(8, "big")
    path.write_bytes(content)
    assert probe(path).samples == 4 * 44100
    with pytest.raises(AudioTooLong, match=r"longer than the limit of 2\.5 seconds"):
        probe(path, AudioLimits(max_duration_seconds=2.5))


def test_the_limit_itself_is_allowed(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", music(2))
    assert probe(path, AudioLimits(max_duration_seconds=2)).samples == 88200
    with pytest.raises(AudioTooLong):
        probe(path, AudioLimits(max_duration_seconds=1.9999))


@pytest.mark.parametrize("said", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_header_that_lies_about_its_length(tmp_path: Path, said: int) -> None:
    raw = (music(1) * 2**14).astype("<i2").tobytes()
    outcome = _outcome(_bytes(tmp_path / "a.wav", wav_header(said) + raw))
    if isinstance(outcome, AudioInfo):
        assert outcome.samples <= 44100
    else:
        assert outcome in ("audio_no_samples", "audio_undecodable")


@pytest.mark.parametrize(
    "header",
    [
        wav_header(4000, rate=0),
        wav_header(4000, rate=0xFFFFFFFF),
        wav_header(4000, rate=1),
        wav_header(4000, rate=7999),
        wav_header(4000, rate=192_001),
        wav_header(4000, channels=0),
        wav_header(4000, channels=65535, align=4),
        wav_header(4000, channels=9),
        wav_header(4000, bits=0),
        wav_header(4000, bits=255, align=4),
        wav_header(4000, align=0),
        wav_header(4000, kind=0x1234),
    ],
)
def test_impossible_wav_headers_are_errors_with_codes(tmp_path: Path, header: bytes) -> None:
    outcome = _outcome(_bytes(tmp_path / "a.wav", header + bytes(4000)))
    if isinstance(outcome, AudioInfo):  # FFmpeg makes sense of some of them
        assert 8000 <= outcome.sample_rate_hz <= 192_000
        assert 1 <= outcome.channels <= 8
    else:
        assert outcome.startswith("audio_")


def test_rate_and_channels_outside_the_limits(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedRate, match="4000 Hz"):
        probe(write_wav(tmp_path / "a.wav", music(1, 4000), rate=4000))
    with pytest.raises(UnsupportedChannels, match="12 channels"):
        probe(write_wav(tmp_path / "a.wav", np.zeros((100, 12), np.float32)))


def test_samples_that_are_not_numbers_are_repaired(tmp_path: Path) -> None:
    samples = music(1)
    samples[100, 0], samples[200, 1], samples[300, 0], samples[400] = np.nan, np.inf, -1e38, 1e-42
    path = write_wav(tmp_path / "a.wav", samples, bits=32)
    with open_audio(path) as audio:
        decoded = np.concatenate(list(audio.blocks()))
        assert audio.repaired_samples == 3
    assert (decoded[100, 0], decoded[200, 1], decoded[300, 0]) == (0, 256, -256)
    assert np.isfinite(decoded).all()


def test_the_best_of_several_audio_streams_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w", format="matroska") as file:
        streams = [file.add_stream("pcm_s16le", rate=44100, layout="stereo") for _ in range(10)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 44100), np.int16), format="s16", layout="stereo")
            frame.sample_rate = 44100
            for packet in stream.encode(frame):
                file.mux(packet)
    assert probe(path).samples == 44100


@pytest.mark.parametrize("unknown", [0, 1])
@pytest.mark.parametrize("container", ["mov", "matroska"])
def test_a_track_that_nothing_here_decodes_is_no_obstacle(tmp_path: Path, container: str, unknown: int) -> None:
    """As films of telephones have it: the same sound once for everybody and once for the maker's own decoder."""
    path = tmp_path / "film"
    with av.open(str(path), "w", format=container) as file:
        streams = [file.add_stream("pcm_s16le", rate=44100, layout=layout) for layout in ("stereo", "5.1")]
        for stream, channels in zip(streams, (2, 6), strict=True):
            packed = np.zeros((1, channels * 44100), np.int16)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=stream.layout)
            frame.sample_rate = 44100
            for packet in stream.encode(frame):
                file.mux(packet)
    known, strange = (b"sowt", b"apac") if container == "mov" else (b"A_PCM/INT/LIT", b"A_STRANGE/ONE")
    content = path.read_bytes()
    place = content.index(known, content.index(known) + 1 if unknown else 0)
    path.write_bytes(content[:place] + strange + content[place + len(strange) :])
    assert probe(path).channels == (2 if unknown else 6)


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1)])
def test_a_rate_or_channels_that_change_on_the_way_are_an_error(tmp_path: Path, rate: int, channels: int) -> None:
    first = write_encoded(tmp_path / "first", music(1), 44100, "adts", "aac").read_bytes()
    second = write_encoded(tmp_path / "second", music(1, rate=rate)[:, :channels], rate, "adts", "aac").read_bytes()
    path = tmp_path / "song.aac"
    path.write_bytes(first + second)
    with pytest.raises(AudioChangesFormat):
        probe(path)


def test_samples_whose_format_changes_on_the_way_are_the_same_samples(tmp_path: Path) -> None:
    """As decoders may: whole numbers first, then floats, each frame with a time that says nothing."""
    samples = to_16_bit(music(0.1))
    path = write_wav(tmp_path / "song.wav", samples, 44100, bits=16)

    def frame(begin: int, end: int, form: str) -> av.AudioFrame:
        part = samples[begin:end]
        packed = part * 32768 if form == "s16" else part
        kind: Any = np.int16 if form == "s16" else np.float32
        made = av.AudioFrame.from_ndarray(packed.astype(kind).reshape(1, -1), format=form, layout="stereo")
        made.sample_rate, made.pts, made.time_base = 44100, 7, Fraction(1, 44100)
        return made

    with open_audio(path) as audio:
        audio._first = frame(0, 1000, "s16")
        audio._items = iter([frame(1000, 1500, "s16"), frame(1500, 4000, "flt"), frame(4000, len(samples), "s16")])
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), samples)
