"""Mono, stereo and surround around a network that hears stereo.

The network gets a stereo downmix (ITU-R BS.775-4, table 2: centre and surrounds at -3 dB, no LFE). Its masks go back to
the channels: left channels take the left mask, right ones the right mask, central ones the mean of both, the LFE none.
So every channel keeps its own content, and the stems of a 5.1 mix are 5.1 mixes: a voice in the centre stays there.
Mono is heard as two equal channels and takes the mean of the two masks.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", np.float32, np.complex64)

_MINUS_3_DB = float(np.sqrt(0.5))
_DEFAULT_NAMES = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


# FFmpeg's own order (AVChannel in libavutil/channel_layout.h).
_NATIVE_ORDER = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC"),
    *("TBR", "DL", "DR", "WL", "WR", "SDL", "SDR", "LFE2", "TSL", "TSR", "BFC", "BFL", "BFR", "SSL", "SSR", "TTL"),
    "TTR",
)
_UNKNOWN = ("NONE", "UNK", "UNSD")


def _side(name: str) -> str:
    if name.startswith("LFE"):
        return "lfe"
    if name.endswith("L") or name in ("FLC", "DL"):
        return "left"
    if name.endswith("R") or name in ("FRC", "DR"):
        return "right"
    return "centre"


def channel_names(names: Sequence[str], channels: int) -> tuple[str, ...]:
    """FFmpeg's names of the channels (``FL``, ``LFE`` ...); the usual order where the file does not tell."""
    known = len(names) == channels and len(set(names)) == channels
    if known and not any(name.startswith(_UNKNOWN) for name in names):
        return tuple(names)
    return _DEFAULT_NAMES.get(channels, ("FC",) * channels)


def in_an_order_of_its_own(names: Sequence[str]) -> bool:
    """Whether channels of these names lie otherwise than FFmpeg has them; without names they are in no order."""
    if set(names) <= {"NONE"}:
        return False
    places = [_NATIVE_ORDER.index(name) if name in _NATIVE_ORDER else -1 for name in names]
    return -1 in places or places != sorted(set(places))


def usual_order(names: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """The same channels in FFmpeg's order, and the place of each among ``names``; what has unknown names stays."""
    if len(set(names)) == len(names) and set(names) <= set(_NATIVE_ORDER):
        order = sorted(range(len(names)), key=lambda place: _NATIVE_ORDER.index(names[place]))
        return tuple(names[place] for place in order), order
    return channel_names((), len(names)), list(range(len(names)))


def downmix_matrix(names: Sequence[str]) -> NDArray[np.float32]:
    """``(2, channels)``: what the network hears is this matrix times the channels."""
    if len(names) == 1:
        return np.ones((2, 1), np.float32)
    rows = {"left": (1.0, 0.0), "right": (0.0, 1.0), "centre": (_MINUS_3_DB, _MINUS_3_DB), "lfe": (0.0, 0.0)}
    front = ("FL", "FR")
    columns = [
        [gain if name in front or _side(name) == "centre" else gain * _MINUS_3_DB for gain in rows[_side(name)]]
        for name in names
    ]
    return np.array(columns, np.float32).T


def mask_routing(names: Sequence[str]) -> NDArray[np.float32]:
    """``(channels, 2)``: the share of the left and the right mask that each channel takes."""
    rows = {"left": (1.0, 0.0), "right": (0.0, 1.0), "centre": (0.5, 0.5), "lfe": (0.0, 0.0)}
    return np.array([rows[_side(name)] for name in names], np.float32)


def mixed(matrix: NDArray[np.float32], channels: NDArray[_Number]) -> NDArray[_Number]:
    """``matrix`` times the channels, which are the middle axis: ``(n, inputs, bins)`` to ``(n, outputs, bins)``.

    Many entries are 0 or 1, and channel by channel this is several times faster than ``einsum`` on complex numbers.
    """
    if np.array_equal(matrix, np.eye(len(matrix))):
        return channels
    result = np.zeros((len(channels), len(matrix), channels.shape[-1]), channels.dtype)
    for output, row in enumerate(matrix):
        for source in np.flatnonzero(row):
            part = channels[:, source]
            result[:, output] += part if row[source] == 1 else part * row[source]
    return result
