"""Songs for the worker's tests: noise that sounds like nothing and compresses like music."""

import wave
from pathlib import Path

import numpy as np

RATE = 44100


def write_song(path: Path, seconds: float, *, seed: int = 1, channels: int = 2, rate: int = RATE) -> Path:
    """A 16-bit WAV file."""
    generator = np.random.default_rng(seed)
    block = (generator.standard_normal((rate, channels)) * 3000).astype("<i2")
    samples = round(seconds * rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        while samples > 0:
            file.writeframes(block[:samples].tobytes())
            samples -= len(block)
    return path
