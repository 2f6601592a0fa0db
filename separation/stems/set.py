"""The set of stems of one song while they are written: split, files, meters, proof."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from separation.audio.decode import AudioFile
from separation.audio.encode import StemWriter, check_format, needs_length
from separation.audio.loudness import LoudnessMeter
from separation.audio.musical import MusicMeter
from separation.audio.peaks import WaveformMeter, waveform_document
from separation.audio.tags import stem_tags
from separation.errors import ModelAnswerInvalid
from separation.machine.hashing import sha256_of
from separation.machine.timing import StageClock
from separation.manifest import AnalysisRecord, QualityRecord, StemRecord
from separation.settings import OutputFormat
from separation.stems.playback import Playback, PlaybackWriter, can_play
from separation.stems.split import energy, split_float, split_integer
from separation.stems.spool import Spool

Samples = NDArray[np.float32]

STEM_NAMES = ("mixture", "vocals", "instrumental")
_SILENT_BELOW_DBFS = -60.0
# Samples split and measured at a time, so that they stay in the processor's cache.
_BLOCK_SAMPLES = 28_000
# The highest peak of stems that are scaled: the largest sample of 16 bits.
_SCALED_PEAK = 1 - 2.0**-15


def stem_file(name: str, output: OutputFormat) -> str:
    """The file of that name, which is the stem's own unless the caller has names for them."""
    return f"{name}.{output.name}"


class Mixture(Protocol):
    """Where the mixture's samples wait for their vocals."""

    def take(self, count: int) -> Samples:
        """The next ``count`` samples, ``(count, channels)``."""


def _dbfs(amplitude: float) -> float | None:
    return round(20 * float(np.log10(amplitude)), 2) if amplitude > 0 else None


def _lufs(meter: LoudnessMeter) -> float | None:
    loudness = meter.integrated_lufs()
    return None if loudness is None else round(loudness, 2)


class _Track:
    """What is measured, and written if wanted, of one stem."""

    def __init__(self, audio: AudioFile, writer: StemWriter | None, full_scale: float) -> None:
        self.writer = writer
        self.loudness = LoudnessMeter(audio.sample_rate_hz, audio.channel_names, full_scale)
        self.waveform = WaveformMeter(full_scale)


