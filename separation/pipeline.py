"""The stream from mixture to vocals: everything between the decoder and the writers, in bounded memory.

Three steps that share nothing but what they hand on, so that each can run in a thread of its own::

    Analysis    native samples -> (the model's rate) -> spectra -> patches
    the model   a patch's magnitudes -> fractions
    Synthesis   fractions and spectra -> the vocals' spectra -> samples -> (the song's rate) -> native vocals

Each is fed with the next piece and gives what it can; the longest memory is a patch of spectra. Positions are absolute
in the song at every step, which is what makes a window of the song come out exactly as it does in the whole.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from separation.backends import MaskModel
from separation.channels import downmix_matrix, mask_routing, mixed
from separation.estimates import estimated_vocals
from separation.looks import joint_fractions
from separation.patches import CrossFade, FrameHistory, PatchGrid
from separation.registry import ModelManifest
from separation.resample import BlockResampler
from separation.settings import SeparationSettings
from separation.spectra import magnitudes
from separation.stft import StreamingIstft, StreamingStft, frame_count
from separation.timing import StageClock

Samples = NDArray[np.float32]
_Result = TypeVar("_Result")
_VOCALS = "vocals"
# How long a wish to cancel may wait while no patch is ready.
_PATIENCE_SECONDS = 0.1
# Frames at a time through the transforms: what they need stays in the processor's cache, and is not memory that the
# system hands out anew, page by page, for each.
_STEP_FRAMES = 24


@dataclass(frozen=True)
class Patch:
    """What one call of the network needs, and what its answer will be applied to.

    ``magnitudes``: ``(2, frames, bins)``, the first of them frame ``seen_from`` of the song. ``samples``: blocks of
    ``(n, channels)`` at the model's rate, those under the ``frames`` of the patch that the song has; the first of these
    is frame ``begin`` of the song. Neighbours share them. Their spectra are four times as large, and computing them
    again takes no longer than carrying them along. ``song_samples``: of the last patch, in which the song ends, its
    length at its own rate; ``None`` before.
    """

    number: int
    begin: int
    frames: int
    seen_from: int
    magnitudes: NDArray[np.float32]
    samples: Sequence[Samples]
    song_samples: int | None

    @property
    def last(self) -> bool:
        return self.song_samples is not None


class Course:
    """What analysis and synthesis must agree on: where the window ``[begin, end)`` leads at each step.

    From the wanted output back to the first sample of input that it depends on, in samples at ``sample_rate_hz``, the
    mixture's own rate. ``end=None`` is the end of the song.
    """

    def __init__(
        self,
        spec: ModelManifest,
        settings: SeparationSettings,
        *,
        sample_rate_hz: int,
        channel_names: Sequence[str],
        begin: int = 0,
        end: int | None = None,
    ) -> None:
        self.spec, self.settings = spec, settings
        self.rate, self.channel_names = sample_rate_hz, tuple(channel_names)
        self.begin, self.end = begin, end
        # What the first patch mirrors must be in it: of a small patch no more than half lies before the song.
        first_frame = max(settings.first_frame, -((spec.frames - 1) // 2))
        self.grid = PatchGrid(spec.frames, settings.context_frames, first_frame)
        to_native = self.to_native()
        self.vocals_begin = to_native.first_input  # at the model's rate
        self.first_frame = self.vocals_begin // spec.hop
        self.first_patch = self.grid.first_patch(self.first_frame)
        # One patch more to the left: at the song's end a patch is completed with the mirror image of what precedes it.
        self.history_begin = max(0, self.grid.begin(self.first_patch) - spec.frames)
        self.mixture_begin = max(0, self.history_begin * spec.hop - (spec.fft_size - spec.hop))
        self.first_input = self.to_model().first_input
        self.last_patch: int | None = None
        """The last patch that the window needs if the song does not end before; ``None`` for the song's own end."""
        if end is not None:
            frames = -(-(to_native.input_for(end) + spec.fft_size - spec.hop) // spec.hop)
            self.last_patch = self.grid.patch_that_completes(frames - 1)

    def to_model(self) -> BlockResampler:
        return BlockResampler(self.rate, self.spec.sample_rate_hz, len(self.channel_names), self.mixture_begin)

    def to_native(self) -> BlockResampler:
        return BlockResampler(self.spec.sample_rate_hz, self.rate, len(self.channel_names), self.begin)


class Analysis:
    """Feed the mixture from sample ``first_input`` of the course on, take patches."""

    def __init__(self, course: Course, clock: StageClock) -> None:
        self._course, self._clock = course, clock
        spec = course.spec
        self._downmix = downmix_matrix(course.channel_names)
        self._to_model = course.to_model()
        self._stft = StreamingStft(len(course.channel_names), spec.fft_size, spec.hop, course.history_begin)
        self._history = FrameHistory(course.history_begin, spec.frames, spec.bins)
        self._patch = course.first_patch
        self._recent = _RecentSamples(course.mixture_begin)
        self._received = 0
        self._song_samples: int | None = None
        self._song_frames: int | None = None

    @property
    def done(self) -> bool:
        """Whether every patch that the window needs has been given out; more input changes nothing."""
        return self._course.last_patch is not None and self._patch > self._course.last_patch

    def push(self, samples: Samples) -> Iterator[Patch]:
        """The next samples of the mixture in, float32 ``(n, channels)``; the patches that they complete out."""
        self._received += len(samples)
        with self._clock.stage("resample"):
            at_model_rate = self._to_model.push(samples)
        self._recent.append(at_model_rate)
        yield from self._patches_under(at_model_rate)

    def finish(self) -> Iterator[Patch]:
        """The mixture has ended: the rest of the patches."""
        spec = self._course.spec
        self._song_samples = self._course.first_input + self._received
        at_model_rate = -(-self._song_samples * spec.sample_rate_hz // self._course.rate)
        self._song_frames = frame_count(at_model_rate, spec.fft_size, spec.hop)
        with self._clock.stage("resample"):
            rest = self._to_model.finish(at_model_rate)
        self._recent.append(rest)
        yield from self._patches_under(rest)
        with self._clock.stage("transform"):
            spectra = self._stft.finish(self._song_frames - self._history.end)
        yield from self._patches(spectra)
        while not self.done and self._patch <= self._course.grid.last_patch(self._song_frames - 1):
            yield self._patch_of_history()

    def _patches_under(self, samples: Samples) -> Iterator[Patch]:
        """Takes the next samples at the model's rate; gives out the patches that they complete."""
        step = _STEP_FRAMES * self._course.spec.hop
        for begin in range(0, len(samples), step):
            with self._clock.stage("transform"):
                spectra = self._stft.push(samples[begin : begin + step])
            yield from self._patches(spectra)

    def _patches(self, spectra: NDArray[np.complex64]) -> Iterator[Patch]:
        """Takes the next frames; gives out the patches that they complete."""
        while len(spectra) and not self.done:
            end = self._course.grid.begin(self._patch) + self._course.spec.frames
            count = min(len(spectra), end - self._history.end)
            with self._clock.stage("transform"):
                heard = mixed(self._downmix, spectra[:count, :, : self._course.spec.bins])
                self._history.append(magnitudes(heard))
            spectra = spectra[count:]
            if self._history.end == end:
                yield self._patch_of_history()

    def _patch_of_history(self) -> Patch:
        """The next patch, of the frames that are there; turns to the one after it."""
        grid, spec = self._course.grid, self._course.spec
        with self._clock.stage("transform"):
            begin = grid.begin(self._patch)
            known = max(0, begin)
            mirror = self._course.settings.edges == "mirror"
            last = self._song_frames is not None and self._patch == grid.last_patch(self._song_frames - 1)
            seen_from = begin
            if mirror and last and self._song_frames is not None and self._song_frames >= spec.frames:
                # What precedes the last patch is better company for the song's end than its mirror image.
                seen_from = self._song_frames - spec.frames
            magnitudes = self._history.patch(seen_from, spec.frames, self._song_frames, mirror=mirror)
            samples = self._recent.between(known * spec.hop - (spec.fft_size - spec.hop), self._history.end * spec.hop)
            song_samples = self._song_samples if last else None
            count = self._history.end - known
            patch = Patch(self._patch, known, count, seen_from, magnitudes, samples, song_samples)
            self._patch += 1
            self._history.forget_before(grid.begin(self._patch))
            self._recent.forget_before(grid.begin(self._patch) * spec.hop - (spec.fft_size - spec.hop))
            return patch


class _RecentSamples:
    """The latest samples of a stream by their position in it; forgets the oldest."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self._blocks: deque[Samples] = deque()

    def append(self, samples: Samples) -> None:
        """``samples``: ``(n, channels)``; kept as they are, with all of the memory that they are a view of."""
        if len(samples):
            self._blocks.append(samples)

    def between(self, begin: int, end: int) -> list[Samples]:
        """Those of ``[begin, end)`` that there are, in the blocks that they came in: nothing is copied."""
        found, position = [], self._begin
        for block in self._blocks:
            part = block[max(0, begin - position) : max(0, end - position)]
            found += [part] if len(part) else []
            position += len(block)
        return found

    def forget_before(self, position: int) -> None:
        """Whole blocks only."""
        while self._blocks and self._begin + len(self._blocks[0]) <= position:
            self._begin += len(self._blocks.popleft())


class _Voice:
    """The last steps for channels that are estimated together: both of a stereo song, else each alone.

    Spectra are eight times as large as the samples, and one channel at a time needs an eighth of them for 7.1.
    """

    def __init__(self, course: Course, channels: slice) -> None:
        spec, names = course.spec, course.channel_names[channels]
        self.channels = channels
        self.routing = mask_routing(names)
        self.cross_fade = CrossFade(course.grid)
        self.istft = StreamingIstft(len(names), spec.fft_size, spec.hop)


class Synthesis:
    """Feed patches and what the network answered, take the vocals of the course's window."""

    def __init__(self, course: Course, clock: StageClock) -> None:
        self._course, self._clock = course, clock
        spec = course.spec
        channels = len(course.channel_names)
        self._stem = spec.stems.index(_VOCALS)
        parts = [slice(0, 2)] if channels == 2 else [slice(channel, channel + 1) for channel in range(channels)]
        self._voices = [_Voice(course, part) for part in parts]
        widest = 2 if channels == 2 else 1
        self._spectra = np.empty((spec.frames, widest, spec.fft_size // 2 + 1), np.complex64)
        self._to_native = course.to_native()
        # The inverse transform begins before the first wanted sample.
        self._surplus = course.vocals_begin - (course.first_frame * spec.hop - (spec.fft_size - spec.hop))
        self._taken = course.begin

    def push(self, patch: Patch, fractions: NDArray[np.float32]) -> Iterator[Samples]:
        """``fractions``: ``(stems, 1 or 2, frames, bins)``. Gives out the vocals that are final by now, with the last
        patch all of them, ``(n, channels)`` at a time."""
        skip = patch.begin - patch.seen_from
        fractions = fractions[:, :, skip : skip + patch.frames]
        for vocals in self._vocals(patch, fractions):
            skip = min(self._surplus, len(vocals))
            self._surplus -= skip
            with self._clock.stage("resample"):
                resampled = self._to_native.push(vocals[skip:])
            yield self._within(resampled, patch.song_samples)
        if patch.song_samples is not None:
            with self._clock.stage("resample"):
                vocals = self._to_native.finish(patch.song_samples)
            yield self._within(vocals, patch.song_samples)

    def _vocals(self, patch: Patch, fractions: NDArray[np.float32]) -> Iterator[Samples]:
        """At the model's rate, in steps: each channel's own for all of the patch, before the next, but for stereo."""
        if len(self._voices) == 1:
            yield from self._vocals_of(self._voices[0], patch, fractions)
            return
        steps = [list(self._vocals_of(voice, patch, fractions)) for voice in self._voices]
        for parts in zip(*steps, strict=True):
            yield np.concatenate(parts, axis=1)

    def _vocals_of(self, voice: _Voice, patch: Patch, fractions: NDArray[np.float32]) -> Iterator[Samples]:
        with self._clock.stage("transform"):
            spectra = self._spectra_of(patch, voice.channels)
        with self._clock.stage("mask"):
            estimate = estimated_vocals(spectra, fractions, self._stem, voice.routing, self._course.settings)
            final = voice.cross_fade.add(patch.number, estimate, patch.begin, last=patch.last)
            final = final[max(0, self._course.first_frame - patch.begin) :]
        for begin in range(0, len(final), _STEP_FRAMES):
            with self._clock.stage("inverse"):
                vocals = voice.istft.push(final[begin : begin + _STEP_FRAMES])
            yield vocals

    def _within(self, vocals: Samples, song_samples: int | None) -> Samples:
        """Those of the next vocals that lie in the window, and in the song where its end is known."""
        ends = [end for end in (self._course.end, song_samples) if end is not None]
        if ends:
            vocals = vocals[: max(0, min(ends) - self._taken)]
        self._taken += len(vocals)
        return vocals

    def _spectra_of(self, patch: Patch, channels: slice) -> NDArray[np.complex64]:
        """``(frames, channels, bins of the transform)``: the very numbers of which the analysis took the magnitudes.

        Valid until the next call: the memory is the same.
        """
        spec = self._course.spec
        spectra, count = self._spectra[: patch.frames], 0
        stft = StreamingStft(spectra.shape[1], spec.fft_size, spec.hop, patch.begin)
        for block in patch.samples:
            for begin in range(0, len(block), _STEP_FRAMES * spec.hop):
                part = stft.push(block[begin : begin + _STEP_FRAMES * spec.hop, channels])
                spectra[count : count + len(part)] = part
                count += len(part)
        if count < patch.frames:
            spectra[count:] = stft.finish(patch.frames - count)
        return spectra


def separate_stream(
    course: Course,
    model: MaskModel,
    blocks: Iterable[Samples],
    write: Callable[[Samples], None],
    *,
    before_patch: Callable[[], None] = lambda: None,
    while_waiting: Callable[[], None] = lambda: None,
    clock: StageClock | None = None,
) -> None:
    """Runs the three steps at once: the network in this thread, what is before it and after it in one thread each.

    ``blocks`` of the mixture, from ``first_input`` of the course on, are drawn in the first of them; ``write`` is
    called in the other with the vocals of the window, in order. Each works on one patch while the network works on
    another one, and which is faster changes no number. ``before_patch`` and ``while_waiting`` (ten times a second) are
    called in this thread. What any of them raises is raised here when both threads have stopped.
    """
    clock = clock or StageClock()
    analysis, synthesis = Analysis(course, clock), Synthesis(course, clock)

    def patches() -> Iterator[Patch]:
        for block in blocks:
            yield from analysis.push(block)
            if analysis.done:
                return
        yield from analysis.finish()

    def complete(patch: Patch, fractions: NDArray[np.float32]) -> None:
        for vocals in synthesis.push(patch, fractions):
            write(vocals)

    def awaited(future: Future[_Result]) -> _Result:
        while not wait([future], _PATIENCE_SECONDS).done:
            while_waiting()
        return future.result()

    source = patches()
    with ThreadPoolExecutor(1, "analysis") as ahead, ThreadPoolExecutor(1, "synthesis") as behind:
        upcoming = ahead.submit(next, source, None)
        written: Future[None] | None = None
        while (patch := awaited(upcoming)) is not None:
            before_patch()
            upcoming = ahead.submit(next, source, None)
            with clock.stage("network"):
                fractions = joint_fractions(model, patch.magnitudes, course.settings)
            if written:
                awaited(written)
            written = behind.submit(complete, patch, fractions)
            del patch, fractions  # megabytes that the threads let go as soon as they can
        if written:
            awaited(written)
