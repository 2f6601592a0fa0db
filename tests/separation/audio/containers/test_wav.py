"""WAV by hand: samples in containers of any width, chunks in any order, lengths that say anything."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from separation.audio.decode import open_audio, probe, read_audio
from separation.errors import AudioTooComplex, NoSamples, UndecodableAudio
from tests.separation.reference import samples_by_pyav
from tests.separation.signals import Samples, music, read, to_16_bit, write_encoded, write_wav


def _chunk(name: bytes, content: bytes, said: int | None = None) -> bytes:
    size = len(content) if said is None else said
    return name + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def _format(kind: int, channels: int, rate: int, bits: int, extension: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits) + extension


def _extension(bits: int, mask: int, kind: int) -> bytes:
    guid = struct.pack("<H", kind) + bytes.fromhex("000000001000800000aa00389b71")
    return struct.pack("<HHI", 22, bits, mask) + guid


def _pcm(samples: Samples, bits: int) -> bytes:
    whole = np.rint(samples.astype(np.float64) * 2 ** (bits - 1)).astype("<i4")
    return np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_wave_format_extensible(tmp_path: Path, bits: int) -> None:
    samples = music(0.3, 48000, 6)
    layout = _format(0xFFFE, 6, 48000, bits, _extension(bits, 0x60F, 1))
    content = b"WAVE" + _chunk(b"fmt ", layout) + _chunk(b"data", _pcm(samples, bits))
    path = tmp_path / "song.wav"
    path.write_bytes(_chunk(b"RIFF", content))
    decoded = read(path)
    assert decoded.shape == samples.shape
    assert np.abs(decoded - samples).max() <= 2.0**-bits + 1e-7


def _in_order(order: str, layout: bytes, data: bytes) -> bytes:
    """A file with that format and data in that order of bytes."""
    content = struct.pack(f"{order}4sI", b"fmt ", len(layout)) + layout
    content += struct.pack(f"{order}4sI", b"data", len(data)) + data
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(f"{order}I", len(content) + 4) + b"WAVE" + content


@pytest.mark.parametrize("silence", [0, 11_025])
@pytest.mark.parametrize(("order", "floats"), [("<", False), (">", False), ("<", True)])
def test_blocks_of_32_bits_with_24_are_integers_or_the_floats_of_cool_edit(
    tmp_path: Path, order: str, floats: bool, silence: int
) -> None:
    """Both are written without the extension that would tell them apart; read as the other they are noise."""
    whole = np.rint(music(0.5).astype(np.float64) * 2**23).astype(np.int64)
    whole[:silence] = 0
    data = whole.astype("<f4").tobytes() if floats else (whole << 8).astype(f"{order}i4").tobytes()
    path = tmp_path / "song.wav"
    path.write_bytes(_in_order(order, struct.pack(f"{order}HHIIHH", 1, 2, 44100, 44100 * 8, 8, 24), data))
    np.testing.assert_array_equal(read(path), (whole / 2.0**23).astype(np.float32))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [6, 7])
def test_a_law_and_mu_law_in_either_order_of_bytes(tmp_path: Path, kind: int, order: str) -> None:
    data = bytes(range(256)) * 40
    path = tmp_path / "song.wav"
    path.write_bytes(_in_order(order, struct.pack(f"{order}HHIIHHH", kind, 1, 8000, 8000, 1, 8, 0), data))
    decoded = read(path)
    assert (len(decoded), len(np.unique(decoded))) == (len(data), 256 if kind == 6 else 255)


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_rf64_and_bw64(tmp_path: Path, magic: bytes) -> None:
    samples = music(0.3)
    data = _pcm(samples, 24)
    sizes = struct.pack("<QQQI", len(data) + 100, len(data), len(samples), 0)
    content = b"WAVE" + _chunk(b"ds64", sizes) + _chunk(b"fmt ", _format(1, 2, 44100, 24))
    path = tmp_path / "song.wav"
    path.write_bytes(magic + b"\xff\xff\xff\xff" + content + b"data\xff\xff\xff\xff" + data)
    decoded = read(path)
    assert decoded.shape == samples.shape
    assert np.abs(decoded - samples).max() <= 2.0**-24 + 1e-7


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_a_last_frame_that_is_not_whole_is_left_out(tmp_path: Path, cut: int) -> None:
    path = write_wav(tmp_path / "song.wav", music(0.1))
    path.write_bytes(path.read_bytes()[:-cut])
    assert probe(path).samples == 4410 - -(-cut // 4)


@pytest.mark.parametrize("said", [0, 1, 3, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
def test_a_data_chunk_that_says_anything(tmp_path: Path, said: int) -> None:
    path = tmp_path / "song.wav"
    data = _pcm(music(0.1), 16)
    path.write_bytes(_chunk(b"RIFF", b"WAVE" + _chunk(b"fmt ", _format(1, 2, 44100, 16)) + _chunk(b"data", data, said)))
    if said in (1, 3):  # less than one sample
        with pytest.raises((NoSamples, UndecodableAudio)):
            probe(path)
    else:
        assert probe(path).samples == samples_by_pyav(path) == 4410


def _wav(layout: bytes, data: bytes, before: bytes = b"", behind: bytes = b"") -> bytes:
    return _chunk(b"RIFF", b"WAVE" + before + _chunk(b"fmt ", layout) + _chunk(b"data", data) + behind)


@pytest.mark.parametrize(
    ("valid", "width"),
    [(4, 8), (8, 8), (8, 16), (12, 16), (16, 16), (16, 24), (20, 24), (24, 24), (16, 32), (20, 32), (24, 32), (31, 32)],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_samples_are_as_wide_as_their_container_however_many_of_its_bits_are_valid(
    tmp_path: Path, valid: int, width: int, channels: int
) -> None:
    samples = music(0.1, channels=channels)
    whole = np.rint(samples.astype(np.float64) * 2 ** (valid - 1)).astype(np.int64) << (width - valid)
    raw = (whole + (128 if width == 8 else 0)).astype("<i8").view(np.uint8).reshape(-1, 8)[:, : width // 8].tobytes()
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(_format(0xFFFE, channels, 44100, width, _extension(valid, 0, 1)), raw))
    np.testing.assert_array_equal(read(path), (whole / 2.0 ** (width - 1)).astype(np.float32))


def test_the_block_tells_the_width_where_the_bits_are_those_that_are_valid(tmp_path: Path) -> None:
    samples = to_16_bit(music(0.1))
    raw = np.rint(samples * 2.0**31).astype("<i4").tobytes()
    layout = struct.pack("<HHIIHH", 0xFFFE, 2, 44100, 44100 * 8, 8, 24) + _extension(24, 3, 1)
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(layout, raw))
    np.testing.assert_array_equal(read(path), samples)


@pytest.mark.parametrize("valid", [0, 24, 32])
def test_floats_are_as_wide_as_their_container(tmp_path: Path, valid: int) -> None:
    samples = music(0.1)
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(_format(0xFFFE, 2, 44100, 32, _extension(valid, 3, 3)), samples.astype("<f4").tobytes()))
    np.testing.assert_array_equal(read(path), samples)


def test_a_block_of_no_length_loses_nothing(tmp_path: Path) -> None:
    samples = to_16_bit(music(0.5, channels=6))
    layout = struct.pack("<HHIIHH", 1, 6, 44100, 0, 0, 16)
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(layout, _pcm(samples, 16)))
    np.testing.assert_array_equal(read(path), samples)


@pytest.mark.parametrize(("bits", "block"), [(16, 1), (16, 3), (16, 8), (24, 4), (24, 12)])
def test_a_block_of_another_length_than_the_bits_loses_nothing(tmp_path: Path, bits: int, block: int) -> None:
    samples = to_16_bit(music(0.5))
    layout = struct.pack("<HHIIHH", 1, 2, 44100, 44100 * block, block, bits)
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(layout, _pcm(samples, bits)))
    np.testing.assert_array_equal(read(path), samples)


@pytest.mark.parametrize("bits", [0, 33, 72, 255, 65535])
@pytest.mark.parametrize("magic", [b"RIFF", b"RIFX"])
def test_samples_of_a_width_that_nobody_has_are_refused(tmp_path: Path, bits: int, magic: bytes) -> None:
    order = "<" if magic == b"RIFF" else ">"
    layout = struct.pack(f"{order}HHIIHH", 1, 2, 44100, 0, 0, bits)
    body = struct.pack(f"{order}4sI", b"fmt ", 16) + layout + struct.pack(f"{order}4sI", b"data", 4000) + bytes(4000)
    path = tmp_path / "song.wav"
    path.write_bytes(magic + struct.pack(f"{order}I", len(body) + 4) + b"WAVE" + body)
    with pytest.raises(UndecodableAudio):
        probe(path)


@pytest.mark.parametrize("bits", [12, 20])
def test_without_an_extension_the_block_tells_how_wide_part_of_a_byte_is(tmp_path: Path, bits: int) -> None:
    samples = np.asarray(np.floor(music(0.1) * 2**11) / 2**11, np.float32)
    layout = struct.pack("<HHIIHH", 1, 2, 44100, 44100 * 8, 8, bits)
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(layout, _pcm(samples, 32)))
    np.testing.assert_array_equal(read(path), samples)


@pytest.mark.parametrize("kind", ["i2", "i3", "i4", "f4"])
@pytest.mark.parametrize("extension", [b"", b"\0\0", struct.pack(">HHIH", 22, 16, 3, 1) + bytes(14)])
def test_rifx_has_the_high_byte_first(tmp_path: Path, kind: str, extension: bytes) -> None:
    samples = to_16_bit(music(0.3))
    width = int(kind[1])
    if kind == "f4":
        raw = samples.astype(">f4").tobytes()
        extension = extension.replace(b"\0\1" + bytes(14), b"\0\3" + bytes(14))
    else:
        whole = np.rint(samples * 2.0**31).astype(">i4")
        raw = np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    plain_kind = 3 if kind == "f4" else 1
    block = 2 * width
    layout = struct.pack(
        ">HHIIHH", 0xFFFE if len(extension) > 2 else plain_kind, 2, 44100, 44100 * block, block, 8 * width
    )
    body = struct.pack(">4sI", b"fmt ", len(layout + extension)) + layout + extension
    path = tmp_path / "song.wav"
    path.write_bytes(b"RIFX" + struct.pack(">I", len(body) + len(raw) + 12) + b"WAVE" + body)
    with path.open("ab") as file:
        file.write(struct.pack(">4sI", b"data", len(raw)) + raw)
    np.testing.assert_array_equal(read(path), samples)
    with open_audio(path) as audio:
        begin = audio.skip_to(5000)
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), samples[begin:])


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
@pytest.mark.parametrize("said", [0, 2**64 - 1])
def test_a_long_length_that_was_never_filled_in(tmp_path: Path, magic: bytes, said: int) -> None:
    samples = to_16_bit(music(0.3))
    content = b"WAVE" + _chunk(b"ds64", struct.pack("<QQQI", said, said, said, 0))
    content += _chunk(b"fmt ", _format(1, 2, 44100, 16)) + b"data\xff\xff\xff\xff" + _pcm(samples, 16)
    path = tmp_path / "song.wav"
    path.write_bytes(magic + b"\xff\xff\xff\xff" + content)
    np.testing.assert_array_equal(read(path), samples)


@pytest.mark.parametrize("behind", [bytes(1 << 20), bytes(7), b"\xff" * 5000])
@pytest.mark.parametrize("name", ["wav", "aiff"])
def test_what_follows_the_last_chunk_is_no_chunk(tmp_path: Path, name: str, behind: bytes) -> None:
    codec = {"wav": "pcm_s16le", "aiff": "pcm_s16be"}[name]
    path = write_encoded(tmp_path / "song", music(0.3), 44100, name, codec)
    samples = read(path)
    path.write_bytes(path.read_bytes() + behind)
    np.testing.assert_array_equal(read(path), samples)
    assert probe(path).complete


def test_a_byte_that_should_make_a_length_even_may_be_missing(tmp_path: Path) -> None:
    samples = to_16_bit(music(0.1))
    odd = b"bext" + struct.pack("<I", 3) + b"abc"
    for before in (odd, odd + b"\0", odd + b"x"):
        path = tmp_path / "song.wav"
        path.write_bytes(_wav(_format(1, 2, 44100, 16), _pcm(samples, 16), before))
        np.testing.assert_array_equal(read(path), samples)


def test_mpeg_audio_in_a_wav_file_is_what_it_is_without_it(tmp_path: Path) -> None:
    stream = write_encoded(tmp_path / "song.mp3", music(1.5), 44100, "mp3", "libmp3lame")
    samples = read(stream)
    layout = struct.pack("<HHIIHH", 0x55, 2, 44100, 16000, 1, 0) + struct.pack("<HHIHHH", 12, 1, 2, 417, 1, 1393)
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(layout, stream.read_bytes()))
    np.testing.assert_array_equal(read(path), samples)
    assert probe(path).complete


def test_texts_of_an_info_list_wherever_it_stands_and_whatever_its_letters(tmp_path: Path) -> None:
    def info(**texts: bytes) -> bytes:
        return _chunk(b"LIST", b"INFO" + b"".join(_chunk(key.encode(), text) for key, text in texts.items()))

    before, behind = info(INAM="Größe".encode(), IART=b"Mot\xf6rhead\0"), info(ICRD=b"1999")
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(_format(1, 1, 44100, 16), bytes(2000), before, behind))
    with open_audio(path) as audio:
        assert audio.tags == {"title": "Größe", "artist": "Motörhead", "date": "1999"}


def test_more_chunks_than_any_writer_makes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(_wav(_format(1, 1, 44100, 16), bytes(2000), 100_000 * _chunk(b"LIST", b"INFO")))
    with pytest.raises(AudioTooComplex):
        probe(path)


def test_half_a_minute_of_samples_is_not_searched_for_other_formats(tmp_path: Path) -> None:
    """By the size of a file 30 ms of each opening, before the first sample."""

    class Counted(io.FileIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size) or b""
            self.taken += len(data)
            return data

    path = write_wav(tmp_path / "song.wav", music(0.5), times=60)
    with Counted(path) as raw, read_audio(raw) as audio:
        assert raw.taken < 400_000
        assert audio.sample_rate_hz == 44100


@pytest.mark.parametrize(
    ("said", "complete"),
    [(88_200, True), (88_200 + 44, True), (0xFFFFFFFF, True), (0, True), (0x7FFFF000, True), (176_400, False)],
)
def test_a_file_is_cut_off_where_its_header_says_that_it_goes_on(tmp_path: Path, said: int, complete: bool) -> None:
    """Not where a writer did not know its length, nor where it counted its header, too."""
    content = b"WAVE" + _chunk(b"fmt ", _format(1, 2, 44100, 16)) + _chunk(b"data", _pcm(music(0.5), 16), said)
    path = tmp_path / "song.wav"
    path.write_bytes(_chunk(b"RIFF", content))
    info = probe(path)
    assert (info.samples, info.complete) == (22_050, complete)


@pytest.mark.parametrize(("said", "complete"), [(88_200, True), (176_400, False)])
def test_the_same_in_rf64(tmp_path: Path, said: int, complete: bool) -> None:
    lengths = _chunk(b"ds64", struct.pack("<QQQI", 0, said, said // 4, 0))
    samples = _chunk(b"data", _pcm(music(0.5), 16), 0xFFFFFFFF)
    path = tmp_path / "song.wav"
    path.write_bytes(_chunk(b"RF64", b"WAVE" + lengths + _chunk(b"fmt ", _format(1, 2, 44100, 16)) + samples))
    info = probe(path)
    assert (info.samples, info.complete) == (22_050, complete)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("head", ["ffffc400", "fffb9400"])
def test_samples_that_look_like_frames_of_mpeg_stay_samples(tmp_path: Path, head: str, channels: int) -> None:
    """A loop repeats one accident as often as it is looked for; FFmpeg takes these for layers 1 and 3."""
    once = bytes.fromhex(head) + np.random.default_rng(1).integers(-50, 50, 190).astype("<i2").tobytes()
    content = _chunk(b"fmt ", _format(1, channels, 44100, 16)) + _chunk(b"data", 200 * once)
    path = tmp_path / "song.wav"
    path.write_bytes(_chunk(b"RIFF", b"WAVE" + content))
    expected = np.frombuffer(200 * once, "<i2").reshape(-1, channels) / 2**15
    assert np.array_equal(read(path), expected)


@pytest.mark.parametrize(
    ("kind", "bits", "said", "fact"),
    [
        (3, 32, 0x7FFFF000 - 0x7FFFF000 % 8, (0x7FFFF000 - 0x7FFFF000 % 8) // 8),
        (3, 64, 0xFFFFFFFF, 0xFFFFFFFF),
        (1, 16, 0, 44_100),
        (6, 8, 0x7FFFF000, 0x7FFFF000 // 2),
    ],
)
def test_a_count_that_a_writer_to_a_pipe_made_up_is_not_believed(
    tmp_path: Path, kind: int, bits: int, said: int, fact: int
) -> None:
    """SoX counts as many samples as a program can bear; others leave the count open, or count those of all channels."""
    samples = np.zeros((22_050, 2), {3: f"<f{bits // 8}", 1: "<i2", 6: "<i1"}[kind]).tobytes()
    layout = _chunk(b"fmt ", _format(kind, 2, 44100, bits)) + _chunk(b"fact", struct.pack("<I", fact))
    path = tmp_path / "song.wav"
    path.write_bytes(_chunk(b"RIFF", b"WAVE" + layout + _chunk(b"data", samples, said), 0x7FFFFFFF))
    info = probe(path)
    assert (info.samples, info.complete) == (22_050, True)
