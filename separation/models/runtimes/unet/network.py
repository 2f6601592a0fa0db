"""The U-Net on a CPU: which kernel runs on what, and on how many processors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import CDLL, addressof
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from separation.models.runtimes.unet.geometry import PANEL, POINTS, ROWS, Plane, Rows, Table, phases_at
from separation.models.runtimes.unet.library import (
    Activation,
    FirstConvolution,
    LastPlane,
    PointWeights,
    Rectification,
    address,
)
from separation.models.runtimes.unet.plan import FIRST_BLOCK, OUTER, PHASES, Images, Plan, Scratch
from separation.models.unet import BINS_STEP, CHANNELS, DEPTH, LEAKY_RELU_SLOPE

Floats = NDArray[np.float32]

# What the values and products of a block of tiles may take: about what a processor's own cache holds.
_BLOCK_BYTES = 400_000
_BLOCK_TILES = (24, 96)
# Below so many tiles for a thread the weights are more than the tiles, and are read once for all of them.
_FEW_TILES = 96
# Tasks for each thread in one step: several even out what a busy machine takes from one of them.
_SHARES = 4
_LAST_LINES, _MASK_LINES = 16, 32

Task = Callable[[Scratch], None]


@dataclass(frozen=True)
class _Weights:
    """Of a convolution in tiles. A tile has ``depth`` numbers at each point before the products and ``width`` after."""

    depth: int
    width: int
    structure: PointWeights
    points: Table  # to which the structure points


@dataclass(frozen=True)
class _Tiled:
    """A convolution in tiles, whole or in its three parts; ``begin`` and ``end`` are of tiles, or of points.

    ``whole`` and ``part`` name the kernels, ``to`` is what these take last: arrays and channels of the answers.
    """

    kernels: CDLL
    whole: str
    part: str
    weights: _Weights
    how: Activation | Rectification
    tiles: Table
    image: int
    inputs: int
    outputs: int
    to: tuple[int, ...]

    def values(self, values: int, pitch: int, begin: int, end: int) -> None:
        there = values + 4 * begin * self.weights.depth
        kernel = getattr(self.kernels, f"{self.part}_values")
        kernel(_row(self.tiles, begin), end - begin, self.image, self.inputs, there, pitch)

    def products(self, rows: Rows, values: int, pitch: int, products: int, to: int, begin: int, end: int) -> None:
        weights, matrix = addressof(self.weights.structure), addressof(rows.matrix)
        kernel = getattr(self.kernels, f"{self.part}_products")
        kernel(begin, end, values, pitch, rows.begins.size, self.inputs, weights, self.outputs, products, to, matrix)

    def answers(self, products: int, pitch: int, begin: int, end: int) -> None:
        there = products + 4 * begin * self.weights.width
        kernel = getattr(self.kernels, f"{self.part}_answers")
        kernel(_row(self.tiles, begin), end - begin, there, pitch, addressof(self.how), self.outputs, *self.to)

    def blocks(self, block: int, rows: Rows, begin: int, end: int, scratch: Scratch) -> None:
        weights = self.weights
        getattr(self.kernels, self.whole)(
            *(address(self.tiles), begin, end, block, self.image, self.inputs, addressof(weights.structure)),
            *(addressof(self.how), self.outputs, *self.to),
            scratch.array("values", POINTS * _pitch(block * weights.depth)),
            scratch.array("products", POINTS * _pitch(block * weights.width)),
            addressof(rows.matrix),
        )


class Network:
    """U-Nets of the same spectrogram, one per stem, on at most ``threads`` processors.

    ``weights`` as ``separation.models.runtimes.unet.weights`` makes them, ``kernels`` as ``library.py`` loads them. One
    call at a time runs; others wait for it.
    """

    def __init__(
        self, kernels: CDLL, weights: Mapping[str, Floats], stems: Sequence[str], frames: int, *, threads: int
    ) -> None:
        self._kernels, self._weights, self._stems, self._frames = kernels, weights, tuple(stems), frames
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "network") if threads > 1 else None
        self._scratches = [Scratch() for _ in range(threads)]
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._lock = Lock()
        self._activations = {
            name: Activation(*self._addresses(name, "bias", "scale", "shift"), LEAKY_RELU_SLOPE)
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
            if image.shape[:2] != (2, self._frames) or image.shape[2] % BINS_STEP or not image.shape[2]:
                raise ValueError(f"The network takes (2, {self._frames}, a multiple of 64), not {image.shape}.")
        with self._lock:
            bins = tuple(image.shape[-1] for image in images)
            plan = self._plans.get(bins)
            if plan is None:
                plan = self._plans[bins] = Plan(self._frames, bins)
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
            self._scratches = [Scratch() for _ in self._scratches]

    def _run(self, tasks: Iterable[Task]) -> None:
        """All ``tasks``, on this thread and the others."""
        waiting = iter(list(tasks))

        def work(scratch: Scratch) -> None:
            for task in waiting:
                task(scratch)

        others = [self._pool.submit(work, scratch) for scratch in self._scratches[1:]] if self._pool else []
        try:
            work(self._scratches[0])
        finally:
            for other in others:
                other.result()

    def _steps(self, plan: Plan, stem: str, answers: Sequence[Floats]) -> Iterator[Iterable[Task]]:
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

    def _first_two(self, plan: Plan, stem: str) -> Iterator[Task]:
        wide = 8 * FIRST_BLOCK[1] + 4
        columns = _strip(wide, 2 * CHANNELS[0], 0).begins
        groups = columns.size // ROWS
        lines = np.repeat(np.array([plane.line for plane in plan.down[0]], np.int64), groups)
        second, how, outputs = self._down[stem, 2], self._activations[f"{stem}/down2"], CHANNELS[2]
        rows = _stacked(FIRST_BLOCK[0] * FIRST_BLOCK[1], second.depth)

        def task(begin: int, end: int, scratch: Scratch) -> None:
            first = self._first(plan, stem, columns)
            self._kernels.convolve_twice(
                address(plan.first_blocks),
                begin,
                end,
                addressof(first),
                address(lines),
                groups,
                address(plan.down_tiles[2]),
                addressof(second.structure),
                addressof(how),
                outputs,
                plan.up_arrays[2].at,
                plan.up[2][0].channels,
                plan.down_arrays[2].at,
                scratch.array("region", (8 * FIRST_BLOCK[0] + 4) * wide * CHANNELS[1]),
                scratch.array("values", POINTS * _pitch(rows.begins.size * second.depth)),
                scratch.array("products", POINTS * _pitch(rows.begins.size * second.width)),
                addressof(rows.matrix),
            )

        return (partial(task, *part) for part in _parts(len(plan.first_blocks), self._threads * _SHARES))

    def _convolution(self, plan: Plan, stem: str, level: int) -> Iterator[Iterable[Task]]:
        """From the level above to ``level``."""
        skip, following = plan.up_arrays[level], plan.down_arrays[level]
        return self._tiled(
            _Tiled(
                *(
                    self._kernels,
                    "convolve",
                    "convolution",
                    self._down[stem, level],
                    self._activations[f"{stem}/down{level}"],
                ),
                *(plan.down_tiles[level], plan.down_arrays[level - 1].at, CHANNELS[level - 1], CHANNELS[level]),
                (skip.at, plan.up[level][0].channels, following.at),
            )
        )

    def _transposed(self, plan: Plan, stem: str, level: int) -> Iterator[Iterable[Task]]:
        """From ``level`` to the level above."""
        how = self._rectifications[f"{stem}/up{DEPTH - level + 1}"]
        return self._tiled(
            _Tiled(
                *(self._kernels, "convolve_transposed", "transposed", self._up[stem, level], how),
                *(plan.up_tiles[level], plan.up_arrays[level].at, plan.up[level][0].channels, CHANNELS[level - 1]),
                (plan.up_arrays[level - 1].at, plan.up[level - 1][0].channels),
            )
        )

    def _tiled(self, step: _Tiled) -> Iterator[Iterable[Task]]:
        """Block after block, or each part of the work for all tiles at once."""
        count, depth, width = len(step.tiles), step.weights.depth, step.weights.width
        if count >= _FEW_TILES * self._threads:
            fewest, most = _BLOCK_TILES
            block = min(most, max(fewest, _BLOCK_BYTES // (4 * POINTS * (depth + width)) // ROWS * ROWS))
            rows = _stacked(block, depth)
            yield (partial(step.blocks, block, rows, *part) for part in _parts(count, self._threads * _SHARES))
            return
        rows = _stacked(-(-count // ROWS) * ROWS, depth)
        pitch, to = _pitch(rows.begins.size * depth), _pitch(rows.begins.size * width)
        values = self._scratches[0].array("all values", POINTS * pitch)
        products = self._scratches[0].array("all products", POINTS * to)
        by_tiles, by_points = _parts(count, self._threads), _parts(POINTS, self._threads * _SHARES)
        yield (_alone(partial(step.values, values, pitch, *part)) for part in by_tiles)
        yield (_alone(partial(step.products, rows, values, pitch, products, to, *part)) for part in by_points)
        yield (_alone(partial(step.answers, products, to, *part)) for part in by_tiles)

    def _deepest(self, plan: Plan, stem: str) -> Iterator[Task]:
        name, channels = f"{stem}/down{DEPTH}", CHANNELS[DEPTH - 1]
        image, answer = plan.down_arrays[DEPTH - 1], plan.deepest_array
        return self._directly(image, plan.deepest_rows, 5, 5 * channels, f"{name}/weights", name, answer)

    def _rising(self, plan: Plan, stem: str) -> Iterator[Task]:
        name, answer = f"{stem}/up1", plan.up_arrays[DEPTH - 1]
        for number, (odd_line, odd_column) in enumerate(PHASES):
            depth = (2 + odd_column) * CHANNELS[DEPTH]
            rows = plan.rising_rows[number]
            yield from self._directly(plan.deepest_array, rows, 2 + odd_line, depth, f"{name}/{number}", name, answer)

    def _directly(
        self, image: Images, rows: Rows, pieces: int, depth: int, weights: str, name: str, answer: Images
    ) -> Iterator[Task]:
        how, numbers = self._rectifications[name], self._weights[weights]
        matrix, places = rows.matrix, address(rows.places)

        def task(begin: int, end: int, scratch: Scratch) -> None:
            column, columns = begin * PANEL, (end - begin) * PANEL
            self._kernels.convolve_directly(
                *(image.at, matrix.rows, matrix.lines, places, rows.begins.size),
                *(pieces, depth, address(numbers, column * pieces * depth), addressof(how), column, columns),
                *(answer.at, scratch.array("products", rows.begins.size * columns)),
            )

        panels = numbers.size // (pieces * depth * PANEL)
        return (partial(task, *part) for part in _parts(panels, self._threads * _SHARES))

    def _last(self, plan: Plan, stem: str) -> Iterator[Task]:
        weights, bias, floor = (self._weights[f"{stem}/last/{part}"] for part in ("weights", "bias", "floor"))

        def task(windows: Rows, rows: Rows, plane: LastPlane, begin: int, end: int, scratch: Scratch) -> None:
            first = self._first(plan, stem, windows.begins)
            self._kernels.convolve_last(
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

    def _masks(self, plan: Plan, stem: str, answers: Sequence[Floats]) -> Iterator[Task]:
        weights, bias = self._weights[f"{stem}/mask/weights"], self._weights[f"{stem}/mask/bias"]

        def task(plane: Plane, answer: Floats, begin: int, end: int) -> None:
            image = plan.last_array.at + 4 * plane.at(-3, -3)
            for channel in range(2):
                self._kernels.convolve_to_mask(
                    *(image, plane.line, begin, end, plane.columns, address(weights, 16 * channel)),
                    *(float(bias[channel]), address(answer[channel])),
                )

        for plane, answer in zip(plan.last, answers, strict=True):
            for part in _parts(plane.lines, max(self._threads * _SHARES, plane.lines // _MASK_LINES)):
                yield _alone(partial(task, plane, answer, *part))

    def _first(self, plan: Plan, stem: str, columns: Table) -> FirstConvolution:
        """Valid as long as ``columns``, the begins of the windows of a line."""
        name, outputs = f"{stem}/down1", CHANNELS[1]
        weights = address(self._weights[f"{name}/weights"])
        return FirstConvolution(plan.down_arrays[0].at, weights, self._activations[name], outputs, address(columns))

    def _addresses(self, name: str, *parts: str) -> list[int]:
        return [address(self._weights[f"{name}/{part}"]) for part in parts]

    def _convolution_weights(self, stem: str, level: int) -> _Weights:
        inputs, outputs = CHANNELS[level - 1], CHANNELS[level]
        points = _point_begins(0, inputs * outputs)
        weights = PointWeights(address(self._weights[f"{stem}/down{level}/weights"]), address(points))
        return _Weights(4 * inputs, outputs, weights, points)

    def _transposed_weights(self, stem: str, level: int) -> _Weights:
        inputs, outputs = 2 * CHANNELS[level], CHANNELS[level - 1]
        points = _point_begins(5, inputs * outputs)
        weights = PointWeights(address(self._weights[f"{stem}/up{DEPTH - level + 1}/weights"]), address(points))
        return _Weights(inputs, 4 * outputs, weights, points)


def _interleave(plan: Plan, images: Sequence[Floats], begin: int, end: int, _: Scratch) -> None:
    """Lines ``[begin, end)`` of left and right, number by number."""
    for image, plane in zip(images, plan.down[0], strict=True):
        lines = (
            plan.down_arrays[0].numbers[plane.begin : plane.end].reshape(-1, plane.line)[OUTER + begin : OUTER + end]
        )
        for channel in range(2):
            lines[:, 2 * OUTER + channel : 2 * (OUTER + plane.columns) : 2] = image[channel, begin:end]


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
