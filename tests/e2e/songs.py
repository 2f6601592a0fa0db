"""Songs and files that are no songs, made for the tests."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from separation.audio.decode import open_audio

Samples = NDArray[np.float32]

SHARED_SONGS = Path(__file__).parents[3] / "shared" / "audio" / "cc0_songs"


def music(seconds: float, rate_hz: int = 44_100, channels: int = 2, seed: int = 1) -> Samples:
    """Something with a tune, a beat and a wavering voice: float32 `(samples, channels)` within -0.9 to 0.9."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    notes = 220 * 2 ** (random.integers(0, 12, size=int(seconds * 2) + 2) / 12)
    melody = np.sin(2 * np.pi * np.cumsum(notes[(time * 2).astype(int)]) / rate_hz)
    voice = sum(
        np.sin(2 * np.pi * number * (330 * time + np.sin(2 * np.pi * 5 * time))) / number for number in (1, 2, 3)
    )
    beat = random.standard_normal(len(time)) * np.exp(-(time % 0.5) * 30)
    tracks = [melody + pan * voice + 0.5 * beat for pan in np.linspace(0.6, 1.0, channels)]
    mixture = np.stack(tracks, axis=1)
    scaled: Samples = (0.9 * mixture / np.abs(mixture).max()).astype(np.float32)
    return scaled


def write_wav(path: Path, samples: Samples, rate_hz: int = 44_100) -> Path:
    """A WAV file of 32-bit float samples."""
    wavfile.write(path, rate_hz, samples)
    return path


def write_wav_16(path: Path, samples: Samples, rate_hz: int = 44_100) -> Path:
    wavfile.write(path, rate_hz, np.round(samples * 32767).astype(np.int16))
    return path


def read(path: Path) -> tuple[Samples, int]:
    """All samples `(samples, channels)` as the engine decodes them, and their rate."""
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks())), audio.sample_rate_hz


def whole_song(folder: Path, name: str = "Hydrogen", *, seconds: float = 300) -> Path:
    """Five minutes of real music as 16-bit WAV, or its beginning; music made here where there is none."""
    path = folder / f"{name}.wav"
    song = SHARED_SONGS / name
    if not song.exists():
        return write_wav_16(path, music(seconds))
    (vocals, rate_hz), (accompaniment, _) = (read(song / f"{stem}.ogg") for stem in ("vocals", "accompaniment"))
    length = min(len(vocals), len(accompaniment), round(seconds * rate_hz))
    mixture = vocals[:length] + accompaniment[:length]
    return write_wav_16(path, mixture / max(1.0, float(np.abs(mixture).max())), rate_hz)


def silent_flac(path: Path, hours: float) -> Path:
    """A small file that decodes to hours of silence."""
    with av.open(path, "w") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        # The largest blocks that the format allows, so that the file is small and soon made.
        stream.codec_context.options = {"compression_level": "0", "frame_size": "65535"}
        frame = av.AudioFrame(format="s16", layout="mono", samples=8000 * 60)
        frame.sample_rate = 8000
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        for minute in range(round(hours * 60)):
            frame.pts = minute * 8000 * 60
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def video_only(path: Path) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def steps_of_16_bit(difference: Samples) -> float:
    """The largest difference, in steps of 16-bit audio."""
    return float(np.abs(difference).max() * 32768)
