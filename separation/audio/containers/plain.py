"""Samples as they lie, which FFmpeg is shown without the header of their container.

It takes RIFX for little-endian, AIFF-C's ``sowt`` for 16 bits wide, and 16 bits of WAV for whatever they look like.
"""

from dataclasses import dataclass
from typing import Literal

_WIDTHS = {"s": (1, 2, 3, 4), "f": (4, 8)}


@dataclass(frozen=True)
class Plain:
    """``demuxer``: FFmpeg's name of such samples; ``options`` say what it cannot know."""

    demuxer: str
    options: tuple[tuple[str, str], ...]


def plain(
    kind: Literal["s", "f"], width: int, order: Literal["<", ">"], rate: int, channels: int, mask: int = 0
) -> Plain | None:
    """Integers or floats of so many bytes; ``None`` where FFmpeg knows none such. ``mask``: of WAV's speakers."""
    if width not in _WIDTHS[kind] or rate <= 0 or not 1 <= channels <= 64:
        return None
    layout = f"0x{mask:x}" if mask.bit_count() == channels else f"{channels}C"
    suffix = "" if width == 1 else "be" if order == ">" else "le"
    return Plain(f"{kind}{8 * width}{suffix}", (("sample_rate", str(rate)), ("ch_layout", layout)))
