"""Where images, tiles and rows of the network lie in its flat arrays.

The images of one call, the spectrogram and narrower ones, lie one after the other in the array of each level, each with
a border of zeros. Tables of positions name their tiles and rows together, so that weights are read once for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from separation.models.runtimes.unet.library import Matrix, address

Table = NDArray[np.int64]

# As in ``kernels.c``.
ROWS, PANEL, TILE, POINTS = 6, 16, 4, 36


def phases_at(point: int, silent: int) -> tuple[int, int]:
    """Which of the four phases, ``[begin, end)``, have weights at ``point`` of 6 x 6; see ``kernels.c``."""
    line, column = point // 6 == silent, point % 6 == silent
    return {(True, True): (1, 2), (True, False): (0, 2), (False, True): (1, 3), (False, False): (0, 4)}[line, column]


@dataclass(frozen=True)
class Plane:
    """An image of one level in a flat array: ``lines`` by ``columns``, within a border, ``channels`` to a place."""

    begin: int
    lines: int
    columns: int
    channels: int
    border: int

    @property
    def line(self) -> int:
        """Numbers from one line to the next: borders, and columns completed to whole tiles."""
        return (-(-self.columns // (2 * TILE)) * 2 * TILE + 2 * self.border) * self.channels

    @property
    def end(self) -> int:
        return self.begin + (self.lines + 2 * self.border) * self.line

    def at(self, line: int, column: int) -> int:
        """Position of a place; from ``-border`` on."""
        return self.begin + (line + self.border) * self.line + (column + self.border) * self.channels


def planes(level: int, frames: int, bins: Sequence[int], channels: int, border: int) -> list[Plane]:
    """The images of a level, whose lines are ``frames`` and columns ``bins`` halved ``level`` times."""
    result: list[Plane] = []
    begin = 0
    for columns in bins:
        result.append(Plane(begin, frames >> level, columns >> level, channels, border))
        begin = result[-1].end
    return result


def _tiles(plane: Plane, lines: int = 1, columns: int = 1 << 30) -> list[tuple[int, int, int]]:
    """Line and column of each tile of 4 x 4, and how many of its columns there are; block by block."""
    high, wide = lines * TILE, columns * TILE
    return [
        (line, column, min(TILE, plane.columns - column))
        for top in range(0, plane.lines, high)
        for left in range(0, plane.columns, wide)
        for line in range(top, min(top + high, plane.lines), TILE)
        for column in range(left, min(left + wide, plane.columns), TILE)
    ]


def convolution_tiles(
    images: Sequence[Plane], skips: Sequence[Plane], followings: Sequence[Plane], *block: int
) -> Table:
    """Rows as ``convolve`` reads them, in blocks of so many lines and columns of tiles."""
    rows = [
        (
            image.at(2 * line - 2, 2 * column - 2),
            image.line,
            skip.at(line, column),
            skip.line,
            following.at(line, column),
            following.line,
            width,
        )
        for image, skip, following in zip(images, skips, followings, strict=True)
        for line, column, width in _tiles(skip, *block)
    ]
    return np.array(rows, np.int64)


def first_blocks(images: Sequence[Plane], answers: Sequence[Plane], lines: int, columns: int) -> Table:
    """Rows as ``convolve_twice`` reads them; ``answers`` are those of the second convolution."""
    rows, tile = [], 0
    for number, (image, answer) in enumerate(zip(images, answers, strict=True)):
        high, wide = answer.lines // TILE, -(-answer.columns // TILE)
        for top in range(0, high, lines):
            for left in range(0, wide, columns):
                tile_lines, tile_columns = min(lines, high - top), min(columns, wide - left)
                line, column = 2 * TILE * top - 2, 2 * TILE * left - 2  # of the first answers, where the region begins
                region = (2 * TILE * tile_lines + 4, 2 * TILE * tile_columns + 4)
                rows.append(
                    (
                        image.at(2 * line - 1, 2 * column - 1),
                        *region,
                        max(0, -line),
                        min(region[0], image.lines // 2 - line),
                        max(0, -column),
                        min(region[1], image.columns // 2 - column),
                        tile,
                        tile_lines,
                        tile_columns,
                        number,
                    )
                )
                tile += tile_lines * tile_columns
    return np.array(rows, np.int64)


def transposed_tiles(images: Sequence[Plane], answers: Sequence[Plane]) -> Table:
    """Rows as ``convolve_transposed`` reads them; the answers stand behind as many channels of a skip, if any."""
    rows = [
        (
            image.at(line - 1, column - 1),
            image.line,
            answer.at(2 * line, 2 * column) + answer.channels - image.channels // 4,
            answer.line,
            width,
        )
        for image, answer in zip(images, answers, strict=True)
        for line, column, width in _tiles(image)
    ]
    return np.array(rows, np.int64)


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix that ``multiply`` takes from images, and where their products go.

    ``begins``: of each row, a multiple of ``ROWS``; ``lines``: of each ``ROWS`` of them, the length of a line;
    ``places``: of each row's answer, -1 for none.
    """

    begins: Table
    lines: Table
    places: Table

    @cached_property
    def matrix(self) -> Matrix:
        """For the kernels; valid as long as this object is."""
        return Matrix(address(self.begins), address(self.lines))

    @classmethod
    def of(cls, groups: Sequence[tuple[Sequence[int], int, Sequence[int]]]) -> "Rows":
        """Groups of begins, their length of a line, their places; each is completed to a multiple of ``ROWS``."""
        begins, lines, places = [], [], []
        for some, line, theirs in groups:
            missing = -len(some) % ROWS
            begins += [*some, *[some[-1]] * missing]
            places += [*theirs, *[-1] * missing]
            lines += [line] * ((len(some) + missing) // ROWS)
        return cls(*(np.array(numbers, np.int64) for numbers in (begins, lines, places)))


def deepest_rows(images: Sequence[Plane], answers: Sequence[Plane]) -> Rows:
    """The convolution from ``images`` to ``answers``: where the windows of 5 x 5 begin."""
    return Rows.of(
        [
            (
                [
                    image.at(2 * line - 1, 2 * column - 1)
                    for line in range(answer.lines)
                    for column in range(answer.columns)
                ],
                image.line,
                [answer.at(line, column) for line in range(answer.lines) for column in range(answer.columns)],
            )
            for image, answer in zip(images, answers, strict=True)
        ]
    )


def rising_rows(images: Sequence[Plane], answers: Sequence[Plane], odd_line: int, odd_column: int) -> Rows:
    """One phase of the transposed convolution from ``images`` to ``answers``, behind as many channels of a skip."""
    return Rows.of(
        [
            (
                [image.at(line - 1, column - 1) for line in range(image.lines) for column in range(image.columns)],
                image.line,
                [
                    answer.at(2 * line + odd_line, 2 * column + odd_column) + answer.channels // 2
                    for line in range(image.lines)
                    for column in range(image.columns)
                ],
            )
            for image, answer in zip(images, answers, strict=True)
        ]
    )
