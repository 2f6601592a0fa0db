"""What a caller may choose: how masks are made and used, which part of the song, and the format of the answer."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, Self, get_args

from separation.errors import OutputFormatUnsuitable, SettingsInvalid, WindowOutsideAudio, did_you_mean

OutputFormatName = Literal["flac", "wav", "mp3", "m4a", "ogg", "opus"]
Overs = Literal["keep", "scale"]
Device = Literal["auto", "cpu", "gpu"]
_LONGEST_EDGE = 1 << 20


@dataclass(frozen=True)
class SeparationSettings:
    """How the networks' answers are made and used. The defaults are the best measured (``docs/engine.md``).

    ``context_frames``: frames at each edge of a patch that lean on the neighbour: patches overlap by twice as many
    and are cross-faded there. ``levels_dbfs``: patches that are quieter or louder than these two levels (root mean
    square) are shown to the networks at the nearer one; ``None``: as they are. ``transpositions``: the networks see
    each patch again at these pitches, ratios of frequency, but only its lowest ``transposed_bins`` bins, a multiple of
    64. ``wiener_share``: how much of the answer, 0 to 1, comes from a multichannel Wiener filter; stereo only.
    ``extension_gain``: the mask above the network's band, as a multiple of the mean of its top bins.
    ``presence_floor_db``: the estimate fades where the vocals' share of the power falls below it; ``None``: never.
    Raises ``SettingsInvalid``, a ``ValueError``, for what has no meaning.
    """

    context_frames: int = 32
    levels_dbfs: tuple[float, float] | None = (-18.0, -12.0)
    transpositions: tuple[float, ...] = (1.12,)
    transposed_bins: int = 256
    wiener_share: float = 0.6
    extension_gain: float = 0.5
    presence_floor_db: float | None = -23.0

    def __post_init__(self) -> None:
        self._check_whole("context_frames", 0, _LONGEST_EDGE)
        self._check_whole("transposed_bins", 1, _LONGEST_EDGE)
        self._check_number("wiener_share", 0, 1)
        self._check_number("extension_gain", 0, 4)
        if self.presence_floor_db is not None:
            self._check_number("presence_floor_db", -120, 0)
        if self.levels_dbfs is not None:
            self._check_levels(self.levels_dbfs)
        ratios: Any = self.transpositions
        if not isinstance(ratios, Iterable) or not all(map(_is_ratio, ratios)):
            raise SettingsInvalid(f"transpositions must be ratios of frequency from 0.5 to 2, not {ratios!r}.")
        object.__setattr__(self, "transpositions", tuple(float(ratio) for ratio in ratios))

    def _check_levels(self, levels: Any) -> None:
        pair = isinstance(levels, Iterable) and [level for level in levels if _is_number(level)]
        if not pair or len(pair) != 2 or len(levels) != 2 or not -120 <= pair[0] <= pair[1] <= 0:
            raise SettingsInvalid(f"levels_dbfs must be two levels from -120 to 0, the lower first, not {levels!r}.")
        object.__setattr__(self, "levels_dbfs", (float(pair[0]), float(pair[1])))

    def _check_number(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not _is_number(value) or not low <= value <= high:
            raise SettingsInvalid(f"{name} must be a number from {low} to {high}, not {value!r}.")
        object.__setattr__(self, name, float(value))

    def _check_whole(self, name: str, low: int, high: int) -> None:
        value: Any = getattr(self, name)
        if not (_is_number(value) and isinstance(value, Integral) and low <= int(value) <= high):
            raise SettingsInvalid(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
        object.__setattr__(self, name, int(value))


def _is_number(value: Any) -> bool:
    """Whether it is a real number: neither text nor truth value, and finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _is_ratio(value: Any) -> bool:
    """Whether music can be transposed by it: an octave and more does not sound the same."""
    return _is_number(value) and 0.5 <= value <= 2


END_OF_SONG = 1e6
"""Seconds that no song has: where a window that goes to its end ends."""
_SECONDS = re.compile(r"\d+\.?\d*|\.\d+")
_CLOCK = re.compile(r"((\d+:)?[0-5]?\d|\d+):[0-5]?\d(\.\d*)?|\d+\.?\d*|\.\d+")


def _seconds(time: str) -> float:
    total = 0.0
    for part in time.split(":"):
        total = 60 * total + float(part)
    return total


