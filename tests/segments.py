"""Playback segments of songs that are made up, and how a file made of them is heard."""

import io
import struct
import wave
from collections.abc import Callable, Iterator, Mapping

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

SEGMENT = 26_460
"""Samples: 0.6 s at 44.1 kHz, which is no whole number of AAC's frames."""


def flac(samples: Samples, rate: int) -> bytes:
    """``(n, channels)``."""
    layout = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 6: "5.1"}[samples.shape[1]]
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout=layout)
        stream.codec_context.format = av.AudioFormat("s16")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def song(length: int, rate: int = 44_100, channels: int = 2) -> dict[str, Samples]:
    """Two stems that no encoder takes for each other, each with clicks by which it is found in time, and their sum."""
    seconds = np.arange(length) / rate
    stems = {}
    for name, pitch, every in (("vocals", 440.0, 9000), ("instrumental", 110.0, 7000)):
        tone = 4000 * np.sin(2 * np.pi * pitch * seconds)
        tone[every // 2 :: every] += 9000
        stems[name] = np.repeat(tone.astype(np.int16)[:, None], channels, axis=1)
    return {"mixture": stems["vocals"] + stems["instrumental"], **stems}


def segments(tracks: Mapping[str, Samples], rate: int = 44_100) -> Iterator[dict[str, bytes]]:
    length = len(next(iter(tracks.values())))
    for begin in range(0, length, SEGMENT):
        yield {name: flac(track[begin : begin + SEGMENT], rate) for name, track in tracks.items()}


def decoded(file: bytes) -> list[NDArray[np.float32]]:
    """Every track as FFmpeg presents it, ``(n, 2)``."""
    tracks: list[NDArray[np.float32]] = []
    with av.open(io.BytesIO(file)) as container:
        count = len(container.streams.audio)
    for number in range(count):
        with av.open(io.BytesIO(file), "r") as container:
            frames = [frame.to_ndarray() for frame in container.decode(audio=number)]
            tracks.append(np.concatenate(frames, axis=1).T.astype(np.float32))
    return tracks


def wav_24(file: bytes) -> NDArray[np.int32]:
    """The samples of a WAV of 24 bits, ``(n, channels)``."""
    with wave.open(io.BytesIO(file)) as reader:
        assert reader.getsampwidth() == 3
        channels, data = reader.getnchannels(), reader.readframes(reader.getnframes())
    upper = np.zeros((len(data) // 3, 4), np.uint8)
    upper[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return upper.view("<i4").reshape(-1, channels) >> 8


def packed(*pieces: bytes) -> bytes:
    """As the programs that make files of segments are fed."""
    return b"".join(struct.pack(">I", len(piece)) + piece for piece in pieces)


def written_before_each(
    tracks: Mapping[str, Samples], write: Callable[[Iterator[dict[str, bytes]], Callable[[bytes], object]], None]
) -> list[int]:
    """How many bytes of the file were there when each segment was asked for; ``write`` makes it of the segments."""
    sizes: list[int] = []
    there: list[int] = []

    def watched() -> Iterator[dict[str, bytes]]:
        for segment in segments(tracks):
            there.append(sum(sizes))
            yield segment

    write(watched(), lambda data: sizes.append(len(data)))
    return there
