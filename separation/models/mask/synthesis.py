"""From the network's answers to the vocals' samples, in bounded memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from separation.audio.channels import mask_routing
from separation.machine.timing import StageClock
from separation.models.mask.estimate import estimated_vocals
from separation.models.mask.patches import CrossFade, Patch
from separation.models.mask.plan import PatchPlan
from separation.spectral.stft import STEP_FRAMES, StreamingIstft, StreamingStft

Samples = NDArray[np.float32]
Spectra = NDArray[np.complex64]
_VOCALS = "vocals"


class Synthesis:
    """Feed patches and what the network answered, take the vocals at the model's rate, from ``begin`` of the plan on.

    After the last patch they reach beyond the song's end.
    """

    def __init__(self, plan: PatchPlan, clock: StageClock) -> None:
        self._plan, self._clock = plan, clock
        spec = plan.spec
        self._stem = spec.stems.index(_VOCALS)
        self._routing = mask_routing(plan.channel_names)
        self._cross_fade = CrossFade(plan.grid)
        self._istft = StreamingIstft(len(plan.channel_names), spec.fft_size, spec.hop)
        # Directions are learnt from all of a patch, and only in stereo. What is estimated frame by frame needs 24 of
        # them at a time, of eight channels a fifth of what a patch of two takes.
        whole = np.array_equal(self._routing, np.eye(2))
        self._whole_patch = np.empty((spec.frames, 2, spec.fft_size // 2 + 1), np.complex64) if whole else None
        # The inverse transform begins before the first wanted sample.
        self._surplus = plan.begin - plan.begin_of(plan.first_frame)

    def push(self, patch: Patch, fractions: NDArray[np.float32]) -> Iterator[Samples]:
        """``fractions``: ``(stems, 1 or 2, frames, bins)``. Gives out the vocals that are final by now, with the last
        patch all of them, ``(n, channels)`` at a time."""
        skip = patch.begin - patch.seen_from
        fractions = fractions[:, :, skip : skip + patch.frames]
        for vocals in self._vocals(patch, fractions):
            skip = min(self._surplus, len(vocals))
            self._surplus -= skip
            yield vocals[skip:]

    def _vocals(self, patch: Patch, fractions: NDArray[np.float32]) -> Iterator[Samples]:
        """Some frames at a time."""
        begin = patch.begin
        for spectra in self._estimated_together(patch):
            with self._clock.stage("mask"):
                part = fractions[:, :, begin - patch.begin : begin - patch.begin + len(spectra)]
                estimate = estimated_vocals(spectra, part, self._stem, self._routing, self._plan.settings)
                final = self._cross_fade.add(patch.number, estimate, begin, last=patch.last)
                final = final[max(0, self._plan.first_frame - begin) :]
                begin += len(spectra)
            for first in range(0, len(final), STEP_FRAMES):
                with self._clock.stage("inverse"):
                    vocals = self._istft.push(final[first : first + STEP_FRAMES])
                yield vocals

    def _estimated_together(self, patch: Patch) -> Iterator[Spectra]:
        """The patch's spectra, all in one array where the estimate wants them so; it is valid until the next patch."""
        if self._whole_patch is None:
            yield from self._spectra(patch)
            return
        whole, count = self._whole_patch[: patch.frames], 0
        for part in self._spectra(patch):
            whole[count : count + len(part)] = part
            count += len(part)
        yield whole

    def _spectra(self, patch: Patch) -> Iterator[Spectra]:
        """``(frames, channels, bins of the transform)``: the very numbers of which the analysis took the magnitudes."""
        spec, left = self._plan.spec, patch.frames
        stft = StreamingStft(len(self._plan.channel_names), spec.fft_size, spec.hop, patch.begin)
        step = STEP_FRAMES * spec.hop
        steps = (block[begin : begin + step] for block in patch.samples for begin in range(0, len(block), step))
        for samples in steps:
            with self._clock.stage("transform"):
                part = stft.push(samples)
            left -= len(part)
            if len(part):
                yield part
        if left:
            with self._clock.stage("transform"):
                part = stft.finish(left)
            yield part
