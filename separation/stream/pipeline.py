"""The stream from mixture to vocals: everything between the decoder and the writers, in bounded memory.

Three steps that share nothing but what they hand on, so that each can run in a thread of its own::

    before     the song's samples -> (the model's rate) -> patches
    the model  a patch -> what of it is vocals
    after      these -> vocals -> (the song's rate) -> those of the window

Each is fed with the next piece and gives what it can. Positions are absolute in the song at every step, which is what
makes a window of the song come out exactly as it does in the whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from separation.audio.resample import BlockResampler
from separation.machine.timing import StageClock
from separation.models.mask.analysis import Analysis
from separation.models.mask.looks import joint_fractions
from separation.models.mask.patches import Patch
from separation.models.mask.plan import PatchPlan
from separation.models.mask.synthesis import Synthesis
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.settings import SeparationSettings

Samples = NDArray[np.float32]
_Result = TypeVar("_Result")
# How long a wish to cancel may wait while no patch is ready.
_PATIENCE_SECONDS = 0.1


class WindowPlan:
    """What the window ``[begin, end)`` of a song needs: of the mixture the samples from ``first_input`` on.

    In samples at ``sample_rate_hz``, the mixture's own rate; ``end=None`` is the end of the song. ``patches`` says the
    same in samples at the model's rate.
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
        self.rate, self.begin, self.end = sample_rate_hz, begin, end
        self._model_rate, self._channels = spec.sample_rate_hz, len(channel_names)
        to_own_rate = self.to_own_rate()
        self.patches = PatchPlan(
            spec,
            settings,
            channel_names=channel_names,
            begin=to_own_rate.first_input,
            end=None if end is None else to_own_rate.input_for(end),
        )
        self.first_input = self.to_model_rate().first_input

    def to_model_rate(self) -> BlockResampler:
        return BlockResampler(self.rate, self._model_rate, self._channels, self.patches.first_sample)

    def to_own_rate(self) -> BlockResampler:
        return BlockResampler(self._model_rate, self.rate, self._channels, self.begin)

    def at_model_rate(self, samples: int) -> int:
        """How many samples the model sees of a song of so many."""
        return -(-samples * self._model_rate // self.rate)


class _PatchSource:
    """The patches of a mixture whose ``blocks`` come from ``first_input`` of the plan on."""

    def __init__(self, plan: WindowPlan, blocks: Iterable[Samples], clock: StageClock, folder: Path | None) -> None:
        self._plan, self._blocks, self._clock = plan, blocks, clock
        self._analysis = Analysis(plan.patches, clock, folder)
        self.song_samples: int | None = None
        """The song's length, known before its last patch is given out."""

    def patches(self) -> Iterator[Patch]:
        resampler, received = self._plan.to_model_rate(), 0
        for block in self._blocks:
            received += len(block)
            with self._clock.stage("resample"):
                samples = resampler.push(block)
            yield from self._analysis.push(samples)
            if self._analysis.done:
                return
        self.song_samples = self._plan.first_input + received
        length = self._plan.at_model_rate(self.song_samples)
        with self._clock.stage("resample"):
            rest = resampler.finish(length)
        yield from self._analysis.finish(rest, length)


class _VocalsSink:
    """Takes vocals at the model's rate; ``write`` gets those of the window at the song's own."""

    def __init__(self, plan: WindowPlan, write: Callable[[Samples], None], clock: StageClock) -> None:
        self._plan, self._write, self._clock = plan, write, clock
        self._resampler = plan.to_own_rate()
        self._taken = plan.begin

    def push(self, vocals: Samples, song_samples: int | None) -> None:
        """``song_samples``: the song's length once its last patch is through the network."""
        with self._clock.stage("resample"):
            resampled = self._resampler.push(vocals)
        self._take(resampled, song_samples)

    def finish(self, song_samples: int) -> None:
        with self._clock.stage("resample"):
            rest = self._resampler.finish(song_samples)
        self._take(rest, song_samples)

    def _take(self, vocals: Samples, song_samples: int | None) -> None:
        ends = [end for end in (self._plan.end, song_samples) if end is not None]
        if ends:
            vocals = vocals[: max(0, min(ends) - self._taken)]
        self._taken += len(vocals)
        self._write(vocals)


def separate_stream(
    plan: WindowPlan,
    model: MaskModel,
    blocks: Iterable[Samples],
    write: Callable[[Samples], None],
    *,
    before_patch: Callable[[], None] = lambda: None,
    while_waiting: Callable[[], None] = lambda: None,
    clock: StageClock | None = None,
    folder: Path | None = None,
) -> None:
    """Runs the three steps at once: the network in this thread, what is before it and after it in one thread each.

    ``blocks`` of the mixture, from ``first_input`` of the plan on, are drawn in the first of them; ``write`` is
    called in the other with the vocals of the window, in order. Each works on one patch while the network works on
    another one, and which is faster changes no number. ``before_patch`` and ``while_waiting`` (ten times a second) are
    called in this thread. ``folder``: where samples may wait that are too many for memory, of surround and of high
    rates. What any of them raises is raised here when both threads have stopped.
    """
    clock = clock or StageClock()
    source, sink = _PatchSource(plan, blocks, clock, folder), _VocalsSink(plan, write, clock)
    synthesis = Synthesis(plan.patches, clock)

    def complete(patch: Patch, fractions: NDArray[np.float32]) -> None:
        song_samples = source.song_samples if patch.last else None
        for vocals in synthesis.push(patch, fractions):
            sink.push(vocals, song_samples)
        if song_samples is not None:
            sink.finish(song_samples)

    def awaited(future: Future[_Result]) -> _Result:
        while not wait([future], _PATIENCE_SECONDS).done:
            while_waiting()
        return future.result()

    patches = source.patches()
    with ThreadPoolExecutor(1, "analysis") as ahead, ThreadPoolExecutor(1, "synthesis") as behind:
        upcoming = ahead.submit(next, patches, None)
        written: Future[None] | None = None
        while (patch := awaited(upcoming)) is not None:
            before_patch()
            upcoming = ahead.submit(next, patches, None)
            with clock.stage("network"):
                fractions = joint_fractions(model, patch.magnitudes, plan.patches.settings)
            if written:
                awaited(written)
            written = behind.submit(complete, patch, fractions)
            del patch, fractions  # megabytes that the threads let go as soon as they can
        if written:
            awaited(written)
