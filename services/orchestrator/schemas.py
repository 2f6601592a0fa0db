"""Requests and answers of the orchestrator, as the public contract has them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.kit.schemas import Line, RequestBody, UploadId, WholeNumber

Mode = Literal["full", "preview"]
Stem = Literal["vocals", "instrumental"]
Tag = Literal["bleed", "artifacts", "muffled", "missing", "clicks", "perfect"]

MAX_METADATA_KEYS = 16
MAX_SONG_SECONDS = 24 * 3600


def _distinct(stems: list[Stem]) -> list[Stem]:
    if len(set(stems)) != len(stems):
        raise ValueError("names each stem once")
    return stems


ALL_STEMS: tuple[Stem, ...] = ("vocals", "instrumental")
Stems = Annotated[
    list[Stem],
    Field(min_length=1, max_length=2, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
Seconds = Annotated[float, Field(ge=0, le=MAX_SONG_SECONDS, allow_inf_nan=False, strict=True)]


class Preview(RequestBody):
    """The window of a preview; what is left out is chosen for the song."""

    start_seconds: Seconds | None = None
    duration_seconds: Annotated[float, Field(gt=0, le=MAX_SONG_SECONDS, allow_inf_nan=False, strict=True)] | None = None


def _format(*names: str, **others: Any) -> dict[str, Any]:
    """A branch of the rule below: for these formats the other fields have these schemas."""
    required = {} if "flac" in names else {"required": ["format"]}
    return {"properties": {"format": {"enum": list(names)}, **others}, **required}


_ABSENT: dict[str, Any] = {"type": "null"}
_OUTPUT_RULES: list[Any] = [
    _format("flac", bit_depth={"enum": [16, 24, None]}, bitrate_kbps=_ABSENT),
    _format("wav", bitrate_kbps=_ABSENT),
    _format("mp3", "m4a", "opus", bit_depth=_ABSENT),
    _format("ogg", bit_depth=_ABSENT, bitrate_kbps=_ABSENT),
]


class Output(RequestBody):
    """How the stems are written."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _OUTPUT_RULES})

    format: Literal["flac", "wav", "mp3", "m4a", "ogg", "opus"] = "flac"
    """`m4a` is AAC, `ogg` Vorbis. Opus has 48 kHz, whatever rate the song has; every other format keeps the song's."""
    bit_depth: Literal[16, 24, 32] | None = None
    """16 or 24 for FLAC; 16, 24 or 32 (float) for WAV."""
    bitrate_kbps: Literal[128, 160, 192, 256, 320] | None = None
    """For MP3, M4A and Opus."""

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        if self.bit_depth is not None and self.format not in ("flac", "wav"):
            raise ValueError(f"bit_depth does not apply to {self.format}")
        if self.bit_depth == 32 and self.format == "flac":
            raise ValueError("flac has 16 or 24 bits")
        if self.bitrate_kbps is not None and self.format not in ("mp3", "m4a", "opus"):
            raise ValueError("bitrate_kbps applies to mp3, m4a and opus only")
        return self


class NewQuote(RequestBody):
    """What a separation is asked the price of."""

    upload_id: UploadId
    mode: Mode = "full"
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS))


class Quote(BaseModel):
    """What a job made from the same request costs, exactly."""

    price_credits: int
    available_credits: int
    affordable: bool
    expires_at: datetime


class NewJob(RequestBody):
    """A separation to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"preview": {"type": "null"}}},
                {"properties": {"mode": {"const": "preview"}}, "required": ["mode"]},
            ]
        }
    )

    upload_id: UploadId
    mode: Mode = "full"
    preview: Preview | None = None
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS))
    output: Output = Field(default_factory=Output)
    model: Annotated[Line, Field(min_length=1, max_length=80)] | None = None
    metadata: (
        Annotated[
            dict[Annotated[Line, Field(min_length=1, max_length=40)], Annotated[Line, Field(max_length=500)]],
            Field(max_length=MAX_METADATA_KEYS),
        ]
        | None
    ) = None
    """Whatever helps the client to recognise the job; comes back with it and in its events."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.preview is not None and self.mode != "preview":
            raise ValueError("`preview` goes with mode `preview`")
        return self


class RetryRequest(RequestBody):
    """What a retry asks for; it has no body, this is what its idempotency key stands for."""

    job_id: str


class Progress(BaseModel):
    """How far a running job is."""

    stage: str | None
    fraction: float


class JobError(BaseModel):
    """Why a job did not succeed."""

    code: str
    message: str


class ModelRef(BaseModel):
    """The network that was, or will be, used; the digest is known once the job has started."""

    name: str
    digest: str | None


class StemResult(BaseModel):
    """One separated file."""

    name: str
    format: str
    size_bytes: int
    sha256: str
    duration_seconds: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float | None
    loudness_lufs: float | None
    silent: bool


class JobAnswer(BaseModel):
    """A job."""

    id: str
    upload_id: str
    mode: Mode
    preview: Preview | None
    status: Literal["reserving", "queued", "running", "succeeded", "failed", "canceled", "rejected"]
    progress: Progress
    price_credits: int | None
    attempt: int
    model: ModelRef
    output: Output
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: JobError | None
    stems: list[StemResult]
    quality: dict[str, Any] | None
    metadata: dict[str, str] | None
    retry_of: str | None


class NewFeedback(RequestBody):
    """What one thinks of the stems."""

    rating: Annotated[WholeNumber, Field(ge=1, le=5)]
    stem: Literal["vocals", "instrumental", "mixture"] | None = None
    start_seconds: Seconds | None = None
    end_seconds: Seconds | None = None
    tags: Annotated[list[Tag], Field(max_length=6)] = Field(default_factory=list)
    comment: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_seconds is not None and self.end_seconds is not None and self.end_seconds < self.start_seconds:
            raise ValueError("end_seconds lies before start_seconds")
        return self


class FeedbackAnswer(NewFeedback):
    """Feedback as stored."""

    job_id: str
    created_at: datetime
    updated_at: datetime


class Waveforms(BaseModel):
    """Peaks to draw: for each track minimum and maximum in turn, -1 to 1."""

    sample_rate_hz: int
    samples_per_peak: int
    duration_seconds: float
    tracks: dict[str, list[float]]


class MissedEvents(BaseModel):
    """For the gateway's stream: what happened after an event, and where the job stands."""

    events: list[dict[str, Any]]
    job: JobAnswer