@dataclass(frozen=True)
class Window:
    """A part of the song in seconds from its beginning; an end beyond the song means its end.

    Raises ``WindowOutsideAudio`` where it is empty or begins before the song.
    """

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        start, end = self.start_seconds, self.end_seconds
        if not (_is_number(start) and _is_number(end) and 0 <= start < end):
            raise WindowOutsideAudio(f"A preview from {start} s to {end} s holds no audio.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """``1:00-1:30``, in hours, minutes and seconds as far as there are any, or in seconds alone: ``60-90``.

        Either side may be left out. Without a dash a colon divides two numbers of seconds: ``60:90``. Raises
        ``WindowOutsideAudio`` for anything else.
        """
        plain = "".join(text.split()).replace("\u2013", "-")
        divider, times = ("-", _CLOCK) if "-" in plain else (":", _SECONDS)
        start, divided, end = plain.partition(divider)
        if not divided or not (start or end) or not all(times.fullmatch(side) for side in (start, end) if side):
            raise WindowOutsideAudio(f"{text!r} is no part of a song: write 1:00-1:30, or 60-90 in seconds.")
        begin, finish = _seconds(start or "0"), _seconds(end) if end else END_OF_SONG
        if not begin < finish <= END_OF_SONG:
            wrong = "is one time only" if divider == ":" else "ends before it begins, or beyond any song"
            raise WindowOutsideAudio(f"{text!r} {wrong}: write 1:00-1:30.")
        return cls(begin, finish)


# What each format can be told: its bit depths, the first of them its default, and its bit rates in kbit/s.
_BIT_DEPTHS: dict[str, tuple[int, ...]] = {"flac": (16, 24), "wav": (16, 24, 32)}
_BIT_RATES: dict[str, range] = dict.fromkeys(("mp3", "m4a", "opus"), range(64, 321))


@dataclass(frozen=True)
class OutputFormat:
    """How stems are written: ``flac``, ``wav``, ``mp3``, ``m4a`` (AAC), ``ogg`` (Vorbis) or ``opus``.

    ``bit_depth``: FLAC 16 or 24 (default 16), WAV 16, 24 or 32 (default 16; 32 is float and exact), none for others.
    ``bitrate_kbps``: of MP3, AAC and Opus, 64 to 320. Without one: MP3 has variable bit rate of the best quality (LAME
    ``V0``), AAC 256 and Opus 160 kbit/s for each pair of channels. Vorbis has one quality, about 130 kbit/s.
    ``overs``: what happens where a stem goes beyond full scale. ``keep``: nothing is scaled. Float WAV and the lossy
    formats hold such samples as they are; in an integer format the boundary between the stems is moved, so that
    their sum stays the song (``split.py``). ``scale``: mixture and stems are multiplied by one common gain, such that
    the highest peak among them, written or not, is just within full scale; without any such sample the gain is 1. It
    is the gain of this window, and it stands in the manifest.
    Raises ``OutputFormatUnsuitable`` for a combination that does not exist.
    """

    name: OutputFormatName = "flac"
    bit_depth: int | None = None
    bitrate_kbps: int | None = None
    overs: Overs = "keep"

    def __post_init__(self) -> None:
        names, wishes = get_args(OutputFormatName), get_args(Overs)
        if self.name not in names:
            meant = did_you_mean(str(self.name), names)
            raise OutputFormatUnsuitable(f"There is no format {self.name!r}.{meant} Choose from {', '.join(names)}.")
        if self.overs not in wishes:
            raise OutputFormatUnsuitable(f"Samples beyond full scale: {self.overs!r} is neither keep nor scale.")
        depths, rates = _BIT_DEPTHS.get(self.name, ()), _BIT_RATES.get(self.name)
        if self.bit_depth is None:
            object.__setattr__(self, "bit_depth", depths[0] if depths else None)
        elif self.bit_depth not in depths:
            choices = f"choose {' or '.join(map(str, depths))}" if depths else "leave it out"
            raise OutputFormatUnsuitable(f"{self.name} has no bit depth {self.bit_depth}; {choices}.")
        if self.bitrate_kbps is None:
            return
        if rates is None:
            reason = "it is lossless" if self.lossless else "it has one quality"
            raise OutputFormatUnsuitable(f"{self.name} takes no bit rate: {reason}.")
        if self.bitrate_kbps not in rates:
            lowest, highest = rates[0], rates[-1]
            raise OutputFormatUnsuitable(f"The bit rate of {self.name} lies between {lowest} and {highest} kbit/s.")

    @property
    def lossless(self) -> bool:
        """Whether the file holds exactly the samples that were given to the encoder."""
        return self.name in _BIT_DEPTHS
