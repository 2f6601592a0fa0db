"""The latest samples of a stream by their position in it, in memory or, where they are many, on disk."""

import os
import tempfile
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from separation.errors import OutputWriteFailed

Samples = NDArray[np.float32]


class Block(Protocol):
    """Consecutive samples ``(n, channels)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Samples: ...


class RecentSamples:
    """Knows the samples from ``begin`` of the stream on, and forgets the oldest when told to.

    ``folder``: where they lie, each block in a nameless file that goes with its last user; without one they stay in
    memory. Three patches of them are in use at the same moment: 12 MB of stereo, 50 MB of eight channels. Raises
    ``OutputWriteFailed``.
    """

    def __init__(self, begin: int, folder: Path | None = None) -> None:
        self._begin, self._folder = begin, folder
        self._blocks: deque[Block] = deque()

    def append(self, samples: Samples) -> None:
        """``samples``: ``(n, channels)``; in memory kept as they are, with all that they are a view of."""
        if len(samples):
            self._blocks.append(_OnDisk(samples, self._folder) if self._folder else samples)

    def between(self, begin: int, end: int) -> Sequence[Block]:
        """Those of ``[begin, end)`` that there are, in the blocks that they came in: nothing is copied or read."""
        found: list[Block] = []
        position = self._begin
        for block in self._blocks:
            first, last = max(0, begin - position), min(max(0, end - position), len(block))
            if first < last:
                found.append(_Part(block, first, last))
            position += len(block)
        return found

    def forget_before(self, position: int) -> None:
        """Whole blocks only."""
        while self._blocks and self._begin + len(self._blocks[0]) <= position:
            self._begin += len(self._blocks.popleft())


class _Part:
    """The samples ``[begin, end)`` of a block; another thread may take them while the block is forgotten."""

    def __init__(self, block: Block, begin: int, end: int) -> None:
        self._block, self._begin, self._end = block, begin, end

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, part: slice) -> Samples:
        begin, end, _ = part.indices(len(self))
        return self._block[self._begin + begin : self._begin + end]


class _OnDisk:
    def __init__(self, samples: Samples, folder: Path) -> None:
        self._length, self._channels = len(samples), samples.shape[1]
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(samples.tobytes())
                file.flush()
                self._descriptor = os.dup(file.fileno())
        except OSError as error:
            raise OutputWriteFailed(f"The stems cannot be written: {error.strerror}.") from error
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> Samples:
        begin, end, _ = part.indices(self._length)
        row = 4 * self._channels
        raw = os.pread(self._descriptor, row * (end - begin), row * begin)
        return np.frombuffer(raw, np.float32).reshape(-1, self._channels)
