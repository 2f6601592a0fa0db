"""The grid of patches over a song's frames, and the cross-fade of what is estimated from them.

The grid is fixed by the song's beginning and the settings alone. So a preview, which needs only some of the patches,
sees the very patches that the whole song would see.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from separation.errors import SettingsInvalid
from separation.models.mask.recent import Block

Magnitudes = NDArray[np.float32]
Estimate = NDArray[np.complex64]


@dataclass(frozen=True)
class Patch:
    """What one call of the network needs, and what its answer will be applied to.

    ``magnitudes``: ``(2, frames, bins)``, the first of them frame ``seen_from`` of the song. ``samples``: blocks of
    ``(n, channels)`` at the model's rate, those under the ``frames`` of the patch that the song has; the first of these
    is frame ``begin`` of the song. Neighbours share them. Their spectra are four times as large, and computing them
    again takes no longer than carrying them along. ``last``: the song ends in it.
    """

    number: int
    begin: int
    frames: int
    seen_from: int
    magnitudes: Magnitudes
    samples: Sequence[Block]
    last: bool


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

    def patch(self, begin: int, length: int, song_frames: int | None) -> Magnitudes:
        """Frames ``[begin, begin + length)`` as ``(2, length, bins)``.

        Beyond the song's ends they are its reflection. ``song_frames`` is the song's length, or ``None`` while its end
        has not been seen and the patch does not reach it.
        """
        # Left of the song only the beginning is mirrored, so the unknown length does not matter there.
        count = song_frames if song_frames is not None else self.end
        indices = mirrored(np.arange(begin, begin + length), count) - self.begin
        patch = np.empty((2, length, self._frames.shape[2]), np.float32)
        # Most patches have nothing mirrored, and a stretch is copied once where a list of frames is copied twice.
        stretch = np.array_equal(indices, np.arange(indices[0], indices[0] + length))
        frames = slice(int(indices[0]), int(indices[0]) + length) if stretch else indices
        patch[:] = self._frames[frames].swapaxes(0, 1)
        return patch


class CrossFade:
    """Joins the estimates of overlapping patches, which come in order, into one stream of frames."""

    def __init__(self, grid: PatchGrid) -> None:
        self._grid = grid
        self._ramp = grid.ramp()
        self._patch, self._patch_begin = -1, 0
        # What a patch says of the next one's first frames. It is read at the beginning of a patch and written at its
        # end, and these do not meet.
        self._shared: Estimate | None = None
        self._before = self._kept = 0
        """How many frames of it the patch before this one has written, and how many this one."""

    def add(self, patch: int, estimate: Estimate, begin: int, *, last: bool) -> Estimate:
        """The frames that are final by now: up to the next patch's beginning, or all of them from the last patch.

        ``estimate``: ``(n, channels, bins)`` of the next frames of patch number ``patch`` that the song has, the first
        of which is frame ``begin``. Overwrites it.
        """
        if patch != self._patch:
            self._patch, self._patch_begin = patch, begin
            self._before, self._kept = self._kept, 0
        if self._shared is None:
            self._shared = np.empty((2 * self._grid.context, *estimate.shape[1:]), estimate.dtype)
        # Where a predecessor exists it ends inside this patch, and both know the frames in between.
        before = self._shared[begin - self._patch_begin : self._before][: len(estimate)]
        head = estimate[: len(before)]
        head -= before
        offset = begin - self._grid.begin(patch)
        head *= self._ramp[offset : offset + len(before), None, None]
        head += before
        final = len(estimate) if last else max(0, min(self._grid.begin(patch + 1) - begin, len(estimate)))
        rest = estimate[final:]
        self._shared[self._kept : self._kept + len(rest)] = rest
        self._kept += len(rest)
        return estimate[:final]
