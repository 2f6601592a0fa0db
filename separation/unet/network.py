"""The U-Net on a CPU: which kernel runs on what, and on how many processors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import addressof
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from separation.unet import geometry
from separation.unet.geometry import CHANNELS, DEPTH, PANEL, POINTS, ROWS, Plane, Rows, Table, phases_at, planes
from separation.unet.library import (
    Activation,
    FirstConvolution,
    LastPlane,
    PointWeights,
    Rectification,
    address,
    kernels,
)

Floats = NDArray[np.float32]

_SLOPE = 0.2  # of the leaky ReLU below 0
# Lines and columns of the four phases, odd (1) or even (0), in the order of ``separation.phases``.
_PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
# What the values and products of a block of tiles may take: about what a processor's own cache holds.
_BLOCK_BYTES = 400_000
_BLOCK_TILES = (24, 96)
# Below so many tiles for a thread the weights are more than the tiles, and are read once for all of them.
_FEW_TILES = 96
# Lines and columns of tiles of the second convolution that are made with their part of the first.
_FIRST_BLOCK = (2, 16)
# Border of the spectrogram: the first windows of a block begin so far outside.
_OUTER = 6
# Tasks for each thread in one step: several even out what a busy machine takes from one of them.
_SHARES = 4
_LAST_LINES, _MASK_LINES = 16, 32


class _Images:
    """The images of one level in an array of zeros, and where it lies in memory."""

    def __init__(self, planes: Sequence[Plane]) -> None:
        self.numbers = np.zeros(planes[-1].end, np.float32)
        self.at = address(self.numbers)


class _Scratch:
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


Task = Callable[[_Scratch], None]


class _Plan:
    """Arrays and tables for images of so many bins.

    ``down``: of each level what the next convolution reads; of level 1, whose answers are made in blocks, nothing.
    ``up``: of the levels 1 to 5 what the transposed convolutions read: the skip (but of level 1, which is made again),
    then the answers from below.
    """

    def __init__(self, frames: int, bins: Sequence[int]) -> None:
        self.down = [planes(level, frames, bins, CHANNELS[level], 2 if level else _OUTER) for level in range(DEPTH)]
        self.up = [planes(level, frames, bins, CHANNELS[level] * (2 if level > 1 else 1), 1) for level in range(DEPTH)]
        self.deepest = planes(DEPTH, frames, bins, CHANNELS[DEPTH], 1)
        self.last = planes(0, frames, bins, 1, 3)
        self.down_arrays = {level: _Images(self.down[level]) for level in range(DEPTH) if level != 1}
        self.up_arrays = {level: _Images(self.up[level]) for level in range(1, DEPTH)}
        self.deepest_array, self.last_array = _Images(self.deepest), _Images(self.last)

        self.first_blocks = geometry.first_blocks(self.down[0], self.up[2], *_FIRST_BLOCK)
        self.down_tiles = {
            level: geometry.convolution_tiles(
                self.down[level - 1], self.up[level], self.down[level], *(_FIRST_BLOCK if level == 2 else ())
            )
            for level in range(2, DEPTH)
        }
        self.up_tiles = {
            level: geometry.transposed_tiles(self.up[level], self.up[level - 1]) for level in range(2, DEPTH)
        }
        self.deepest_rows = geometry.deepest_rows(self.down[DEPTH - 1], self.deepest)
        self.rising_rows = [geometry.rising_rows(self.deepest, self.up[DEPTH - 1], *phase) for phase in _PHASES]


@dataclass(frozen=True)
class _Tiled:
    """One convolution in tiles, plain or transposed: how large, and its weights."""

    depth: int
    """Numbers of a tile at each point before the products,"""
    width: int
    """and after them."""
    weights: PointWeights
    points: Table


class Network:
    """U-Nets of the same spectrogram, one per stem, on at most ``threads`` processors.

    ``weights`` as ``separation.unet.weights`` makes them. One call at a time runs; others wait for it.
    """

    def __init__(self, weights: Mapping[str, Floats], stems: Sequence[str], frames: int, *, threads: int) -> None:
        self._weights, self._stems, self._frames = weights, tuple(stems), frames
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "network") if threads > 1 else None
        self._scratches = [_Scratch() for _ in range(threads)]
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._lock = Lock()
        self._activations = {
            name: Activation(*self._addresses(name, "bias", "scale", "shift"), _SLOPE)
            for name in (f"{stem}/down{level}" for stem in stems for level in range(1, DEPTH))
        }
        rectified = (f"down{DEPTH}", *(f"up{level}" for level in range(1, DEPTH)))
        self._rectifications = {
            name: Rectification(*self._addresses(name, "bias", "floor"))
            for name in (f"{stem}/{part}" for stem in stems for part in rectified)
        }
        self._down = {
            (stem, level): self._convolution_weights(stem, level) for stem in stems for level in range(2, DEPTH)
        }
        self._up = {(stem, level): self._transposed_weights(stem, level) for stem in stems for level in range(2, DEPTH)}

    def fractions(self, images: Sequence[Floats]) -> list[Floats]:
        """``(stems, 2, frames, bins)`` of each image, ``(2, frames, bins)``.

        Raises ``ValueError`` for other shapes and for bins that are no multiple of 64: the kernels check nothing.
        """
        for image in images:
            if image.shape[:2] != (2, self._frames) or image.shape[2] % (1 << DEPTH) or not image.shape[2]:
                raise ValueError(f"The network takes (2, {self._frames}, a multiple of 64), not {image.shape}.")
        with self._lock:
            bins = tuple(image.shape[-1] for image in images)
            plan = self._plans.get(bins)
            if plan is None:
                plan = self._plans[bins] = _Plan(self._frames, bins)
            answers = [np.empty((len(self._stems), *image.shape), np.float32) for image in images]
            self._run(partial(_interleave, plan, images, *part) for part in _parts(self._frames, self._threads))
            for number, stem in enumerate(self._stems):
                for step in self._steps(plan, stem, [answer[number] for answer in answers]):
                    self._run(step)
            return answers

    def forget(self) -> None:
        """Gives back the images' memory."""
        with self._lock:
            self._plans.clear()
            self._scratches = [_Scratch() for _ in self._scratches]

    def _run(self, tasks: Iterable[Task]) -> None:
        """All ``tasks``, on this thread and the others."""
        waiting = iter(list(tasks))

        def work(scratch: _Scratch) -> None:
            for task in waiting:
                task(scratch)

        others = [self._pool.submit(work, scratch) for scratch in self._scratches[1:]] if self._pool else []
        try:
            work(self._scratches[0])
        finally:
            for other in others:
                other.result()

    def _steps(self, plan: _Plan, stem: str, answers: Sequence[Floats]) -> Iterator[Iterable[Task]]:
        """What can run at the same time, one after the other."""
        yield self._first_two(plan, stem)
        for level in range(3, DEPTH):
            yield from self._convolution(plan, stem, level)
        yield self._deepest(plan, stem)
        yield self._rising(plan, stem)
        for level in range(DEPTH - 1, 1, -1):
            yield from self._transposed(plan, stem, level)
        yield self._last(plan, stem)
        yield self._masks(plan, stem, answers)

    def _first_two(self, plan: _Plan, stem: str) -> Iterator[Task]:
        wide = 8 * _FIRST_BLOCK[1] + 4
        columns = _strip(wide, 2 * CHANNELS[0], 0).begins
        groups = columns.size // ROWS
        lines = np.repeat(np.array([plane.line for plane in plan.down[0]], np.int64), groups)
        second, how, outputs = self._down[stem, 2], self._activations[f"{stem}/down2"], CHANNELS[2]
        rows = _stacked(_FIRST_BLOCK[0] * _FIRST_BLOCK[1], second.depth)

        def task(begin: int, end: int, scratch: _Scratch) -> None:
            first = self._first(plan, stem, columns)
            kernels().convolve_twice(
                address(plan.first_blocks),
                begin,
                end,
                addressof(first),
                address(lines),
                groups,
                address(plan.down_tiles[2]),
                addressof(second.weights),
                addressof(how),
                outputs,
                plan.up_arrays[2].at,
                plan.up[2][0].channels,
                plan.down_arrays[2].at,
                scratch.array("region", (8 * _FIRST_BLOCK[0] + 4) * wide * CHANNELS[1]),
                scratch.array("values", POINTS * _pitch(rows.begins.size * second.depth)),
                scratch.array("products", POINTS * _pitch(rows.begins.size * second.width)),
                addressof(rows.matrix),
            )

        return (partial(task, *part) for part in _parts(len(plan.first_blocks), self._threads * _SHARES))

    def _convolution(self, plan: _Plan, stem: str, level: int) -> Iterator[Iterable[Task]]:
        """From the level above to ``level``."""
        tiles, tiled, how = plan.down_tiles[level], self._down[stem, level], self._activations[f"{stem}/down{level}"]
        inputs, outputs, skip_channels = CHANNELS[level - 1], CHANNELS[level], plan.up[level][0].channels
        image, skip = plan.down_arrays[level - 1].at, plan.up_arrays[level].at
        following = plan.down_arrays[level].at
        library = kernels()

        def values_of(values: int, pitch: int, begin: int, end: int) -> None:
            there = values + 4 * begin * tiled.depth
            library.convolution_values(_row(tiles, begin), end - begin, image, inputs, there, pitch)

        def products_at(values: int, pitch: int, rows: Rows, products: int, to: int, begin: int, end: int) -> None:
            weights = addressof(tiled.weights)
            library.convolution_products(
                *(
                    begin,
                    end,
                    values,
                    pitch,
                    rows.begins.size,
                    inputs,
                    weights,
                    outputs,
                    products,
                    to,
                    addressof(rows.matrix),
                )
            )

        def answers_of(products: int, pitch: int, begin: int, end: int) -> None:
            there = products + 4 * begin * outputs
            library.convolution_answers(
                *(
                    _row(tiles, begin),
                    end - begin,
                    there,
                    pitch,
                    addressof(how),
                    outputs,
                    skip,
                    skip_channels,
                    following,
                )
            )

        def blocks_of(block: int, rows: Rows, begin: int, end: int, scratch: _Scratch) -> None:
            library.convolve(
                *(address(tiles), begin, end, block, image, inputs, addressof(tiled.weights), addressof(how), outputs),
                *(skip, skip_channels, following),
                scratch.array("values", POINTS * _pitch(block * tiled.depth)),
                scratch.array("products", POINTS * _pitch(block * tiled.width)),
                addressof(rows.matrix),
            )

        return self._tiled(len(tiles), tiled, values_of, products_at, answers_of, blocks_of)

    def _transposed(self, plan: _Plan, stem: str, level: int) -> Iterator[Iterable[Task]]:
        """From ``level`` to the level above."""
        name = f"{stem}/up{DEPTH - level + 1}"
        tiles, tiled, how = plan.up_tiles[level], self._up[stem, level], self._rectifications[name]
        inputs, outputs, channels = plan.up[level][0].channels, CHANNELS[level - 1], plan.up[level - 1][0].channels
        image, answer = plan.up_arrays[level].at, plan.up_arrays[level - 1].at
        library = kernels()

        def values_of(values: int, pitch: int, begin: int, end: int) -> None:
            there = values + 4 * begin * tiled.depth
            library.transposed_values(_row(tiles, begin), end - begin, image, inputs, there, pitch)

        def products_at(values: int, pitch: int, rows: Rows, products: int, to: int, begin: int, end: int) -> None:
            weights = addressof(tiled.weights)
            library.transposed_products(
                *(
                    begin,
                    end,
                    values,
                    pitch,
                    rows.begins.size,
                    inputs,
                    weights,
                    outputs,
                    products,
                    to,
                    addressof(rows.matrix),
                )
            )

        def answers_of(products: int, pitch: int, begin: int, end: int) -> None:
            there = products + 4 * begin * tiled.width
            library.transposed_answers(
                *(_row(tiles, begin), end - begin, there, pitch, addressof(how), outputs, answer, channels)
            )

        def blocks_of(block: int, rows: Rows, begin: int, end: int, scratch: _Scratch) -> None:
            library.convolve_transposed(
                *(address(tiles), begin, end, block, image, inputs, addressof(tiled.weights), addressof(how), outputs),
                *(answer, channels),
                scratch.array("values", POINTS * _pitch(block * tiled.depth)),
                scratch.array("products", POINTS * _pitch(block * tiled.width)),
                addressof(rows.matrix),
            )

        return self._tiled(len(tiles), tiled, values_of, products_at, answers_of, blocks_of)

    def _tiled(
        self,
        tiles: int,
        tiled: _Tiled,
        values_of: Callable[[int, int, int, int], None],
        products_at: Callable[[int, int, Rows, int, int, int, int], None],
        answers_of: Callable[[int, int, int, int], None],
        blocks_of: Callable[[int, Rows, int, int, _Scratch], None],
    ) -> Iterator[Iterable[Task]]:
        """Block after block, or each part of the work for all tiles at once."""
        if tiles >= _FEW_TILES * self._threads:
            fewest, most = _BLOCK_TILES
            block = min(most, max(fewest, _BLOCK_BYTES // (4 * POINTS * (tiled.depth + tiled.width)) // ROWS * ROWS))
            rows = _stacked(block, tiled.depth)
            yield (partial(blocks_of, block, rows, *part) for part in _parts(tiles, self._threads * _SHARES))
            return
        rows = _stacked(-(-tiles // ROWS) * ROWS, tiled.depth)
        pitch, to = _pitch(rows.begins.size * tiled.depth), _pitch(rows.begins.size * tiled.width)
        values = self._scratches[0].array("all values", POINTS * pitch)
        products = self._scratches[0].array("all products", POINTS * to)
        by_tiles, by_points = _parts(tiles, self._threads), _parts(POINTS, self._threads * _SHARES)
        yield (_alone(partial(values_of, values, pitch, *part)) for part in by_tiles)
        yield (_alone(partial(products_at, values, pitch, rows, products, to, *part)) for part in by_points)
        yield (_alone(partial(answers_of, products, to, *part)) for part in by_tiles)

    def _deepest(self, plan: _Plan, stem: str) -> Iterator[Task]:
        name, channels = f"{stem}/down{DEPTH}", CHANNELS[DEPTH - 1]
        image, answer = plan.down_arrays[DEPTH - 1], plan.deepest_array
        return self._directly(image, plan.deepest_rows, 5, 5 * channels, f"{name}/weights", name, answer)

    def _rising(self, plan: _Plan, stem: str) -> Iterator[Task]:
        name, answer = f"{stem}/up1", plan.up_arrays[DEPTH - 1]
        for number, (odd_line, odd_column) in enumerate(_PHASES):
            depth = (2 + odd_column) * CHANNELS[DEPTH]
            rows = plan.rising_rows[number]
            yield from self._directly(plan.deepest_array, rows, 2 + odd_line, depth, f"{name}/{number}", name, answer)

    def _directly(
        self, image: _Images, rows: Rows, pieces: int, depth: int, weights: str, name: str, answer: _Images
    ) -> Iterator[Task]:
        how, numbers = self._rectifications[name], self._weights[weights]
        matrix, places = rows.matrix, address(rows.places)

        def task(begin: int, end: int, scratch: _Scratch) -> None:
            column, columns = begin * PANEL, (end - begin) * PANEL
            kernels().convolve_directly(
                *(image.at, matrix.rows, matrix.lines, places, rows.begins.size),
                *(pieces, depth, address(numbers, column * pieces * depth), addressof(how), column, columns),
                *(answer.at, scratch.array("products", rows.begins.size * columns)),
            )

        panels = numbers.size // (pieces * depth * PANEL)
        return (partial(task, *part) for part in _parts(panels, self._threads * _SHARES))

    def _last(self, plan: _Plan, stem: str) -> Iterator[Task]:
        weights, bias, floor = (self._weights[f"{stem}/last/{part}"] for part in ("weights", "bias", "floor"))

        def task(windows: Rows, rows: Rows, plane: LastPlane, begin: int, end: int, scratch: _Scratch) -> None:
            first = self._first(plan, stem, windows.begins)
            kernels().convolve_last(
                *(addressof(first), address(windows.lines), addressof(plane), plan.up_arrays[1].at, begin, end),
                *(addressof(rows.matrix), address(weights), float(bias[0]), float(floor[0]), plan.last_array.at),
                scratch.array("strip", 2 * CHANNELS[1] * (rows.begins.size + 2)),
                scratch.array("products", (end - begin + 2) * rows.begins.size * PANEL),
            )

        for spectrogram, image, answer in zip(plan.down[0], plan.up[1], plan.last, strict=True):
            windows = _strip(image.columns, 2 * spectrogram.channels, spectrogram.line)
            rows = _strip(image.columns, 2 * image.channels, 0)
            plane = LastPlane(
                *(spectrogram.at(-1, -1), image.at(0, 0), image.line, image.lines, image.columns),
                *(answer.at(0, 0), answer.line),
            )
            parts = max(self._threads * _SHARES, image.lines // _LAST_LINES)
            for part in _parts(image.lines, parts):
                yield partial(task, windows, rows, plane, *part)

    def _masks(self, plan: _Plan, stem: str, answers: Sequence[Floats]) -> Iterator[Task]:
        weights, bias = self._weights[f"{stem}/mask/weights"], self._weights[f"{stem}/mask/bias"]

        def task(plane: Plane, answer: Floats, begin: int, end: int) -> None:
            image = plan.last_array.at + 4 * plane.at(-3, -3)
            for channel in range(2):
                kernels().convolve_to_mask(
                    *(image, plane.line, begin, end, plane.columns, address(weights, 16 * channel)),
                    *(float(bias[channel]), address(answer[channel])),
                )

        for plane, answer in zip(plan.last, answers, strict=True):
            for part in _parts(plane.lines, max(self._threads * _SHARES, plane.lines // _MASK_LINES)):
                yield _alone(partial(task, plane, answer, *part))

    def _first(self, plan: _Plan, stem: str, columns: Table) -> FirstConvolution:
        """Valid as long as ``columns``, the begins of the windows of a line."""
        name, outputs = f"{stem}/down1", CHANNELS[1]
        weights = address(self._weights[f"{name}/weights"])
        return FirstConvolution(plan.down_arrays[0].at, weights, self._activations[name], outputs, address(columns))

    def _addresses(self, name: str, *parts: str) -> list[int]:
        return [address(self._weights[f"{name}/{part}"]) for part in parts]

    def _convolution_weights(self, stem: str, level: int) -> _Tiled:
        inputs, outputs = CHANNELS[level - 1], CHANNELS[level]
        points = _point_begins(0, inputs * outputs)
        weights = PointWeights(address(self._weights[f"{stem}/down{level}/weights"]), address(points))
        return _Tiled(4 * inputs, outputs, weights, points)

    def _transposed_weights(self, stem: str, level: int) -> _Tiled:
        inputs, outputs = 2 * CHANNELS[level], CHANNELS[level - 1]
        points = _point_begins(5, inputs * outputs)
        weights = PointWeights(address(self._weights[f"{stem}/up{DEPTH - level + 1}/weights"]), address(points))
        return _Tiled(inputs, 4 * outputs, weights, points)


def _interleave(plan: _Plan, images: Sequence[Floats], begin: int, end: int, _: _Scratch) -> None:
    """Lines ``[begin, end)`` of left and right, number by number."""
    for image, plane in zip(images, plan.down[0], strict=True):
        lines = (
            plan.down_arrays[0].numbers[plane.begin : plane.end].reshape(-1, plane.line)[_OUTER + begin : _OUTER + end]
        )
        for channel in range(2):
            lines[:, 2 * _OUTER + channel : 2 * (_OUTER + plane.columns) : 2] = image[channel, begin:end]


def _point_begins(silent: int, size: int) -> Table:
    """Where the weights of each point begin, ``size`` numbers for each phase that counts there."""
    counts = [end - begin for begin, end in (phases_at(point, silent) for point in range(POINTS))]
    return np.cumsum([0, *counts[:-1]]) * size


def _parts(count: int, parts: int) -> list[tuple[int, int]]:
    """``[0, count)`` in at most ``parts`` parts of about the same size."""
    edges = [count * number // parts for number in range(parts + 1)]
    return [(begin, end) for begin, end in pairwise(edges) if begin < end]


def _alone(work: Callable[[], None]) -> Task:
    """A task that needs nothing of its thread."""
    return lambda _: work()


def _row(table: Table, number: int) -> int:
    return address(table, number * table.shape[1])


def _pitch(numbers: int) -> int:
    """As ``pitch_of`` in ``kernels.c``."""
    return numbers + (16 - numbers) % 1024


@lru_cache
def _strip(columns: int, step: int, line: int) -> Rows:
    """The columns of one line, ``step`` numbers apart."""
    return Rows.of([([column * step for column in range(columns)], line, [0] * columns)])


def _stacked(rows: int, depth: int) -> Rows:
    """Rows of a matrix, one after the other."""
    return _strip(rows, depth, 0)
