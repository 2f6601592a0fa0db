"""A song and its vocals, kept on disk until all of it has been heard."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

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
