"""Where decoded sound lies in time: gaps that its container tells of, and stretches that it presents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# No gap of a song is longer. A time that says so is damaged or a lie, and what follows is laid end to end.
_LONGEST_SILENCE_SECONDS = 600.0
_BLOCK_SAMPLES = 1 << 16


class Clock:
    """Compares the times of frames with how much sound there is.

    ``tolerance``: so many samples may a time be wrong. Clocks of recorders waver, and drift from that of the sound:
    a gap is a jump by more than that from one frame to the next, in sound that does not run ahead of its times.
    """

    def __init__(self, time_base: Fraction, rate: int, tolerance: float) -> None:
        self._samples_per_tick = float(time_base * rate)
        self._tolerance = max(tolerance, 2 * self._samples_per_tick if self._samples_per_tick > 1 else 0)
        self._left = _LONGEST_SILENCE_SECONDS * rate
        # In samples: where the frame before ends by its time, and where all sound so far does.
        self._end: float | None = None
        self._laid = 0.0

    def missing_before(self, time: int | None, samples: int) -> int:
        """How many samples are missing before a frame of ``samples`` that says it begins at ``time``."""
        end = self._end
        begin = end if time is None else time * self._samples_per_tick
        self._end = None if begin is None else begin + samples
        missing = 0
        if begin is not None and end is not None:
            gap = begin - end
            if self._tolerance < gap <= self._left and begin - self._laid > self._tolerance:
                # Times are rounded, frames are not: as many whole frames as that may be.
                frames = round(gap / samples)
                missing = frames * samples if abs(gap - frames * samples) <= self._tolerance else round(gap)
                self._left -= missing
            elif abs(gap) > self._left:  # the times begin anew
                self._laid = begin
        elif begin is not None:
            self._laid = begin
        self._laid += missing + samples
        return missing


@dataclass(frozen=True)
class Stretch:
    """Samples ``begin`` to ``end`` of what was decoded (``None``: to its end), after so many of silence."""

    begin: int
    end: int | None
    silence: int = 0


def silence(samples: int, channels: int) -> Iterator[Samples]:
    """Blocks of zeros as a file's are, ``(samples, channels)``."""
    while samples > 0:
        count = min(samples, _BLOCK_SAMPLES)
        yield np.zeros((channels, count), np.float32).T
        samples -= count


def stretches_of(blocks: Iterator[Samples], stretches: Sequence[Stretch], channels: int) -> Iterator[Samples]:
    """What the stretches, which come in order, present of the blocks; nothing is read behind the last."""
    position, block = 0, np.zeros((0, channels), np.float32)
    for stretch in stretches:
        yield from silence(stretch.silence, channels)
        while stretch.end is None or position < stretch.end:
            if not len(block):
                following = next(blocks, None)
                if following is None:
                    return
                block = following
            low = min(len(block), max(0, stretch.begin - position))
            high = len(block) if stretch.end is None else min(len(block), stretch.end - position)
            if low < high:
                yield block[low:high]
            high = max(low, high)
            position += high
            block = block[high:]
