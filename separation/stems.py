"""The set of stems of one song while they are written: split, files, meters, proof."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from separation.decode import AudioFile
from separation.encode import StemWriter
from separation.hashing import sha256_of
from separation.loudness import LoudnessMeter
from separation.manifest import QualityRecord, StemRecord
from separation.settings import OutputFormat
from separation.split import split_float, split_integer
from separation.timing import StageClock
from separation.waveform import WaveformMeter, waveform_document

Samples = NDArray[np.float32]

STEM_NAMES = ("mixture", "vocals", "instrumental")
_SILENT_BELOW_DBFS = -60.0
# Samples split and measured at a time, so that they stay in the processor's cache.
_BLOCK_SAMPLES = 28_000


class Mixture(Protocol):
    """Where the mixture's samples wait for their vocals."""

    def take(self, count: int) -> Samples:
        """The next ``count`` samples, ``(count, channels)``."""


def _dbfs(amplitude: float) -> float | None:
    return round(20 * float(np.log10(amplitude)), 2) if amplitude > 0 else None


class _Track:
    """What is measured, and written if wanted, of one stem."""

    def __init__(self, audio: AudioFile, writer: StemWriter | None) -> None:
        self.writer = writer
        self.loudness = LoudnessMeter(audio.sample_rate_hz, audio.channel_names)
        self.waveform = WaveformMeter()


class StemSet:
    """Takes vocals, splits the mixture, writes and measures the stems. A context manager that completes the files."""

    def __init__(
        self, folder: Path, stems: Sequence[str], output: OutputFormat, audio: AudioFile, clock: StageClock
    ) -> None:
        self._folder, self._stems, self._output, self._clock = folder, tuple(stems), output, clock
        self._rate, self._channels = audio.sample_rate_hz, audio.channels
        self._audio = audio
        self._stack = ExitStack()
        self._tracks: dict[str, _Track] = {}
        self.samples = 0
        """Samples per channel written so far."""
        self._limited = dict.fromkeys(STEM_NAMES, 0)
        self._residual_energy = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for name in STEM_NAMES:
                writer = None
                if name in self._stems:
                    path, audio = self._folder / self._file(name), self._audio
                    writer = StemWriter(path, self._output, self._rate, audio.channel_names, audio.layout)
                    stack.enter_context(writer)
                self._tracks[name] = _Track(self._audio, writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _file(self, name: str) -> str:
        return f"{name}.{self._output.name}"

    def write(self, mixture: Mixture, vocals: Samples) -> None:
        """The next ``vocals``, ``(n, channels)``, and as much of the mixture."""
        for begin in range(0, len(vocals), _BLOCK_SAMPLES):
            part = vocals[begin : begin + _BLOCK_SAMPLES]
            self._write(mixture.take(len(part)), part)

    def _write(self, whole: Samples, vocals: Samples) -> None:
        self.samples += len(vocals)
        with self._clock.stage("split"):
            # Channel by channel from here on: with the channels side by side every step is several times slower.
            whole, vocals = np.ascontiguousarray(whole.T), np.ascontiguousarray(vocals.T)
            if self._output.name == "mp3" or self._output.bit_depth == 32:
                estimate, rest = split_float(whole, vocals)
                encoded: dict[str, NDArray[Any]] = {"mixture": whole, "vocals": estimate, "instrumental": rest}
                heard: dict[str, Samples] = encoded
            else:
                bits = self._output.bit_depth or 16
                split = split_integer(whole, vocals, bits)
                encoded = {"mixture": split.mixture, "vocals": split.vocals, "instrumental": split.instrumental}
                step = np.float32(2.0 ** (1 - bits))
                heard = {name: samples.astype(np.float32) * step for name, samples in encoded.items()}
                self._limited["mixture"] += split.mixture_limited
                self._limited["vocals"] += split.stems_limited
                self._limited["instrumental"] += split.stems_limited
            residual = heard["vocals"].astype(np.float64)
            residual += heard["instrumental"]
            residual -= whole
            self._residual_energy += float(np.vdot(residual, residual))
        for name, track in self._tracks.items():
            with self._clock.stage("measure"):
                track.waveform.push(heard[name].T)
                if track.writer:
                    track.loudness.push(heard[name].T)
            if track.writer:
                with self._clock.stage("encode"):
                    track.writer.write(encoded[name].T)

    def waveforms(self) -> dict[str, Any]:
        """Peaks of the mixture and of both stems, whether or not all of them are written."""
        return waveform_document(
            self._rate, self.samples, {name: track.waveform for name, track in self._tracks.items()}
        )

    def quality(self) -> QualityRecord:
        values = self.samples * self._channels
        return QualityRecord(
            null_residual_dbfs=_dbfs(float(np.sqrt(self._residual_energy / values))),
            null_measured="in_files" if self._output.lossless else "before_encoding",
        )

    def records(self) -> tuple[StemRecord, ...]:
        """One record for each file; to be asked when the files are complete."""
        return tuple(self._record(name) for name in self._stems)

    def _record(self, name: str) -> StemRecord:
        path, track = self._folder / self._file(name), self._tracks[name]
        highest = track.waveform.peak
        peak = _dbfs(highest)
        loudness = track.loudness.integrated_lufs()
        limited = self._limited[name]
        return StemRecord(
            name=name,
            file=path.name,
            format=self._output.name,
            bit_depth=self._output.bit_depth,
            bitrate_kbps=self._output.bitrate_kbps,
            size_bytes=path.stat().st_size,
            sha256=sha256_of(path),
            duration_seconds=self.samples / self._rate,
            samples=self.samples,
            sample_rate_hz=self._rate,
            channels=self._channels,
            peak_dbfs=peak,
            loudness_lufs=None if loudness is None else round(loudness, 2),
            silent=peak is None or peak < _SILENT_BELOW_DBFS,
            exceeds_full_scale=limited > 0 or highest > 1,
            limited_samples=limited,
        )
