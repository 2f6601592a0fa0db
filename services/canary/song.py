"""The song: four seconds that are the same every time, made here, and whether its stems are what it was made of."""

import io
import wave

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 44_100
SECONDS = 4
TONIC_HZ = 220.0
STEPS = (0, 3, 7, 12, 7, 3, 0, -5)
"""Semitones from the tonic, half a second each."""

Samples = NDArray[np.int16]
"""`(samples, 2)`"""


def song() -> bytes:
    """A WAV file of 16 bits: a voice that wavers over a tune, at half of full scale."""
    time = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    pitch = TONIC_HZ * 2 ** (np.repeat(STEPS, len(time) // len(STEPS)) / 12)
    tune = np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ) * np.exp(-(time % 0.5) * 4)
    wavering = 2 * TONIC_HZ * time + 2 * np.sin(2 * np.pi * 5 * time)
    voice = sum(np.sin(2 * np.pi * number * wavering) / number for number in (1, 2, 3))
    mixture = np.stack([tune + 0.6 * voice, 0.7 * tune + 0.6 * voice], axis=1)
    samples = np.round(mixture / np.abs(mixture).max() * 0.5 * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(2)
        written.setsampwidth(2)
        written.setframerate(RATE_HZ)
        written.writeframes(samples.tobytes())
    return file.getvalue()


def samples_of(file: bytes) -> Samples:
    """Of a WAV file as the song is one. Raises ValueError for any other.

    By Python's own reader: what looks after the engine shares none of its code.
    """
    try:
        with wave.open(io.BytesIO(file)) as read:
            form = (read.getnchannels(), read.getsampwidth(), read.getframerate())
            content = read.readframes(read.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"no WAV file: {error}") from None
    if form != (2, 2, RATE_HZ):
        raise ValueError(f"a file of {form[0]} channels, {form[1]} bytes and {form[2]} Hz")
    return np.frombuffer(content, dtype="<i2").reshape(-1, 2)


def check_sum(mixture: bytes, stems: list[bytes]) -> None:
    """Raises ValueError unless the stems, added up, are the song, sample by sample."""
    wanted, parts = samples_of(mixture), [samples_of(stem) for stem in stems]
    if {part.shape for part in parts} != {wanted.shape}:
        raise ValueError(f"stems of {', '.join(str(len(part)) for part in parts)} samples of {len(wanted)}")
    off = np.abs(np.sum([part.astype(np.int32) for part in parts], axis=0) - wanted).max()
    if off:
        raise ValueError(f"the stems miss the song by {off} of {np.iinfo(np.int16).max}")
