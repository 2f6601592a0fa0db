"""Writing stems by FFmpeg's encoders, such that whoever decodes them gets as many samples as the song has.

Lossy encoders work in frames and begin with a delay. MP3 (its LAME header), Ogg and Opus can say how much of the first
and of the last frame is not music. MP4 says it in an edit list, but FFmpeg heeds only the beginning of it; so silence
precedes an AAC stem, as much as makes the song end with a frame, and the edit list tells players to skip it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.audio.plane import AudioPlane
from av.codec.context import Flags
from av.stream import Disposition
from numpy.typing import NDArray

from separation.audio.containers.pictures import Cover, to_base64
from separation.audio.loops import interleave
from separation.audio.resample import BlockResampler
from separation.errors import OutputFormatUnsuitable, OutputWriteFailed
from separation.settings import OutputFormat

Samples = NDArray[np.float32]

_AAC_FRAME = 1024
# RFC 7845: whatever went in, players decode Opus at this rate.
_OPUS_RATE = 48000
_OPUS_KBPS_PER_CHANNEL = 256
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
# Side or back, and a downmix, are the same to the encoders of AAC and Opus, which know one of the names.
_COMMON_LAYOUTS = {"5.0(side)": "5.0", "5.1(side)": "5.1", "quad(side)": "quad", "downmix": "stereo"}


@dataclass(frozen=True)
class _Lossy:
    """What a lossy format can hold. ``rates_hz``: ``None`` means any. Layouts are FFmpeg's names.

    ``fewest_samples``: what is shorter FFmpeg would not decode to its right length.
    """

    title: str
    rates_hz: tuple[int, ...] | None
    layouts: tuple[str, ...]
    fewest_samples: int = 1

    @property
    def channels(self) -> set[int]:
        return {av.AudioLayout(layout).nb_channels for layout in self.layouts}


_LOSSY = {
    # ISO 11172-3 and 13818-3, and Layer III's extension to still lower rates.
    "mp3": _Lossy("MP3", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000), ("mono", "stereo"), 48),
    # ISO 14496-3, tables 1.18 and 1.19, as far as FFmpeg's encoder goes.
    "m4a": _Lossy(
        "AAC",
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
        ("mono", "stereo", "3.0", "quad", "4.0", "5.0", "5.1", "7.1"),
        1024,
    ),
    "ogg": _Lossy("Vorbis", None, ("stereo",)),
    # FFmpeg's way to libopus exchanges channels of 5.0 and 6.1.
    "opus": _Lossy("Opus", None, ("mono", "stereo", "3.0", "quad", "5.1", "7.1")),
}


@dataclass(frozen=True)
class _Encoder:
    """FFmpeg's names, what the container and the encoder are told, and the bit rate of a pair of channels."""

    container: str
    codec: str
    sample_format: str
    container_options: Mapping[str, str] = field(default_factory=dict)
    codec_options: Mapping[str, str] = field(default_factory=dict)
    bitrate_kbps: int | None = None


# A quarter less time than FFmpeg's usual level 5 for one to three per cent more bytes (docs/engine.md).
_FLAC = {"compression_level": "3"}
# Above this rate FFmpeg would take frames of up to 16384 samples, which its own reader loses beyond about 200 kB: six
# channels of 24 bits at 192 kHz came back empty. This is its frame at common rates.
_COMMON_FLAC_RATE, _FLAC_FRAME = 48000, 4608
_WAV = {"rf64": "auto"}  # the header for files beyond 4 GB where it is needed
# 24-bit audio travels in the upper bits of 32.
_ENCODERS: dict[tuple[str, int | None], _Encoder] = {
    ("flac", 16): _Encoder("flac", "flac", "s16", codec_options=_FLAC),
    ("flac", 24): _Encoder("flac", "flac", "s32", codec_options=_FLAC),
    ("wav", 16): _Encoder("wav", "pcm_s16le", "s16", _WAV),
    ("wav", 24): _Encoder("wav", "pcm_s24le", "s32", _WAV),
    ("wav", 32): _Encoder("wav", "pcm_f32le", "flt", _WAV),
    # Version 3 of ID3v2 is the one that everything reads.
    ("mp3", None): _Encoder("mp3", "libmp3lame", "fltp", {"id3v2_version": "3"}),
    # The index first, so that a player can begin before it has the whole file.
    ("m4a", None): _Encoder("ipod", "aac", "fltp", {"movflags": "+faststart"}, bitrate_kbps=256),
    # A page for each packet: where all of a song lies on one page, FFmpeg takes no note of where it ends.
    ("ogg", None): _Encoder("ogg", "vorbis", "fltp", {"page_duration": "1"}, {"strict": "experimental"}),
    ("opus", None): _Encoder("opus", "libopus", "flt", bitrate_kbps=160),
}


