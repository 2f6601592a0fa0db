"""Files to send: songs, and things that only pretend to be."""

import io
import struct
from collections.abc import Iterator
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


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of each MP4 box between two positions (ISO 14496-12, 4.2)."""
    end = len(data) if end is None else end
    while begin + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, begin)
        yield kind, begin, begin + size
        begin += size


def _inside(data: bytes, *path: bytes) -> tuple[int, int]:
    """Begin and end of the box at this path."""
    begin, end = 0, len(data)
    for number, wanted in enumerate(path):
        begin, end = next((b, e) for kind, b, e in boxes(data, begin + (8 if number else 0), end) if kind == wanted)
    return begin, end


def claiming_samples(count: int, *, in_a_second_track: bool = False, in_tracks: int = 1) -> bytes:
    """An M4A of a few kilobytes whose tracks, or those after the first, claim so many samples of one byte each."""
    whole = encoded("aac", "ipod", 0.2)
    track = _inside(whole, b"moov", b"trak")
    greedy = bytearray(whole[track[0] : track[1]])
    tables = b"trak", b"mdia", b"minf", b"stbl"
    size, times, chunks = (_inside(bytes(greedy), *tables, kind)[0] for kind in (b"stsz", b"stts", b"stsc"))
    struct.pack_into(">II", greedy, size + 12, 1, count)
    struct.pack_into(">III", greedy, times + 12, 1, count, 1024)
    struct.pack_into(">IIII", greedy, chunks + 12, 1, 1, count, 1)
    return _with_tracks(whole, (whole[track[0] : track[1]] if in_a_second_track else b"") + greedy * in_tracks)


def with_tracks(count: int) -> bytes:
    """An M4A with the same track many times."""
    whole = encoded("aac", "ipod", 0.2)
    begin, end = _inside(whole, b"moov", b"trak")
    return _with_tracks(whole, whole[begin:end] * count)


def _with_tracks(whole: bytes, tracks: bytes) -> bytes:
    """The file, whose `moov` comes last, with other tracks than its own."""
    moov, track = _inside(whole, b"moov"), _inside(whole, b"moov", b"trak")
    inside = whole[moov[0] + 8 : track[0]] + tracks + whole[track[1] : moov[1]]
    return whole[: moov[0]] + struct.pack(">I4s", 8 + len(inside), b"moov") + inside + whole[moov[1] :]


def _tagged(*frames: bytes) -> bytes:
    """An MP3 behind an ID3v2.3 tag of these frames."""
    body = b"".join(frames)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + body + encoded("libmp3lame", "mp3", 0.2)


def with_tag_entries(count: int) -> bytes:
    """An MP3 whose tag says that many different things."""
    texts = (f"\0n{number}\0v".encode() for number in range(count))
    return _tagged(*(struct.pack(">4sIH", b"TXXX", len(text), 0) + text for text in texts))


def with_picture(size: int) -> bytes:
    """An MP3 with a cover of that many bytes, which are none of a picture."""
    picture = b"\0image/jpeg\0\3\0" + bytes([7]) * size
    return _tagged(struct.pack(">4sIH", b"APIC", len(picture), 0) + picture)


def endless_header(seconds_claimed: float = 1.0) -> bytes:
    """A WAV whose header claims more bytes than follow."""
    whole = bytearray(wav(seconds_claimed))
    whole[40:44] = struct.pack("<I", 0xFFFFFFFF)
    return bytes(whole)


HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
FFCONCAT = b"ffconcat version 1.0\nfile secret.wav\n"
TEXT = b"This is a shopping list: bread, butter, tea.\n" * 40
