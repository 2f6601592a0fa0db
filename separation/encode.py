"""Writing stems as FLAC, WAV or MP3, by FFmpeg's encoders."""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from separation.errors import OutputFormatUnsuitable, OutputWriteFailed
from separation.settings import OutputFormat

# ISO 11172-3 and 13818-3, and Layer III's extension to still lower rates.
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

# (encoder, sample format) by format and bit depth. 24-bit audio travels in the upper bits of 32.
_ENCODERS: dict[tuple[str, int | None], tuple[str, str]] = {
    ("flac", 16): ("flac", "s16"),
    ("flac", 24): ("flac", "s32"),
    ("wav", 16): ("pcm_s16le", "s16"),
    ("wav", 24): ("pcm_s24le", "s32"),
    ("wav", 32): ("pcm_f32le", "flt"),
    ("mp3", None): ("libmp3lame", "fltp"),
}


def check_format(output: OutputFormat, rate: int, channels: int) -> None:
    """Raises ``OutputFormatUnsuitable`` when the format cannot hold that rate or that many channels."""
    if output.name == "mp3" and (rate not in _MP3_RATES or channels > 2):
        raise OutputFormatUnsuitable(
            f"MP3 cannot hold {channels} channels at {rate} Hz, and stems keep the song's own; choose FLAC or WAV."
        )


class StemWriter:
    """Writes one file; a context manager that completes it. After an error the caller removes what there is."""

    def __init__(self, path: Path, output: OutputFormat, rate: int, channel_names: Sequence[str], layout: str) -> None:
        check_format(output, rate, len(channel_names))
        encoder, self._format = _ENCODERS[output.name, output.bit_depth]
        self._shift = 8 if output.bit_depth == 24 else 0
        self._rate, self._position = rate, 0
        # Without version strings in the file, the same samples give the same bytes.
        options = {"fflags": "+bitexact"} | ({"rf64": "auto"} if output.name == "wav" else {})
        try:
            self._container = av.open(str(path), "w", format=output.name, options=options)
        except OSError as error:
            raise OutputWriteFailed(f"{path.name} cannot be written: {error.strerror}.") from error
        self._layout = _encodable_layout(layout, len(channel_names))
        self._stream: Any = self._container.add_stream(encoder, rate=rate, layout=self._layout)
        context: Any = self._stream.codec_context
        context.format = self._format
        context.flags |= Flags.bitexact
        context.thread_count = 1
        if output.name == "mp3" and output.bitrate_kbps:
            context.bit_rate = output.bitrate_kbps * 1000
        elif output.name == "mp3":
            context.flags |= Flags.qscale
            context.global_quality = 0

    def write(self, samples: NDArray[np.int32] | NDArray[np.float32]) -> None:
        """``(n, channels)``: integers of the format's bit depth, or float32 for MP3 and float WAV."""
        if not len(samples):
            return
        match self._format:
            case "s16":
                raw: NDArray[Any] = samples.astype(np.int16)
            case "s32":
                raw = samples.astype(np.int32) << self._shift
            case _:
                raw = samples.astype(np.float32)
        planar = self._format.endswith("p")
        data = np.ascontiguousarray(raw.T) if planar else np.ascontiguousarray(raw).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format=self._format, layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._position, Fraction(1, self._rate)
        self._position += len(samples)
        self._mux(frame)

    def _mux(self, frame: "av.AudioFrame | None") -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise OutputWriteFailed(f"The stems cannot be written: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            return
        self._mux(None)
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as failure:
            raise OutputWriteFailed(f"The stems cannot be written: {failure.strerror}.") from failure


def _encodable_layout(layout: str, channels: int) -> str:
    """The input's layout where it has a name that encoders know, else the usual one for its channel count.

    FFmpeg writes "6 channels" for a file that does not say, and "6 channels (FL+FR+...)" for an unusual order.
    """
    return _LAYOUTS[channels] if "channels" in layout else layout
