"""Synthetic music, and files of every kind made from it."""

import functools
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from separation.audio.decode import open_audio

Samples = NDArray[np.float32]


def music(seconds: float, rate: int = 44100, channels: int = 2, seed: int = 0) -> Samples:
    """A wandering voice-like tone over a beat and noise, ``(samples, channels)``, below full scale."""
    return _music(seconds, rate, channels, seed).copy()


@functools.lru_cache(maxsize=32)
def _music(seconds: float, rate: int, channels: int, seed: int) -> Samples:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 220 * 2 ** (np.sin(2 * np.pi * 0.31 * time + seed) / 2)
    turn = np.exp(2j * np.pi * np.cumsum(pitch) / rate)
    harmonics = np.zeros_like(turn)  # eight, the n-th turning n times as fast and as loud as 1/n: by Horner's rule
    for number in range(8, 0, -1):
        harmonics += 1 / number
        harmonics *= turn
    voice = (harmonics * np.exp(0.1j * np.sin(2 * np.pi * 5 * time))).imag
    beat = np.sin(2 * np.pi * 60 * time) * np.exp(-8 * (time % 0.5))
    hiss = random.standard_normal(len(time)) * np.exp(-30 * (time % 0.25))
    sides = np.linspace(0.6, 1.0, channels)
    mix = 0.12 * voice[:, None] * sides + 0.25 * beat[:, None] + 0.05 * hiss[:, None] * sides[::-1]
    return np.asarray(mix, np.float32)


def to_16_bit(samples: Samples) -> Samples:
    """The nearest samples that 16-bit audio can hold."""
    return np.asarray(np.rint(np.clip(samples, -1, 1 - 2**-15) * 2**15) / 2**15, np.float32)


def read(path: Path) -> Samples:
    """All samples, ``(samples, channels)``."""
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks()))


def wav_header(
    data_bytes: int, *, kind: int = 1, channels: int = 2, rate: int = 44100, bits: int = 16, align: int | None = None
) -> bytes:
    """A canonical 44-byte header that says whatever it is told to say."""
    align = channels * bits // 8 if align is None else align
    layout = struct.pack("<HHIIHH", kind, channels, rate, (rate * align) & 0xFFFFFFFF, align & 0xFFFF, bits)
    riff = min(data_bytes + 36, 0xFFFFFFFF)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + layout
        + b"data"
        + struct.pack("<I", data_bytes)
    )


def write_wav(path: Path, samples: Samples, rate: int = 44100, bits: int = 16, times: int = 1) -> Path:
    """Integer WAV of 16 bits, or float of 32; up to two channels or what readers take as the usual order.

    The samples so many ``times`` over: long music costs more to make than most tests spend on it.
    """
    if bits == 16:
        raw = np.rint(np.clip(samples, -1, 1 - 2**-15) * 2**15).astype("<i2").tobytes()
    else:
        raw = samples.astype("<f4").tobytes()
    raw *= times
    header = wav_header(len(raw), kind=1 if bits == 16 else 3, channels=samples.shape[1], rate=rate, bits=bits)
    path.write_bytes(header + raw)
    return path


def write_encoded(path: Path, samples: Samples, rate: int, container: str, codec: str) -> Path:
    """Any container and codec of FFmpeg's; floats are converted to what the encoder takes."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        context = stream.codec_context
        context.options = {"strict": "experimental"}  # for FFmpeg's own Vorbis
        resampler = av.AudioResampler(format=context.codec.audio_formats[0].name, layout=layout, rate=rate)
        context.format = context.codec.audio_formats[0].name
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            for packet in stream.encode(part):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path


def write_silent_film(path: Path) -> Path:
    """An MP4 with a picture and no sound."""
    with av.open(str(path), "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path


def id3_tag(picture: bytes, padding: int = 0) -> bytes:
    """An ID3v2.3 tag with a cover picture."""
    body = b"\0image/png\0\x03\0" + picture
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body + bytes(padding)
    size = len(frame)
    return b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame


def complex_noise(frames: int, bins: int, seed: int = 0) -> NDArray[np.complex64]:
    """Spectra of white noise, ``(frames, bins)``."""
    random = np.random.default_rng(seed)
    return (random.standard_normal((frames, bins)) + 1j * random.standard_normal((frames, bins))).astype(np.complex64)
