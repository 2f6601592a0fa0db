"""From the mixture to the patches that the network sees, in bounded memory.

Positions are absolute in the song, which is what makes a window of it come out exactly as it does in the whole.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from separation.audio.channels import downmix_matrix, mixed
from separation.machine.timing import StageClock
from separation.models.mask.patches import FrameHistory, Patch
from separation.models.mask.plan import PatchPlan
from separation.models.mask.recent import RecentSamples
from separation.spectral.loops import magnitudes
from separation.spectral.stft import STEP_FRAMES, StreamingStft, frame_count

Samples = NDArray[np.float32]


class Analysis:
    """Feed the mixture at the model's rate, from sample ``first_sample`` of the plan on; take patches.

    ``folder``: where the samples of more than two channels wait for their vocals; in memory without one.
    """

    def __init__(self, plan: PatchPlan, clock: StageClock, folder: Path | None = None) -> None:
        self._plan, self._clock = plan, clock
        spec = plan.spec
        self._downmix = downmix_matrix(plan.channel_names)
        self._stft = StreamingStft(len(plan.channel_names), spec.fft_size, spec.hop, plan.history_begin)
        self._history = FrameHistory(plan.history_begin, spec.frames, spec.bins)
        self._patch = plan.first_patch
        self._recent = RecentSamples(plan.first_sample, folder if len(plan.channel_names) > 2 else None)
        self._song_frames: int | None = None

    @property
    def done(self) -> bool:
        """Whether every patch that is needed has been given out; more input changes nothing."""
        return self._plan.last_patch is not None and self._patch > self._plan.last_patch

    def push(self, samples: Samples) -> Iterator[Patch]:
        """The next samples of the mixture in, float32 ``(n, channels)``; the patches that they complete out."""
        self._recent.append(samples)
        step = STEP_FRAMES * self._plan.spec.hop
        for begin in range(0, len(samples), step):
            with self._clock.stage("transform"):
                spectra = self._stft.push(samples[begin : begin + step])
            yield from self._patches(spectra)

    def finish(self, samples: Samples, song_samples: int) -> Iterator[Patch]:
        """The last samples of a song of so many in; the rest of the patches out."""
        spec = self._plan.spec
        self._song_frames = frame_count(song_samples, spec.fft_size, spec.hop)
        yield from self.push(samples)
        with self._clock.stage("transform"):
            spectra = self._stft.finish(self._song_frames - self._history.end)
        yield from self._patches(spectra)
        while not self.done and self._patch <= self._plan.grid.last_patch(self._song_frames - 1):
            yield self._patch_of_history()

    def _patches(self, spectra: NDArray[np.complex64]) -> Iterator[Patch]:
        """Takes the next frames; gives out the patches that they complete."""
        while len(spectra) and not self.done:
            end = self._plan.grid.begin(self._patch) + self._plan.spec.frames
            count = min(len(spectra), end - self._history.end)
            with self._clock.stage("transform"):
                heard = mixed(self._downmix, spectra[:count, :, : self._plan.spec.bins])
                self._history.append(magnitudes(heard))
            spectra = spectra[count:]
            if self._history.end == end:
                yield self._patch_of_history()

    def _patch_of_history(self) -> Patch:
        """The next patch, of the frames that are there; turns to the one after it."""
        plan, spec = self._plan, self._plan.spec
        with self._clock.stage("transform"):
            begin = plan.grid.begin(self._patch)
            known = max(0, begin)
            last, seen_from = False, begin
            if self._song_frames is not None and self._patch == plan.grid.last_patch(self._song_frames - 1):
                last = True
                if self._song_frames >= spec.frames:
                    # What precedes the last patch is better company for the song's end than its mirror image.
                    seen_from = self._song_frames - spec.frames
            seen = self._history.patch(seen_from, spec.frames, self._song_frames)
            samples = self._recent.between(plan.begin_of(known), self._history.end * spec.hop)
            patch = Patch(self._patch, known, self._history.end - known, seen_from, seen, samples, last)
            self._patch += 1
            following = plan.grid.begin(self._patch)
            self._history.forget_before(following)
            self._recent.forget_before(plan.begin_of(following))
            return patch
