"""The proof of a separation: what went in, which model made what, and how well it sums."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from separation.settings import OutputFormatName

ENGINE_VERSION = 4
"""Rises with every change after which the same song, model and settings have other samples. It stands in each manifest,
and ``--skip-existing`` keeps no stems of another one."""


class _Record(BaseModel):
    # Unknown fields are ignored on reading: an older reader understands a newer manifest.
    model_config = ConfigDict(frozen=True)


class ModelRecord(_Record):
    """Which network, by name and by the SHA-256 of its file (``sha256:...``), and what computed it where."""

    name: str
    digest: str
    licence: str
    runtime: str | None = None
    device: str | None = None


class InputRecord(_Record):
    """The song as decoded. ``samples`` are per channel and of the whole song as far as it was read."""

    sha256: str
    size_bytes: int
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    samples: int
    complete: bool
    repaired_samples: int


class WindowRecord(_Record):
    """The part that was separated, in samples per channel at the input's rate; ``end`` is exclusive."""

    start_sample: int
    end_sample: int
    whole_song: bool


class StemRecord(_Record):
    """One file. ``peak_dbfs`` and ``loudness_lufs`` are ``None`` for silence; ``silent`` means a peak below -60 dBFS.

    ``limited_samples`` counts samples that would have exceeded full scale in an integer format (see ``split.py``).
    """

    name: str
    file: str
    format: OutputFormatName
    bit_depth: int | None
    bitrate_kbps: int | None
    size_bytes: int
    sha256: str
    duration_seconds: float
    samples: int
    sample_rate_hz: int
    channels: int
    peak_dbfs: float | None
    loudness_lufs: float | None
    silent: bool
    exceeds_full_scale: bool
    limited_samples: int


class QualityRecord(_Record):
    """``null_residual_dbfs``: RMS of (sum of the stems - decoded mixture) against full scale; ``None`` is exactly zero.

    Measured on the samples in the files for lossless formats, and before the encoder for lossy ones. ``gain_db``: what
    mixture and stems alike were scaled by, 0 unless ``OutputFormat.overs`` asked for it and something exceeded full
    scale; the residual is then against the mixture times that gain.
    """

    null_residual_dbfs: float | None
    null_measured: Literal["in_files", "before_encoding"]
    gain_db: float = 0.0


class AnalysisRecord(_Record):
    """The music itself, of the mixture in the window that was separated; ``None`` is what cannot be told.

    ``key``: ``"F# minor"``; ``camelot``: the same as DJs write it, ``"11A"``. ``tempo_bpm`` may be half or double of
    what somebody taps. ``loudness_lufs`` (ITU-R BS.1770-4) and ``peak_dbfs`` as of a stem.
    """

    key: str | None
    camelot: str | None
    tempo_bpm: float | None
    loudness_lufs: float | None
    peak_dbfs: float | None


class FileRecord(_Record):
    """A file beside the stems."""

    file: str
    size_bytes: int
    sha256: str


class Manifest(_Record):
    """Everything about one separation. ``timings_seconds`` by stage; ``total`` is wall-clock from call to answer.

    ``settings``: the fields of ``SeparationSettings`` and the wish about ``overs``, ``engine_version``: the
    ``ENGINE_VERSION`` that made the stems; these and ``analysis`` are ``None`` in a manifest from before they were
    recorded.
    """

    schema_version: Literal[1] = 1
    engine_version: int | None = None
    model: ModelRecord
    input: InputRecord
    window: WindowRecord
    stems: tuple[StemRecord, ...]
    waveforms: FileRecord
    quality: QualityRecord
    analysis: AnalysisRecord | None = None
    settings: dict[str, bool | int | float | str | tuple[float, ...] | None] | None = None
    timings_seconds: dict[str, float]

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Raises ``pydantic.ValidationError`` for anything that is not a manifest of this version."""
        return cls.model_validate_json(text)
