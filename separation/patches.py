"""The grid of patches over a song's frames, and the cross-fade of what is estimated from them.

The grid is fixed by the song's beginning and the settings alone. So a preview, which needs only some of the patches,
sees the very patches that the whole song would see.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from separation.errors import SettingsInvalid

Magnitudes = NDArray[np.float32]
Estimate = NDArray[np.complex64]


@dataclass(frozen=True)
class PatchGrid:
    """Patch ``p`` covers the frames ``[first_frame + p*step, first_frame + p*step + frames)``."""

    frames: int
    context: int
    first_frame: int

    def __post_init__(self) -> None:
        if not 0 <= 4 * self.context <= self.frames:
            raise SettingsInvalid("Cross-fades at the two edges of a patch must not meet.")

    @property
    def step(self) -> int:
        return self.frames - 2 * self.context

    def begin(self, patch: int) -> int:
        """First frame of the patch; negative where the patch begins before the song."""
        return self.first_frame + patch * self.step

    def first_patch(self, frame: int) -> int:
        """The first patch that covers ``frame``."""
        return max(0, -(-(frame - self.first_frame - self.frames + 1) // self.step))

    def last_patch(self, frame: int) -> int:
        """The last patch needed for ``frame`` when it is the song's last: the one in whose core it lies."""
        return max(0, (frame - self.first_frame - self.context) // self.step)

    def patch_that_completes(self, frame: int) -> int:
        """The patch after which no other one has a say in ``frame``, if the song goes on."""
        return max(0, (frame - self.first_frame) // self.step)

    def ramp(self) -> NDArray[np.float32]:
        """Weight of a patch against its predecessor in the frames that both cover."""
        overlap = 2 * self.context
        return ((np.arange(overlap) + 0.5) / max(1, overlap)).astype(np.float32)


def mirrored(frames: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Indices into a song of ``count`` frames, reflected at both ends as often as needed, ends not repeated."""
    if count == 1:
        return np.zeros_like(frames)
    period = 2 * (count - 1)
    folded = np.mod(frames, period)
    reflected: NDArray[np.intp] = np.minimum(folded, period - folded)
    return reflected


class FrameHistory:
    """The latest magnitude frames by their number in the song; forgets the oldest."""

    def __init__(self, first_frame: int, keep: int, bins: int) -> None:
        self.begin = self.end = first_frame
        """The oldest frame, and one past the newest."""
        self._keep = keep
        # What is kept, the patch after it, and what comes while its end is not reached.
        self._frames: Magnitudes = np.empty((2 * keep + keep // 8, 2, bins), np.float32)

    def append(self, frames: Magnitudes) -> None:
        """``frames``: ``(n, 2, bins)``, which are copied."""
        count = self.end - self.begin
        if count + len(frames) > len(self._frames):
            more = np.empty((count + len(frames), *self._frames.shape[1:]), np.float32)
            more[:count] = self._frames[:count]
            self._frames = more
        self._frames[count : count + len(frames)] = frames
        self.end += len(frames)

    def forget_before(self, frame: int) -> None:
        """Frames more than ``keep`` before ``frame`` are not needed any more."""
        surplus = frame - self._keep - self.begin
        if surplus > 0:
            count = self.end - self.begin - surplus
            self._frames[:count] = self._frames[surplus : surplus + count]
            self.begin += surplus

    def patch(self, begin: int, length: int, song_frames: int | None, *, mirror: bool) -> Magnitudes:
        """Frames ``[begin, begin + length)`` as ``(2, length, bins)``.

        Beyond the song's ends they are its reflection, or silence. ``song_frames`` is the song's length, or ``None``
        while its end has not been seen and the patch does not reach it.
        """
        wanted = np.arange(begin, begin + length)
        outside = wanted < 0
        if song_frames is not None:
            outside |= wanted >= song_frames
        # Left of the song only the beginning is mirrored, so the unknown length does not matter there.
        indices = mirrored(wanted, song_frames if song_frames is not None else self.end) if mirror else wanted
        indices = np.where(outside & (not mirror), self.begin, indices) - self.begin
        patch = np.empty((2, length, self._frames.shape[2]), np.float32)
        # Most patches have nothing mirrored, and a stretch is copied once where a list of frames is copied twice.
        stretch = np.array_equal(indices, np.arange(indices[0], indices[0] + length))
        frames = slice(int(indices[0]), int(indices[0]) + length) if stretch else indices
        patch[:] = self._frames[frames].swapaxes(0, 1)
        if not mirror:
            patch[:, outside] = 0
        return patch


class CrossFade:
    """Joins the estimates of overlapping patches, which come in order, into one stream of frames."""

    def __init__(self, grid: PatchGrid) -> None:
        self._grid = grid
        self._ramp = grid.ramp()
        self._tail: Estimate | None = None

    def add(self, patch: int, estimate: Estimate, begin: int, *, last: bool) -> Estimate:
        """The frames that are final by now: up to the next patch's beginning, or all of them from the last patch.

        ``estimate``: ``(n, channels, bins)`` of the frames of patch number ``patch`` that the song has, the first of
        which is frame ``begin``. Overwrites it.
        """
        if self._tail is not None:
            # Where a predecessor exists it ends inside this patch, and both know the frames in between.
            overlap = len(self._tail)
            offset = begin - self._grid.begin(patch)
            head = estimate[:overlap]
            head -= self._tail
            head *= self._ramp[offset : offset + overlap, None, None]
            head += self._tail
        final = len(estimate) if last else max(0, self._grid.begin(patch + 1) - begin)
        self._tail = None if last else estimate[final:].copy()
        return estimate[:final]
