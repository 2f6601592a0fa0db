"""The arrays of the network: images of every level for one set of widths, and what each thread needs besides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from separation.models.runtimes.unet import geometry
from separation.models.runtimes.unet.geometry import Plane, planes
from separation.models.runtimes.unet.library import address
from separation.models.unet import CHANNELS, DEPTH

Floats = NDArray[np.float32]

# Lines and columns of the four phases, odd (1) or even (0), in the order of ``separation.models.importers.phases``.
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
# Lines and columns of tiles of the second convolution that are made with their part of the first.
FIRST_BLOCK = (2, 16)
# Border of the spectrogram: the first windows of a block begin so far outside.
OUTER = 6


class Images:
    """The images of one level in an array of zeros, and where it lies in memory."""

    def __init__(self, planes: Sequence[Plane]) -> None:
        self.numbers = np.zeros(planes[-1].end, np.float32)
        self.at = address(self.numbers)


class Scratch:
    """What one thread needs besides the images: arrays that grow to what was asked for."""

    def __init__(self) -> None:
        self._arrays: dict[str, tuple[Floats, int]] = {}

    def array(self, name: str, count: int) -> int:
        """The address of so many numbers, of any value."""
        array, at = self._arrays.get(name, (None, 0))
        if array is None or array.size < count:
            array = np.empty(count, np.float32)
            at = address(array)
            self._arrays[name] = array, at
        return at


class Plan:
    """Arrays and tables for images of so many bins.

    ``down``: of each level what the next convolution reads; of level 1, whose answers are made in blocks, nothing.
    ``up``: of the levels 1 to 5 what the transposed convolutions read: the skip (but of level 1, which is made again),
    then the answers from below.
    """

    def __init__(self, frames: int, bins: Sequence[int]) -> None:
        self.down = [planes(level, frames, bins, CHANNELS[level], 2 if level else OUTER) for level in range(DEPTH)]
        self.up = [planes(level, frames, bins, CHANNELS[level] * (2 if level > 1 else 1), 1) for level in range(DEPTH)]
        self.deepest = planes(DEPTH, frames, bins, CHANNELS[DEPTH], 1)
        self.last = planes(0, frames, bins, 1, 3)
        self.down_arrays = {level: Images(self.down[level]) for level in range(DEPTH) if level != 1}
        self.up_arrays = {level: Images(self.up[level]) for level in range(1, DEPTH)}
        self.deepest_array, self.last_array = Images(self.deepest), Images(self.last)

        self.first_blocks = geometry.first_blocks(self.down[0], self.up[2], *FIRST_BLOCK)
        self.down_tiles = {
            level: geometry.convolution_tiles(
                self.down[level - 1], self.up[level], self.down[level], *(FIRST_BLOCK if level == 2 else ())
            )
            for level in range(2, DEPTH)
        }
        self.up_tiles = {
            level: geometry.transposed_tiles(self.up[level], self.up[level - 1]) for level in range(2, DEPTH)
        }
        self.deepest_rows = geometry.deepest_rows(self.down[DEPTH - 1], self.deepest)
        self.rising_rows = [geometry.rising_rows(self.deepest, self.up[DEPTH - 1], *phase) for phase in PHASES]
