"""Samples that wait: a song's for their vocals, and both until all of the song has been heard."""

import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from separation.errors import OutputWriteFailed

Samples = NDArray[np.float32]


class Spool:
    """Eight bytes for each sample of each channel in a nameless file of ``folder``; a block of it in memory.

    Raises ``OutputWriteFailed`` when the disk is full. Arrays are ``(channels, n)``.
    """

    def __init__(self, folder: Path, channels: int) -> None:
        self._channels = channels
        self.samples = 0
        self.highest = self.lowest = 0.0
        """The largest and the smallest sample of mixture, vocals and instrumental."""
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by ``close``
        except OSError as error:
            raise OutputWriteFailed(f"{folder} cannot be written: {error.strerror}.") from error

    def push(self, mixture: Samples, vocals: Samples) -> None:
        for samples in (mixture, vocals, mixture - vocals):
            self.highest = max(self.highest, float(samples.max()))
            self.lowest = min(self.lowest, float(samples.min()))
        self.samples += mixture.shape[1]
        try:
            self._file.write(np.concatenate([mixture, vocals]).T.astype("<f4").tobytes())
        except OSError as error:
            raise OutputWriteFailed(f"The stems cannot be written: {error.strerror}.") from error

    def blocks(self, length: int) -> Iterator[tuple[Samples, Samples]]:
        """Mixture and vocals from the beginning, ``length`` samples at a time."""
        self._file.seek(0)
        row = 2 * self._channels
        while raw := self._file.read(4 * row * length):
            both = np.ascontiguousarray(np.frombuffer(raw, "<f4").reshape(-1, row).T)
            yield both[: self._channels], both[self._channels :]

    def close(self) -> None:
        self._file.close()


class MixtureQueue:
    """The part of the mixture whose vocals are still on their way. One thread pushes, another one takes.

    Half a minute waits: 11 MB of stereo at 44.1 kHz, but 180 MB of eight channels at 192 kHz. ``folder``: where blocks
    wait on disk, each in a nameless file; without one they wait in memory. Raises ``OutputWriteFailed``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._blocks: deque[_InMemory | _OnDisk] = deque()
        self._lock = Lock()

    def push(self, samples: Samples) -> None:
        """``(n, channels)``; in memory it is kept as it is, with all that it is a view of."""
        block = _OnDisk(samples, self._folder) if self._folder else _InMemory(samples)
        with self._lock:
            self._blocks.append(block)

    def take(self, count: int) -> Samples:
        """The oldest ``count`` samples, which must be there."""
        taken: list[Samples] = []
        with self._lock:
            while count > 0:
                block = self._blocks[0]
                taken.append(block.take(count))
                count -= len(taken[-1])
                if not block.left:
                    self._blocks.popleft()
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def close(self) -> None:
        """Whoever leaves early leaves blocks behind."""
        for block in self._blocks:
            block.close()


class _InMemory:
    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def left(self) -> int:
        return len(self._samples)

    def take(self, count: int) -> Samples:
        """No more than there are."""
        taken, self._samples = self._samples[:count], self._samples[count:]
        return taken

    def close(self) -> None:
        """There is nothing to close."""


class _OnDisk:
    def __init__(self, samples: Samples, folder: Path) -> None:
        self.left, self._channels = samples.shape
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by ``close``
            with ExitStack() as stack:
                stack.callback(self._file.close)
                self._file.write(samples.tobytes())
                self._file.seek(0)
                stack.pop_all()
        except OSError as error:
            raise OutputWriteFailed(f"The stems cannot be written: {error.strerror}.") from error

    def take(self, count: int) -> Samples:
        """No more than there are."""
        count = min(count, self.left)
        self.left -= count
        raw = self._file.read(4 * count * self._channels)
        if not self.left:
            self.close()
        return np.frombuffer(raw, np.float32).reshape(count, self._channels)

    def close(self) -> None:
        self._file.close()
