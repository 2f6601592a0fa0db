"""AIFF-C by hand: samples of any width with the low byte first."""

import struct
from pathlib import Path

import numpy as np
import pytest

from separation.audio.decode import open_audio, probe
from tests.separation.signals import music, read

_44100 = bytes.fromhex("400eac44000000000000")


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2)


@pytest.mark.parametrize(
    ("name", "bits"),
    [(b"sowt", 8), (b"sowt", 16), (b"sowt", 20), (b"sowt", 24), (b"sowt", 32), (b"42ni", 24), (b"23ni", 32)],
)
@pytest.mark.parametrize("offset", [0, 8])
def test_samples_with_the_low_byte_first_are_as_wide_as_the_file_says(
    tmp_path: Path, name: bytes, bits: int, offset: int
) -> None:
    width = -(-bits // 8)
    whole = np.rint(music(0.3).astype(np.float64) * 2 ** (bits - 1)).astype(np.int64)
    raw = np.ascontiguousarray(whole << (8 * width - bits)).view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    common = struct.pack(">hIh", 2, len(whole), bits) + _44100 + name + b"\0\0"
    sound = struct.pack(">II", offset, 0) + bytes(offset) + raw
    body = b"AIFC" + _chunk(b"COMM", common) + _chunk(b"SSND", sound)
    path = tmp_path / "song.aifc"
    path.write_bytes(_chunk(b"FORM", body))
    with open_audio(path) as audio:
        assert (audio.sample_rate_hz, audio.channels, audio.container) == (44100, 2, "aiff")
    np.testing.assert_array_equal(read(path), (whole / 2.0 ** (bits - 1)).astype(np.float32))
    assert probe(path).complete
    path.write_bytes(path.read_bytes()[: -len(raw) // 2])
    assert not probe(path).complete


@pytest.mark.parametrize("bits", [16, 24])
def test_a_length_that_a_writer_to_a_pipe_made_up_is_not_believed(tmp_path: Path, bits: int) -> None:
    """SoX says as many samples as fit in 0x7f000000 bytes."""
    frame = 2 * bits // 8
    many = 0x7F000000 // frame
    common = struct.pack(">hIh", 2, many, bits) + _44100
    sound = struct.pack(">4sIII", b"SSND", many * frame + 8, 0, 0) + bytes(22_050 * frame)
    path = tmp_path / "song.aiff"
    path.write_bytes(struct.pack(">4sI", b"FORM", 0x7F000000) + b"AIFF" + _chunk(b"COMM", common) + sound)
    info = probe(path)
    assert (info.samples, info.complete) == (22_050, True)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("low_byte_first", [False, True])
def test_the_lengths_of_a_writer_to_a_pipe_are_not_there(tmp_path: Path, bits: int, low_byte_first: bool) -> None:
    """FFmpeg says that the file, its samples and their bytes are none, and does not come back."""
    whole = np.rint(music(0.3).astype(np.float64) * 2 ** (bits - 1)).astype("<i4" if low_byte_first else ">i4")
    octets = np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)
    raw = (octets[:, : bits // 8] if low_byte_first else octets[:, -bits // 8 :]).tobytes()
    common = struct.pack(">hIh", 2, 0, bits) + _44100 + (b"sowt\0\0" if low_byte_first else b"")
    form = b"AIFC" if low_byte_first else b"AIFF"
    path = tmp_path / "song.aiff"
    sound = struct.pack(">4sIII", b"SSND", 0, 0, 0) + raw
    path.write_bytes(struct.pack(">4sI4s", b"FORM", 0, form) + _chunk(b"COMM", common) + sound)
    np.testing.assert_array_equal(read(path), (whole / 2.0 ** (bits - 1)).astype(np.float32))
    assert probe(path).complete


@pytest.mark.parametrize(("name", "width"), [(b"42ni", 3), (b"23ni", 4)])
def test_names_that_say_how_wide_samples_are_are_believed(tmp_path: Path, name: bytes, width: int) -> None:
    whole = np.rint(music(0.1).astype(np.float64) * 2**23).astype("<i4") << (8 * width - 24)
    raw = np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    common = struct.pack(">hIh", 2, len(whole), 16) + _44100 + name + b"\0\0"
    path = tmp_path / "song.aifc"
    path.write_bytes(_chunk(b"FORM", b"AIFC" + _chunk(b"COMM", common) + _chunk(b"SSND", bytes(8) + raw)))
    np.testing.assert_array_equal(read(path), (whole / 2.0 ** (8 * width - 1)).astype(np.float32))


@pytest.mark.parametrize("said", [0x80000000, 0xFFFFFFFF])
def test_any_number_of_samples_may_be_said(tmp_path: Path, said: int) -> None:
    common = struct.pack(">hIh", 1, said, 16) + _44100
    path = tmp_path / "song.aiff"
    sound = _chunk(b"SSND", bytes(8) + b"\1\0" * 22_050)
    path.write_bytes(_chunk(b"FORM", b"AIFF" + _chunk(b"COMM", common) + sound))
    assert probe(path).samples == 22_050


def test_the_byte_that_makes_a_length_even_is_no_sample(tmp_path: Path) -> None:
    common = struct.pack(">hIh", 1, 22_049, 8) + _44100 + b"sowt\0\0"
    body = b"AIFC" + _chunk(b"COMM", common) + _chunk(b"SSND", bytes(8) + b"\1" * 22_049)
    path = tmp_path / "song.aifc"
    path.write_bytes(_chunk(b"FORM", body))
    assert probe(path).samples == 22_049
