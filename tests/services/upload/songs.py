"""Files to send: songs, and things that only pretend to be."""

import io
import struct
from fractions import Fraction

import av
import numpy as np


def wav(seconds: float = 1.0, *, rate: int = 44_100, channels: int = 2) -> bytes:
    """A quiet tone as 16-bit WAV."""
    samples = round(seconds * rate)
    tone = (np.sin(np.arange(samples) * 0.05) * 3000).astype("<i2")
    data = np.repeat(tone[:, None], channels, axis=1).tobytes()
    frame_bytes = 2 * channels
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * frame_bytes, frame_bytes, 16)
    body = head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body


def encoded(codec: str, container: str, seconds: float = 1.0, *, rate: int = 44_100, silent: bool = False) -> bytes:
    """A mono tone or silence in any codec that FFmpeg writes."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        context = stream.codec_context
        context.open()
        size = context.frame_size or 65_536
        kind = context.format.name
        total = round(seconds * rate)
        for begin in range(0, total, size):
            count = min(size, total - begin)
            tone = np.zeros(count) if silent else np.sin(np.arange(begin, begin + count) * 0.05) * 0.1
            values = tone.astype(np.float32) if kind.startswith("flt") else (tone * 32767).astype(np.int16)
            if kind.startswith("s32"):
                values = (tone * (2**31 - 1)).astype(np.int32)
            frame = av.AudioFrame.from_ndarray(values[None, :], format=kind, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def video_only() -> bytes:
    """An MP4 with a picture and no sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=5)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def endless_header(seconds_claimed: float = 1.0) -> bytes:
    """A WAV whose header claims more bytes than follow."""
    whole = bytearray(wav(seconds_claimed))
    whole[40:44] = struct.pack("<I", 0xFFFFFFFF)
    return bytes(whole)


HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
FFCONCAT = b"ffconcat version 1.0\nfile secret.wav\n"
TEXT = b"This is a shopping list: bread, butter, tea.\n" * 40
