"""Coded sound that says it is samples: what a digital output carries, and copies of a DTS CD."""

from pathlib import Path

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


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("ipod", "alac"), ("aiff", "pcm_s16be")])
@pytest.mark.parametrize("silence", [0, 66_000])
def test_what_no_longer_says_so_is_refused(tmp_path: Path, container: str, codec: str, silence: int) -> None:
    """Such a WAV file put into a smaller one, which is noise in every player; the silence ends with a block."""
    data = write_encoded(tmp_path / "song", music(2), 44100, "spdif", "ac3").read_bytes()
    words = np.frombuffer(bytes(4 * silence) + data, "<i2").reshape(-1, 2).astype(np.float32) / np.float32(32768)
    path = write_encoded(tmp_path / f"song.{container}", words, 44100, container, codec)
    with pytest.raises(UndecodableAudio, match="coded sound"):
        probe(path)


@pytest.mark.parametrize("sync", ["ff1f00e8", "1fffe800", "fe7f0180", "7ffe8001"])
def test_dts_is_found_by_its_frames(tmp_path: Path, sync: str) -> None:
    """Nothing here encodes it: what lies in these frames is none, and is refused."""
    noise = np.random.default_rng(1).bytes(4092)
    data = bytes(40_000) + 8 * (bytes.fromhex(sync) + noise)
    path = tmp_path / "song.wav"
    path.write_bytes(wav_header(len(data)) + data)
    with path.open("rb") as file:
        assert identify(file).demuxer == "dts"
    with pytest.raises(UndecodableAudio):
        probe(path)


def test_samples_that_look_like_a_frame_are_samples(tmp_path: Path) -> None:
    """The words before DTS at full level in both channels, again and again but on no grid."""
    pulse = np.zeros((441, 2), "<i2")
    pulse[0] = (0x7FFE, -0x7FFF)
    data = 40 * pulse.tobytes()
    path = tmp_path / "song.wav"
    path.write_bytes(wav_header(len(data)) + data)
    assert probe(path).codec == "pcm_s16le"
