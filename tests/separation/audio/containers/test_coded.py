"""Coded sound that says it is samples: what a digital output carries, and copies of a DTS CD."""

from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest

from separation.audio.containers import identify
from separation.audio.decode import probe
from separation.errors import UndecodableAudio
from tests.separation.signals import music, wav_header, write_encoded


@pytest.mark.parametrize("silence", [0, 4, 441_001])
@pytest.mark.parametrize(
    ("container", "codec"), [("ac3", "ac3"), ("eac3", "eac3"), ("spdif", "ac3"), ("spdif", "eac3")]
)
def test_what_stands_where_samples_should_be_is_found(tmp_path: Path, container: str, codec: str, silence: int) -> None:
    """Whatever precedes it: FFmpeg looks at the first samples only."""
    coded = write_encoded(tmp_path / "song", music(2), 44100, container, codec)
    with av.open(str(coded), format=container) as file:
        samples = sum(frame.samples for frame in file.decode(audio=0))
    data = bytes(4 * silence) + coded.read_bytes()
    path = tmp_path / "song.wav"
    path.write_bytes(wav_header(len(data)) + data)
    info = probe(path)
    assert (info.codec, info.container, info.samples, info.complete) == (codec, "wav", samples, True)


@pytest.mark.parametrize(
    ("container", "codec"), [("flac", "flac"), ("ipod", "alac"), ("aiff", "pcm_s16be"), ("wav", "pcm_s24le")]
)
@pytest.mark.parametrize("silence", [0, 66_000])
def test_what_no_longer_says_so_is_refused(tmp_path: Path, container: str, codec: str, silence: int) -> None:
    """Such a WAV file put into a smaller one, which is noise in every player; the silence ends with a block."""
    data = write_encoded(tmp_path / "song", music(2), 44100, "spdif", "ac3").read_bytes()
    words = np.frombuffer(bytes(4 * silence) + data, "<i2").reshape(-1, 2).astype(np.float32) / np.float32(32768)
    path = write_encoded(tmp_path / f"song.{container}", words, 44100, container, codec)
    with pytest.raises(UndecodableAudio, match="coded sound"):
        probe(path)


def dts(order: Literal["big", "little"], bits: int, blocks: int, length: int) -> bytes:
    """The beginning of a frame: its sync, and of the fields that follow the first five."""
    fields = 0x7FFE8001 << 28 | 63 << 22 | (blocks - 1) << 14 | length - 1
    stream = fields << 4 | 0xF  # whole words of either width follow from 64 bits and more
    stream <<= -64 % bits
    width = 64 + -64 % bits
    words = [stream >> shift & ((1 << bits) - 1) for shift in range(width - bits, -1, -bits)]
    if bits == 14:  # as signed samples
        words = [word | 0xC000 if word & 0x2000 else word for word in words]
    return b"".join(word.to_bytes(2, order) for word in words)


def test_frames_made_here_begin_as_those_of_discs_do() -> None:
    assert dts("little", 14, blocks=32, length=3584)[:8] == bytes.fromhex("ff1f00e8f107dffc")
    assert dts("big", 16, blocks=16, length=2012)[:8] == bytes.fromhex("7ffe8001fc3c7dbf")


def in_wav(path: Path, data: bytes) -> Path:
    path.write_bytes(wav_header(len(data)) + data)
    return path


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("bits", [14, 16])
@pytest.mark.parametrize("blocks", [16, 32])
def test_dts_is_found_by_its_frames(tmp_path: Path, order: Literal["big", "little"], bits: int, blocks: int) -> None:
    """Nothing here encodes it: what lies in these frames is none, and is refused."""
    frame = dts(order, bits, blocks, 112 * blocks)  # as much as has room in words of 14 bits
    frame += np.random.default_rng(1).bytes(128 * blocks - len(frame))
    path = in_wav(tmp_path / "song.wav", bytes(40_000) + 8 * frame)
    with path.open("rb") as file:
        assert identify(file).demuxer == "dts"
    with pytest.raises(UndecodableAudio):
        probe(path)


@pytest.mark.parametrize("period", [16, 32, 64, 100, 128, 512, 6000])
@pytest.mark.parametrize("level", [(-385, 384), (-225, 232), (32766, -32767), (30475, 30475)])
def test_music_is_not_taken_for_frames(tmp_path: Path, period: int, level: tuple[int, int]) -> None:
    """Its samples are the words before DTS or AC-3 by chance, at the distance of frames: no more of a frame follows."""
    high = np.tile(np.array(level, "<i2"), (period // 2, 1))
    data = np.tile(np.concatenate((high, -high[:, ::-1])), (40_000 // period, 1))
    assert probe(in_wav(tmp_path / "song.wav", data.tobytes())).codec == "pcm_s16le"


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_tone_that_repeats_an_accident_is_a_tone(tmp_path: Path, rate: int) -> None:
    """21 of its periods are 128 samples, so what once looks like the head of a frame does again a frame later."""
    tone = np.rint(30622.642109754823 * np.sin(2 * np.pi * 21 * np.arange(96_000) / 128)).astype("<i2")
    data = np.stack([tone, tone], axis=1).tobytes()
    path = tmp_path / "song.wav"
    path.write_bytes(wav_header(len(data), rate=rate) + data)
    info = probe(path)
    assert (info.codec, info.samples) == ("pcm_s16le", 96_000)


@pytest.mark.parametrize("codec", ["ac3", "eac3"])
@pytest.mark.parametrize("zeros", [2, 4, 100, 1536, 8000, 200_000])
def test_zeros_behind_the_last_frame_are_no_part_of_it(tmp_path: Path, codec: str, zeros: int) -> None:
    coded = write_encoded(tmp_path / "song", music(2), 44100, codec, codec).read_bytes()
    whole = probe(in_wav(tmp_path / "whole.wav", coded))
    padded = probe(in_wav(tmp_path / "padded.wav", coded + bytes(zeros)))
    assert (padded.samples, padded.complete) == (whole.samples, True)


def test_pauses_before_the_first_burst_are_passed_over(tmp_path: Path) -> None:
    """As a digital output has them while nothing plays, which FFmpeg does not read."""
    sound = write_encoded(tmp_path / "song", music(2), 44100, "spdif", "ac3").read_bytes()
    pause = bytes.fromhex("72f81f4e03002000") + bytes(6144 - 8)
    assert probe(in_wav(tmp_path / "song.wav", 8 * pause + sound)).codec == "ac3"