def check_format(output: OutputFormat, rate: int, channels: int, layout: str | None = None) -> None:
    """Raises ``OutputFormatUnsuitable`` when the format cannot hold that rate, that many channels or their layout."""
    lossy = _LOSSY.get(output.name)
    if lossy and (channels not in lossy.channels or (lossy.rates_hz and rate not in lossy.rates_hz)):
        raise OutputFormatUnsuitable(
            f"{lossy.title} cannot hold {channels} channels at {rate} Hz, and stems keep the song's own; "
            "choose FLAC or WAV."
        )
    if layout is not None:
        _encodable_layout(layout, channels, output)


def needs_length(output: OutputFormat) -> bool:
    """Whether a writer must be told the number of samples before the first of them."""
    return output.name == "m4a"


class StemWriter:
    """Writes one file; a context manager that completes it. After an error the caller removes what there is.

    ``samples``: how many per channel will be written, where ``needs_length`` says that it must be known. ``cover`` is
    written where the format has a place for it: everywhere but in WAV.
    """

    def __init__(
        self,
        path: Path,
        output: OutputFormat,
        rate: int,
        channel_names: Sequence[str],
        layout: str,
        tags: Mapping[str, str] | None = None,
        samples: int | None = None,
        cover: Cover | None = None,
    ) -> None:
        channels = len(channel_names)
        check_format(output, rate, channels)
        self._layout = _encodable_layout(layout, channels, output)
        encoder = _ENCODERS[output.name, output.bit_depth]
        self._format = encoder.sample_format
        self.sample_rate_hz = _OPUS_RATE if output.name == "opus" else rate
        """Of the file."""
        self._position = self._written = 0
        self._cover: av.Packet[Any] | None = None
        self._song_rate, self._output = rate, output
        self._time_base = Fraction(1, self.sample_rate_hz)
        self._resampler = BlockResampler(rate, self.sample_rate_hz, channels)
        # Without version strings in the file, the same samples give the same bytes.
        options = {"fflags": "+bitexact", **encoder.container_options}
        if output.name == "m4a":
            options["movie_timescale"] = str(rate)  # in which the edit list counts
        container = encoder.container
        if cover and container == "ipod":
            # The same muxer by a name of which PyAV knows that it takes pictures, told to say that it is M4A.
            container, options["brand"] = "mp4", "M4A "
        try:
            # A path alone would be read as a URL: "mix:1/vocals.flac" has the protocol "mix".
            self._container = av.open(f"file:{path}", "w", format=container, options=options)
        except (av.FFmpegError, OSError) as error:
            raise OutputWriteFailed(f"{path.name} cannot be written: {error.strerror}.") from error
        self._container.metadata.update(tags or {})
        self._stream: Any = self._container.add_stream(encoder.codec, rate=self.sample_rate_hz, layout=self._layout)
        context: Any = self._stream.codec_context
        context.format = self._format
        context.flags |= Flags.bitexact
        context.thread_count = 1
        small_frames = {"frame_size": str(_FLAC_FRAME)} if output.name == "flac" and rate > _COMMON_FLAC_RATE else {}
        context.options = {**encoder.codec_options, **small_frames}
        if bitrate := _bitrate_kbps(encoder, output, channels):
            context.bit_rate = bitrate * 1000
        elif output.name == "mp3":
            context.flags |= Flags.qscale
            context.global_quality = 0
        if cover:
            self._add(cover)
        if needs_length(output):
            if samples is None:
                raise ValueError("an AAC stem's length must be known before its first sample")
            # A whole frame more, in which the encoder finds its pace.
            silence = -samples % _AAC_FRAME + _AAC_FRAME
            self._position = -silence
            self._encode(np.zeros((silence, channels), np.float32))

    def _add(self, cover: Cover) -> None:
        """The picture, as a stream of one packet or, in Ogg, among the texts."""
        if self._output.name in ("ogg", "opus"):
            self._container.metadata["METADATA_BLOCK_PICTURE"] = to_base64(cover)
        if self._output.name not in ("flac", "mp3", "m4a"):
            return
        stream = self._container.add_mux_stream(cover.codec, width=cover.width, height=cover.height)
        stream.disposition = Disposition.attached_pic
        stream.metadata["comment"] = "Cover (front)"
        packet = av.Packet(cover.data)
        packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 90_000), 0, 0
        packet.is_keyframe = True
        self._cover = packet

    @property
    def samples(self) -> int:
        """Per channel, as the file has them when it is complete."""
        return -(-self._written * self.sample_rate_hz // self._song_rate)

    def write(self, samples: Samples) -> None:
        """``(n, channels)``: whole numbers of the format's bit depth, or samples for float WAV and lossy formats."""
        self._written += len(samples)
        if self.sample_rate_hz != self._song_rate:
            samples = self._resampler.push(samples)
        self._encode(samples)

    def _encode(self, samples: Samples) -> None:
        if not len(samples):
            return
        frame = av.AudioFrame(self._format, self._layout, len(samples))
        # Its planes are made one by one: PyAV's list of them runs beyond the end where a frame has eight planes.
        if self._format.endswith("p"):
            for channel in range(samples.shape[1]):
                AudioPlane(frame, channel).update(samples[:, channel].tobytes())
        elif self._format == "flt":
            AudioPlane(frame, 0).update(samples.tobytes())
        else:
            plane: Any = AudioPlane(frame, 0)  # the stubs do not say that it is a buffer
            kind, bits = (np.int16, 16) if self._format == "s16" else (np.int32, 24)
            interleave(np.ascontiguousarray(samples.T), bits, np.frombuffer(plane, kind, samples.size))
        frame.sample_rate, frame.pts, frame.time_base = self.sample_rate_hz, self._position, self._time_base
        self._position += len(samples)
        self._mux(frame)

    def _mux(self, frame: "av.AudioFrame | None") -> None:
        try:
            packets = self._stream.encode(frame)  # which settles the file's header
            if self._cover is not None:
                self._container.mux(self._cover)
                self._cover = None
            for packet in packets:
                if self._output.name == "ogg" and packet.pts + packet.duration > self._position:
                    packet.duration = max(0, self._position - packet.pts)  # the encoder leaves this to us
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
        lossy = _LOSSY.get(self._output.name)
        if lossy and self._written < lossy.fewest_samples:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            raise OutputFormatUnsuitable(
                f"{lossy.title} has no form for {self._written} samples, only for {lossy.fewest_samples} or more; "
                "choose FLAC or WAV."
            )
        if self.sample_rate_hz != self._song_rate:
            self._encode(self._resampler.finish(self.samples))
        self._mux(None)
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as failure:
            raise OutputWriteFailed(f"The stems cannot be written: {failure.strerror}.") from failure


def _bitrate_kbps(encoder: _Encoder, output: OutputFormat, channels: int) -> int | None:
    usual = encoder.bitrate_kbps and encoder.bitrate_kbps * channels // 2
    wanted = output.bitrate_kbps or usual
    if wanted and output.name == "opus":
        return min(wanted, _OPUS_KBPS_PER_CHANNEL * channels)
    return wanted


def _encodable_layout(layout: str, channels: int, output: OutputFormat) -> str:
    """The input's layout where it has a name that encoders know, else the usual one for its channel count.

    FFmpeg writes "6 channels" for a file that does not say, and "6 channels (FL+FR+...)" for an unusual order.
    Raises ``OutputFormatUnsuitable`` for a layout that a lossy format has no form for.
    """
    known = _LAYOUTS[channels] if "channels" in layout else layout
    lossy = _LOSSY.get(output.name)
    if lossy is None:
        return known
    known = _COMMON_LAYOUTS.get(known, known)
    if known not in lossy.layouts:
        raise OutputFormatUnsuitable(f"{lossy.title} has no form for the channels {layout}; choose FLAC or WAV.")
    return known
