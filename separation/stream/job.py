"""One song file in, a folder of stems out: the whole pipeline, streamed.

``separate_file`` is what the worker and the command line call. Nothing appears under its final name before all of it
is complete; the manifest appears last.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from separation.audio.decode import AudioFile, AudioLimits, read_audio
from separation.errors import (
    Cancelled,
    ModelError,
    OutputNamesClash,
    OutputReplacesInput,
    OutputWriteFailed,
    RequestError,
    UnknownStem,
    WindowOutsideAudio,
    did_you_mean,
)
from separation.machine.console import printable
from separation.machine.drafts import draft, publish, refuse_folders
from separation.machine.hashing import sha256_of, sha256_of_open
from separation.machine.memory import return_kept_blocks
from separation.machine.timing import StageClock
from separation.manifest import (
    ENGINE_VERSION,
    FileRecord,
    InputRecord,
    Manifest,
    ModelRecord,
    WindowRecord,
)
from separation.models.separator import MaskModel
from separation.settings import OutputFormat, SeparationSettings, Window
from separation.stems.playback import Playback
from separation.stems.proof import check_sum
from separation.stems.set import STEM_NAMES, StemSet, stem_file
from separation.stems.spool import MixtureQueue
from separation.stream.pipeline import WindowPlan, separate_stream

Samples = NDArray[np.float32]
Stage = Literal["preparing", "separating", "finishing"]

_MOST_VALUES_A_SECOND_IN_MEMORY = 2 * 48_000
"""Of the mixture while it waits for its vocals."""


@dataclass(frozen=True)
class Progress:
    """``fraction`` of the whole work, 0 to 1, never falling; ``audio_seconds`` of the stems are written by now."""

    stage: Stage
    fraction: float
    audio_seconds: float = 0.0


def separate_file(
    source: Path,
    out_dir: Path,
    *,
    model: MaskModel,
    stems: Sequence[str] = ("vocals", "instrumental"),
    window: Window | None = None,
    output: OutputFormat | None = None,
    settings: SeparationSettings | None = None,
    limits: AudioLimits | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_cancel: Callable[[], bool] | None = None,
    file_name: Callable[[str], str] = str,
    playback: Playback | None = None,
    open_source: Callable[[], BufferedReader] | None = None,
) -> Manifest:
    """Separates ``source`` and writes ``<stem>.<format>``, ``waveforms.json`` and ``manifest.json`` into ``out_dir``.

    The stems have the song's own rate, channels and exact number of samples, or those of ``window``; a window's samples
    are the very samples that the whole song's stems have there. ``stems``: any of ``vocals``, ``instrumental`` and
    ``mixture``.
    Same input, model and settings: same stem files, byte for byte.

    Blocks. Several threads may call it at once, with one model or several. Memory does not grow with the song.
    ``on_progress`` and ``should_cancel`` are called on the calling thread, at least once per patch (10 s of audio);
    two helper threads live as long as the call.

    The files replace those of an earlier separation in ``out_dir`` all at once, also where it wrote another format.
    ``file_name`` says what those of ``vocals``, ``instrumental``, ``mixture``, ``waveforms`` and ``manifest`` are
    called, without their suffixes; just so, if it is not given. Separations of other names may share a folder.
    ``playback``: segments to listen to while the separation goes on, which are no part of ``out_dir``.
    ``open_source``: opens ``source`` where reading it takes more than that: a file that is still being written, whose
    length must be known. It is read in the thread of the decoder, from its beginning on once more for its hash.

    Raises ``AudioError`` (the song), ``RequestError`` (the wish), ``ModelError``, ``OutputWriteFailed``, ``Cancelled``;
    ``StemsDoNotNull`` where the sum is not the song; ``OSError`` when ``source`` cannot be read. Then ``out_dir`` is as
    it was.
    """
    begun = time.perf_counter()
    chosen, output = checked_stems(stems), output or OutputFormat()
    job = _Job(
        model,
        output,
        settings or SeparationSettings(),
        chosen,
        on_progress,
        should_cancel,
        file_name,
        playback,
        open_source or (lambda: source.open("rb")),
    )
    names = [*(stem_file(file_name(stem), output) for stem in chosen), *_records(file_name)]
    _check_place(source, out_dir, names)
    with draft(out_dir) as scratch:
        try:
            manifest = job.run(scratch, window, limits or AudioLimits(), begun)
        finally:
            model.rest()
            return_kept_blocks()
        publish(scratch, out_dir, names, _stale(out_dir, names, source, file_name))
    job.report("finishing", 1.0)
    return manifest


def checked_stems(stems: str | Sequence[str]) -> tuple[str, ...]:
    """Those of ``STEM_NAMES`` that are among ``stems``, or that one. Raises ``UnknownStem`` for others and for none."""
    stems = (stems,) if isinstance(stems, str) else stems
    unknown = [name for name in stems if name not in STEM_NAMES]
    if unknown or not stems:
        wish = f"There is no stem {unknown[0]!r}." if unknown else "No stem was asked for."
        meant = did_you_mean(str(unknown[0]), STEM_NAMES) if unknown else ""
        raise UnknownStem(f"{wish}{meant} Choose from {', '.join(STEM_NAMES)}.")
    return tuple(name for name in STEM_NAMES if name in stems)


def _records(file_name: Callable[[str], str]) -> tuple[str, str]:
    """The files beside the stems, the manifest last: it says that the others are whole."""
    return f"{file_name('waveforms')}.json", f"{file_name('manifest')}.json"


def _check_place(source: Path, out_dir: Path, names: Sequence[str]) -> None:
    """Raises ``OutputReplacesInput`` and ``OutputWriteFailed`` before any work is done for nothing."""
    if len({name.casefold() for name in names}) < len(names):
        raise OutputNamesClash(f"Two files of one separation would be called {printable(_twice(names))}.")
    for name in names:
        if name != Path(name).name or "\0" in name:
            raise RequestError(f"{printable(name)} is not the name of a file.")
    for name in names:
        if _same(out_dir / name, source):
            raise OutputReplacesInput(
                f"{printable(name)} in {printable(str(out_dir))} is the song itself; choose another folder."
            )
    with _writing():
        refuse_folders(out_dir, names)


def _twice(names: Sequence[str]) -> str:
    folded = [name.casefold() for name in names]
    return next(name for name in names if folded.count(name.casefold()) > 1)


def _same(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:  # one of the two is not there
        return False


def _stale(out_dir: Path, names: Sequence[str], source: Path, file_name: Callable[[str], str]) -> list[str]:
    """What an earlier separation wrote into ``out_dir`` that ``names`` do not replace, unless it was changed since."""
    try:
        earlier = Manifest.from_json((out_dir / names[-1]).read_bytes())
    except (OSError, ValidationError):
        return []
    report = f"{file_name('report')}.png"
    found = [report] if (out_dir / report).is_file() else []
    for stem in earlier.stems:
        # Whatever a manifest says, nothing but stems, and nothing outside its folder.
        ours = stem.name in STEM_NAMES and stem.file == f"{file_name(stem.name)}.{stem.format}"
        path = out_dir / stem.file
        with suppress(OSError):
            if ours and stem.file not in names and not _same(path, source) and sha256_of(path) == stem.sha256:
                found.append(stem.file)
    return found


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputWriteFailed(f"The stems cannot be written: {error.strerror}.") from error


class _Job:
    """The state of one call of ``separate_file``."""

    def __init__(
        self,
        model: MaskModel,
        output: OutputFormat,
        settings: SeparationSettings,
        stems: tuple[str, ...],
        on_progress: Callable[[Progress], None] | None,
        should_cancel: Callable[[], bool] | None,
        file_name: Callable[[str], str],
        playback: Playback | None,
        open_source: Callable[[], BufferedReader],
    ) -> None:
        self._file_name, self._playback = file_name, playback
        self._open_source = open_source
        self._model, self._output, self._settings, self._stems = model, output, settings, stems
        self._on_progress = on_progress or (lambda _: None)
        self._should_cancel = should_cancel or (lambda: False)
        self._fraction = self._audio_seconds = 0.0
        self._clock = StageClock()
        if "vocals" not in model.manifest.stems:
            raise ModelError(f"The model {model.manifest.name} does not estimate vocals.")

    def report(self, stage: Stage, fraction: float) -> None:
        self._fraction = max(self._fraction, fraction)
        self._on_progress(Progress(stage, self._fraction, self._audio_seconds))

    def _stop_if_cancelled(self) -> None:
        if self._should_cancel():
            raise Cancelled

    def run(self, scratch: Path, window: Window | None, limits: AudioLimits, begun: float) -> Manifest:
        self.report("preparing", 0.0)
        self._stop_if_cancelled()
        with self._open_source() as raw:
            with read_audio(raw, limits) as audio, ExitStack() as stack:
                begin, end = _window_samples(window, audio.sample_rate_hz)
                stem_set = stack.enter_context(self._stem_set(scratch, audio))
                self._separate(audio, stem_set, begin, end, scratch)
                stem_set.complete(self._stop_if_cancelled)
                info = audio.info()
                self._audio_seconds = stem_set.samples / audio.sample_rate_hz
            # Last, and of the file that was decoded: nobody waits for it who wants to listen.
            with self._clock.stage("hash"):
                input_sha256, input_size = sha256_of_open(raw), raw.tell()
        self.report("finishing", 0.99)
        with self._clock.stage("finish"), _writing():
            waveforms_file, manifest_file = _records(self._file_name)
            waveforms = scratch / waveforms_file
            waveforms.write_text(json.dumps(stem_set.waveforms(), separators=(",", ":")), encoding="utf-8")
            stems, analysis = stem_set.records(), stem_set.analysis()
        spec = self._model.manifest
        timings = {**self._clock.seconds, "total": time.perf_counter() - begun}
        manifest = Manifest(
            engine_version=ENGINE_VERSION,
            model=ModelRecord(
                name=spec.name,
                digest=spec.digest,
                licence=spec.licence,
                runtime=self._model.runtime,
                device=self._model.device,
            ),
            input=InputRecord(
                sha256=input_sha256,
                size_bytes=input_size,
                container=info.container,
                codec=info.codec,
                sample_rate_hz=info.sample_rate_hz,
                channels=info.channels,
                samples=info.samples,
                complete=info.complete,
                repaired_samples=audio.repaired_samples,
            ),
            window=WindowRecord(start_sample=begin, end_sample=begin + stem_set.samples, whole_song=window is None),
            stems=stems,
            waveforms=FileRecord(file=waveforms_file, size_bytes=waveforms.stat().st_size, sha256=sha256_of(waveforms)),
            quality=stem_set.quality(),
            analysis=analysis,
            settings={**asdict(self._settings), "overs": self._output.overs},
            timings_seconds={stage: round(seconds, 4) for stage, seconds in timings.items()},
        )
        check_sum(manifest)
        with _writing():
            (scratch / manifest_file).write_text(manifest.to_json(), encoding="utf-8")
        return manifest

    def _stem_set(self, scratch: Path, audio: AudioFile) -> StemSet:
        return StemSet(scratch, self._stems, self._output, audio, self._clock, self._file_name, self._playback)

    def _separate(self, audio: AudioFile, stem_set: StemSet, begin: int, end: int | None, scratch: Path) -> None:
        plan = WindowPlan(
            self._model.manifest,
            self._settings,
            sample_rate_hz=audio.sample_rate_hz,
            channel_names=audio.channel_names,
            begin=begin,
            end=end,
        )
        fat = audio.sample_rate_hz * audio.channels > _MOST_VALUES_A_SECOND_IN_MEMORY
        mixture = MixtureQueue(scratch if fat else None)

        def before_patch() -> None:
            self._stop_if_cancelled()
            self._audio_seconds = stem_set.samples / audio.sample_rate_hz
            self.report("separating", 0.98 * _fraction_done(audio, plan))

        with closing(mixture):
            separate_stream(
                plan,
                self._model,
                self._blocks(audio, plan, mixture),
                lambda vocals: stem_set.write(mixture, vocals),
                before_patch=before_patch,
                while_waiting=self._stop_if_cancelled,
                clock=self._clock,
                folder=scratch,
            )

    def _blocks(self, audio: AudioFile, plan: WindowPlan, mixture: MixtureQueue) -> Iterator[Samples]:
        """The song's blocks from the plan's first input on; what lies in the window waits for its vocals."""
        with self._clock.stage("decode"):
            position = audio.skip_to(plan.first_input)
        blocks = audio.blocks()
        begin, end = plan.begin, plan.end
        while True:
            with self._clock.stage("decode"):
                block = next(blocks, None)
            if block is None:
                break
            # Nothing of a block that is not wanted: even an empty view would hold all of its memory.
            if len(wanted := block[max(0, begin - position) : None if end is None else max(0, end - position)]):
                mixture.push(wanted)
            if len(heard := block[max(0, plan.first_input - position) :]):
                yield heard
            position += len(block)
        if begin >= audio.samples:
            raise WindowOutsideAudio(
                f"The preview begins at {begin / audio.sample_rate_hz:g} s, "
                f"the song ends at {audio.samples / audio.sample_rate_hz:g} s."
            )


def _fraction_done(audio: AudioFile, plan: WindowPlan) -> float:
    """Of a window its end is known; of a whole song only how much of its file has been read."""
    if plan.end is None:
        return audio.fraction_read
    begin = plan.first_input
    return min(max(0, audio.samples - begin) / (plan.end - begin), 1.0)


def _window_samples(window: Window | None, rate: int) -> tuple[int, int | None]:
    if window is None:
        return 0, None
    start, end = window.start_seconds, window.end_seconds
    if round(start * rate) >= round(end * rate):
        raise WindowOutsideAudio(f"A preview from {start:g} s to {end:g} s holds no audio.")
    return round(start * rate), round(end * rate)
