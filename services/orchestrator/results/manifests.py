"""What workers report, checked before it is believed: nothing in it may stop us from handling the next record."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.kit.events.contracts import MAX_BYTES, MAX_SONG_SECONDS
from services.kit.events.strict_json import read_json
from services.orchestrator.results.schemas import Analysis, StemResult


class ReportedStem(StemResult):
    """A stem in a manifest, with the name of its file beside the manifest."""

    model_config = ConfigDict(allow_inf_nan=False, extra="allow")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    format: Annotated[str, Field(pattern=r"^[a-z0-9]{1,8}$")]
    size_bytes: Annotated[int, Field(ge=0, le=MAX_BYTES)]
    duration_seconds: Annotated[float, Field(ge=0, le=MAX_SONG_SECONDS)]
    file: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}\.[a-z0-9]{1,8}$")]


class _Input(BaseModel):
    sha256: str


class _Model(BaseModel):
    digest: str


class ReportedSegments(BaseModel):
    """The playback segments of every track, numbered from 0; all but the last have `segment_seconds`."""

    model_config = ConfigDict(allow_inf_nan=False)

    tracks: Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]], Field(max_length=16)]
    segments: Annotated[int, Field(ge=1, le=MAX_SONG_SECONDS)]
    segment_seconds: Annotated[int, Field(ge=1, le=MAX_SONG_SECONDS)]
    sample_rate_hz: Annotated[int, Field(ge=1)]
    channels: Annotated[int, Field(ge=1)]
    samples: Annotated[int, Field(ge=1)]

    @property
    def duration_seconds(self) -> float:
        """Of every track."""
        return self.samples / self.sample_rate_hz


class ReportedManifest(BaseModel):
    """What we rely on in a manifest; whatever else it says is kept as it is."""

    model_config = ConfigDict(allow_inf_nan=False, extra="allow")

    input: _Input
    model: _Model
    stems: Annotated[list[ReportedStem], Field(max_length=16)]
    quality: dict[str, Any]
    analysis: Analysis | None = None
    playback: ReportedSegments | None = None


class UnreadableManifest(ValueError):
    """The manifest is not one."""


def read_manifest(content: bytes) -> tuple[ReportedManifest, dict[str, Any]]:
    """The manifest, checked, and the whole document as written. Raises UnreadableManifest."""
    try:
        document: dict[str, Any] = read_json(content)
        return ReportedManifest.model_validate(document), document
    except (ValidationError, ValueError, RecursionError) as error:
        raise UnreadableManifest(str(error)[:300]) from error


def segments_of(manifest: dict[str, Any] | None) -> ReportedSegments | None:
    """What a stored manifest says of segments; None where the job was made without."""
    record = (manifest or {}).get("playback")
    return ReportedSegments.model_validate(record) if record else None
