"""Songs whose parts are known, made here, in the layouts of the data sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.separation.signals import write_wav

Samples = NDArray[np.float32]
RATE = 44100
# AAC's substituted noise is drawn anew by every decoder, so that no two readings of it are alike.
_OPTIONS = {"aac": {"aac_pns": "0"}, "vorbis": {"strict": "experimental"}}


def voice(seconds: float, seed: int = 0) -> Samples:
    """A wandering tone with harmonics, ``(samples, 2)``."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(220 * 2 ** (np.sin(2 * np.pi * 0.31 * time + seed) / 2)) / RATE
    harmonics = np.arange(1, 9)[:, None]
    tone = 0.1 * (np.sin(harmonics * phase) / harmonics).sum(axis=0)
    return np.stack([tone, 0.8 * tone], axis=1).astype(np.float32)


def band(seconds: float, seed: int = 0) -> Samples:
    """A beat and hiss, ``(samples, 2)``."""
    time = np.arange(round(seconds * RATE)) / RATE
    hiss = np.random.default_rng(seed).standard_normal(len(time)) * np.exp(-30 * (time % 0.25))
    beat = 0.25 * np.sin(2 * np.pi * 60 * time) * np.exp(-8 * (time % 0.5)) + 0.05 * hiss
    return np.stack([0.9 * beat, beat], axis=1).astype(np.float32)


def write_song(folder: Path, *, seconds: float, seed: int) -> Path:
    """``vocals.wav`` and ``accompaniment.wav``."""
    folder.mkdir(parents=True)
    write_wav(folder / "vocals.wav", voice(seconds, seed))
    write_wav(folder / "accompaniment.wav", band(seconds, seed))
    return folder


def write_streams(path: Path, streams: Sequence[Samples], codec: str = "aac") -> Path:
    """One file with an audio stream for each, as MUSDB18's ``.stem.mp4`` has five."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        made: list[Any] = [container.add_stream(codec, RATE, _OPTIONS.get(codec), layout="stereo") for _ in streams]
        for stream, samples in zip(made, streams, strict=True):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    return path