class StemSet:
    """Takes vocals, splits the mixture, writes and measures the stems. A context manager that completes the files.

    Two wishes can be granted only when the song's end is known, AAC and one gain for all stems: then mixture and vocals
    wait on disk, and ``complete`` writes the stems. Segments to listen to never wait. ``file_name`` and ``playback``:
    see ``separate_file``. Raises ``OutputFormatUnsuitable`` on entering.
    """

    def __init__(
        self,
        folder: Path,
        stems: Sequence[str],
        output: OutputFormat,
        audio: AudioFile,
        clock: StageClock,
        file_name: Callable[[str], str] = str,
        playback: Playback | None = None,
    ) -> None:
        self._file_name = file_name
        self._folder, self._stems, self._output, self._clock = folder, tuple(stems), output, clock
        self._rate, self._channels = audio.sample_rate_hz, audio.channels
        self._audio = audio
        self._playback = PlaybackWriter(playback, audio) if playback and can_play(self._rate) else None
        self._stack = ExitStack()
        self._tracks: dict[str, _Track] = {}
        self._music: MusicMeter
        self._spool: Spool | None = None
        self._gain = 1.0
        self._encoders: ThreadPoolExecutor | None = None
        self.samples = 0
        """Samples per channel written so far."""
        self._limited = dict.fromkeys(STEM_NAMES, 0)
        self._residual_energy = 0.0

    def __enter__(self) -> Self:
        check_format(self._output, self._rate, self._channels, self._audio.layout)
        with ExitStack() as stack:
            if needs_length(self._output) or self._output.overs == "scale":
                self._spool = Spool(self._folder, self._channels)
                stack.callback(self._spool.close)
            if not self._output.lossless:
                # Lossy encoders take the longest of all, and one does not wait for the other.
                self._encoders = stack.enter_context(ThreadPoolExecutor(len(self._stems), "encode"))
            if self._playback:
                stack.enter_context(self._playback)
            self._stack = stack
            if not self._spool:
                self._open(None)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _open(self, samples: int | None) -> None:
        """Opens the files; ``samples``: how many each will have, if that is known."""
        audio, bits = self._audio, self._output.bit_depth
        cover = audio.cover()
        full_scale = 2.0 ** (bits - 1) if bits in (16, 24) else 1.0  # integer stems are measured as whole numbers
        for name in STEM_NAMES:
            writer = None
            if name in self._stems:
                path, tags = self._path(name), stem_tags(audio.tags, name)
                writer = StemWriter(
                    path,
                    self._output,
                    self._rate,
                    audio.channel_names,
                    audio.layout,
                    tags=tags,
                    samples=samples,
                    cover=cover,
                )
                self._stack.enter_context(writer)
            self._tracks[name] = _Track(audio, writer, full_scale)
        self._music = MusicMeter(self._rate, full_scale)

    def _path(self, name: str) -> Path:
        return self._folder / stem_file(self._file_name(name), self._output)

    def write(self, mixture: Mixture, vocals: Samples) -> None:
        """The next ``vocals``, ``(n, channels)``, and as much of the mixture."""
        for begin in range(0, len(vocals), _BLOCK_SAMPLES):
            part = vocals[begin : begin + _BLOCK_SAMPLES]
            with self._clock.stage("split"):
                # Channel by channel from here on: with the channels side by side every step is several times slower.
                whole, part = np.ascontiguousarray(mixture.take(len(part)).T), np.ascontiguousarray(part.T)
            if self._playback:
                with self._clock.stage("playback"):
                    self._playback.push(whole, part)
            if self._spool:
                with self._clock.stage("spool"):
                    self._spool.push(whole, part)
            else:
                self._write(whole, part)

    def complete(self, before_block: Callable[[], None] = lambda: None) -> None:
        """After the last vocals: writes what waited. ``before_block`` is called once for each half second or so."""
        if self._playback:
            self._playback.finish()
        if not self._spool:
            return
        if self._output.overs == "scale":
            self._gain = _common_gain(self._spool.highest, self._spool.lowest, self._output)
        self._open(self._spool.samples)
        gain = np.float32(self._gain)
        for whole, vocals in self._spool.blocks(_BLOCK_SAMPLES):
            before_block()
            self._write(whole * gain, vocals * gain)

    def _write(self, whole: Samples, vocals: Samples) -> None:
        self.samples += whole.shape[1]
        with self._clock.stage("split"):
            if self._output.bit_depth in (16, 24):
                split = split_integer(whole, vocals, self._output.bit_depth)
                stems = {"mixture": split.mixture, "vocals": split.vocals, "instrumental": split.instrumental}
                self._limited["mixture"] += split.mixture_limited
                self._limited["vocals"] += split.stems_limited
                self._limited["instrumental"] += split.stems_limited
                self._residual_energy += split.residual_energy
            else:
                estimate, rest = split_float(whole, vocals)
                stems = {"mixture": whole, "vocals": estimate, "instrumental": rest}
                residual = estimate.astype(np.float64)
                residual += rest
                residual -= whole
                self._residual_energy += energy(residual)
        self._encode(stems)
        with self._clock.stage("measure"):
            for name, track in self._tracks.items():
                track.waveform.push(stems[name])
                if track.writer or name == "mixture":
                    track.loudness.push(stems[name])
        with self._clock.stage("analyse"):
            self._music.push(stems["mixture"])

    def _encode(self, stems: dict[str, Samples]) -> None:
        def encode(name: str, writer: StemWriter) -> None:
            with self._clock.stage("encode"):
                writer.write(stems[name].T)

        written = [(name, track.writer) for name, track in self._tracks.items() if track.writer]
        run = self._encoders.map if self._encoders else map
        for _ in run(encode, *zip(*written, strict=True)):
            pass

    def waveforms(self) -> dict[str, Any]:
        """Peaks of the mixture and of both stems, whether or not all of them are written."""
        return waveform_document(
            self._rate, self.samples, {name: track.waveform for name, track in self._tracks.items()}
        )

    def quality(self) -> QualityRecord:
        """Raises ``ModelAnswerInvalid`` where the stems are not numbers."""
        if not math.isfinite(self._residual_energy):
            raise ModelAnswerInvalid("The stems hold numbers that are not finite.")
        values = self.samples * self._channels
        return QualityRecord(
            null_residual_dbfs=_dbfs(float(np.sqrt(self._residual_energy / values))),
            null_measured="in_files" if self._output.lossless else "before_encoding",
            gain_db=round(20 * float(np.log10(self._gain)), 4),
        )

    def analysis(self) -> AnalysisRecord:
        """Key, tempo and level of the mixture; to be asked when the files are complete."""
        mixture, key = self._tracks["mixture"], self._music.key()
        return AnalysisRecord(
            key=key and key.name,
            camelot=key and key.camelot,
            tempo_bpm=self._music.tempo_bpm(),
            loudness_lufs=_lufs(mixture.loudness),
            peak_dbfs=_dbfs(mixture.waveform.peak),
        )

    def records(self) -> tuple[StemRecord, ...]:
        """One record for each file; to be asked when the files are complete."""
        return tuple(self._record(name) for name in self._stems)

    def _record(self, name: str) -> StemRecord:
        path, track = self._path(name), self._tracks[name]
        highest = track.waveform.peak
        peak = _dbfs(highest)
        limited = self._limited[name]
        if track.writer is None:
            raise RuntimeError("a stem that is not written has no record")
        rate, samples = track.writer.sample_rate_hz, track.writer.samples
        return StemRecord(
            name=name,
            file=path.name,
            format=self._output.name,
            bit_depth=self._output.bit_depth,
            bitrate_kbps=self._output.bitrate_kbps,
            size_bytes=path.stat().st_size,
            sha256=sha256_of(path),
            duration_seconds=self.samples / self._rate,
            samples=samples,
            sample_rate_hz=rate,
            channels=self._channels,
            peak_dbfs=peak,
            loudness_lufs=_lufs(track.loudness),
            silent=peak is None or peak < _SILENT_BELOW_DBFS,
            exceeds_full_scale=limited > 0 or highest > 1,
            limited_samples=limited,
        )


def _common_gain(highest: float, lowest: float, output: OutputFormat) -> float:
    """What brings samples between ``lowest`` and ``highest`` within full scale; 1 where they are."""
    full_scale = 1 - 2.0 ** (1 - output.bit_depth) if output.bit_depth in (16, 24) else 1.0
    return 1.0 if highest <= full_scale and lowest >= -1 else _SCALED_PEAK / max(highest, -lowest)
