"""What a caller may choose: how masks are made and used, which part of the song, and the format of the answer."""

from dataclasses import dataclass
from typing import Literal, Self

from separation.errors import OutputFormatUnsuitable

OutputFormatName = Literal["flac", "wav", "mp3"]


@dataclass(frozen=True)
class SeparationSettings:
    """How the networks' answers are made and used. The defaults are the best measured (``docs/engine.md``).

    ``context_frames``: frames at each edge of a patch that lean on the neighbour: patches overlap by twice as many
    and are cross-faded there. ``first_frame``: the frame at which the first patch begins. ``edges``: what fills a
    patch beyond the song's ends, the song mirrored or silence. ``mask``: ``ratio`` of the estimates raised to
    ``mask_exponent``, or ``residual``, the estimate and an equal share of what the estimates leave over (then the
    exponent has no meaning). ``wiener_share``: how much of the answer, 0 to 1, comes from a multichannel Wiener filter;
    stereo only. ``extension_gain``: the mask above the network's band, as a multiple of the mean of its top bins.
    ``presence_floor_db``: the estimate fades where the vocals' share of the power falls below it; ``None``: never.
    """

    context_frames: int = 32
    first_frame: int = -96
    edges: Literal["mirror", "silence"] = "mirror"
    mask: Literal["residual", "ratio"] = "residual"
    mask_exponent: float = 2.0
    wiener_share: float = 0.6
    extension_gain: float = 0.5
    presence_floor_db: float | None = -26.0

    @classmethod
    def spleeter(cls) -> Self:
        """Spleeter's own way: one silent frame first, patches side by side, padded with silence, band-limited."""
        return cls(
            context_frames=0,
            first_frame=-1,
            edges="silence",
            mask="ratio",
            wiener_share=0.0,
            extension_gain=0.0,
            presence_floor_db=None,
        )


@dataclass(frozen=True)
class Window:
    """A part of the song in seconds from its beginning; an end beyond the song means its end."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class OutputFormat:
    """How stems are written.

    ``bit_depth``: FLAC 16 or 24 (default 16), WAV 16, 24 or 32 (default 16; 32 is float and exact), none for MP3.
    ``bitrate_kbps``: MP3 only; without one, variable bit rate of the best quality (LAME ``V0``).
    Raises ``OutputFormatUnsuitable`` for a combination that does not exist.
    """

    name: OutputFormatName = "flac"
    bit_depth: int | None = None
    bitrate_kbps: int | None = None

    def __post_init__(self) -> None:
        depths = {"flac": (16, 24), "wav": (16, 24, 32), "mp3": ()}
        if self.name not in depths:
            raise OutputFormatUnsuitable(f"The format {self.name!r} is not known; choose flac, wav or mp3.")
        allowed = depths[self.name]
        if self.bit_depth is None:
            object.__setattr__(self, "bit_depth", allowed[0] if allowed else None)
        elif self.bit_depth not in allowed:
            choices = " or ".join(map(str, allowed)) or "none"
            raise OutputFormatUnsuitable(f"{self.name} has no bit depth {self.bit_depth}; choose {choices}.")
        if self.bitrate_kbps is not None and self.name != "mp3":
            raise OutputFormatUnsuitable(f"{self.name} takes no bit rate: it is lossless.")
        if self.bitrate_kbps is not None and not 64 <= self.bitrate_kbps <= 320:
            raise OutputFormatUnsuitable("An MP3's bit rate lies between 64 and 320 kbit/s.")

    @property
    def lossless(self) -> bool:
        """Whether the file holds exactly the samples that were given to the encoder."""
        return self.name != "mp3"
