"""Requests and answers about jobs."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.kit.outbound.urls import MAX_URL_CHARACTERS, PUBLIC_URL
from services.kit.schemas import Line, RequestBody, UploadId, Whole
from services.orchestrator.results.schemas import Analysis, Quality, StemResult

Mode = Literal["full", "preview"]

Tier = Literal["fast", "relaxed"]

Stem = Literal["vocals", "instrumental"]

MAX_METADATA_KEYS = 16
MAX_METADATA_BYTES = 4_096
"""They are kept with each of a thousand songs, and again in the events of each."""

DAY_SECONDS = 24 * 3600

MAX_SONG_SECONDS = DAY_SECONDS


def _distinct(stems: list[Stem]) -> list[Stem]:
    if len(set(stems)) != len(stems):
        raise ValueError("must name each stem once")
    return stems


def _short(notes: dict[str, str]) -> dict[str, str]:
    if sum(len(text.encode()) for pair in notes.items() for text in pair) > MAX_METADATA_BYTES:
        raise ValueError(f"must have at most {MAX_METADATA_BYTES} bytes, names and texts together, in UTF-8")
    return notes


ALL_STEMS: tuple[Stem, ...] = ("vocals", "instrumental")

Stems = Annotated[
    list[Stem],
    Field(min_length=1, max_length=2, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]

Seconds = Annotated[float, Field(ge=0, le=MAX_SONG_SECONDS, allow_inf_nan=False, strict=True)]

ModelName = Annotated[Line, Field(min_length=1, max_length=80)]


Metadata = Annotated[
    dict[Annotated[Line, Field(min_length=1, max_length=40)], Annotated[Line, Field(max_length=500)]],
    Field(max_length=MAX_METADATA_KEYS),
    AfterValidator(_short),
]

PublicUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL_CHARACTERS,
        # For clients only: what is refused depends on the platform, which in development lets this machine be named.
        json_schema_extra={"pattern": PUBLIC_URL},
    ),
]


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

    format: Literal["flac", "wav", "mp3", "m4a", "ogg", "opus"] = Field(
        "flac",
        description="`m4a` is AAC, `ogg` Vorbis. Opus has 48 kHz, whatever rate the song has; every other format keeps "
        "the song's.",
    )
    bit_depth: Literal[16, 24, 32] | None = Field(
        None, description="16 (default) or 24 for FLAC; 16 (default), 24 or 32 (float, exact) for WAV."
    )
    bitrate_kbps: Annotated[int, Whole(ge=64, le=320)] | None = Field(
        None,
        description="For MP3, M4A and Opus. Default: MP3 in variable bit rate of the best quality, M4A 256, Opus 160.",
    )

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        if self.bit_depth is not None and self.format not in ("flac", "wav"):
            raise ValueError(f"bit_depth goes with flac and wav, not with {self.format}")
        if self.bit_depth == 32 and self.format == "flac":
            raise ValueError("the bit_depth of flac is 16 or 24")
        if self.bitrate_kbps is not None and self.format not in ("mp3", "m4a", "opus"):
            raise ValueError(f"bitrate_kbps goes with mp3, m4a and opus, not with {self.format}")
        return self


TIER = "By which rate, and how soon: `relaxed` gives way to `fast` work for its first four hours in the queue."


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
    mode: Mode = Field("full", description="The whole song, or a free preview of up to 30 seconds.")
    tier: Tier = Field("fast", description=TIER)
    preview: Preview | None = Field(None, description="The window of a preview; without it one is chosen.")
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS), description="What is wanted; without it, every stem.")
    output: Output = Field(default_factory=Output, description="How the stems are written; without it, FLAC.")
    model: ModelName | None = Field(None, description="A network by its name; without it, the platform's own choice.")
    metadata: Metadata | None = Field(
        None,
        description="Whatever helps you to recognise the job; comes back with it and in its events. At most 4,096 "
        "bytes in all.",
    )
    callback_url: PublicUrl | None = Field(
        None, description="Where the event of its end is sent, signed with the account's callback secret. For partners."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.preview is not None and self.mode != "preview":
            raise ValueError("preview goes with the mode preview")
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


class JobAnswer(BaseModel):
    """A job."""

    id: str
    upload_id: str
    mode: Mode
    tier: Tier
    preview: Preview | None = Field(description="The window of a preview; null for a whole song.")
    requested_stems: list[Stem] = Field(description="What was asked for; `stems` holds what was made.")
    status: Literal["reserving", "queued", "running", "succeeded", "failed", "canceled", "rejected"] = Field(
        description="The last four are final."
    )
    progress: Progress
    playable_seconds: float = Field(
        description="How much can be listened to, from the beginning, as last heard of; the event stream is sooner."
    )
    price_credits: int | None = Field(description="Null until the song's length is known. Charged if it succeeds.")
    preview_credit_credits: int = Field(
        description="What the price is lower by, because a preview of the upload was made within a day before."
    )
    attempt: int = Field(description="How often it was given to a worker.")
    model: ModelRef
    output: Output
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(
        description="When its stems are deleted by themselves; 404 `result_gone` from then on. Null: they are kept "
        "until the job is deleted, those of a preview until a hundred newer previews have some."
    )
    error: JobError | None = Field(description="Why it did not succeed.")
    stems: list[StemResult] = Field(description="Empty before the job has succeeded.")
    quality: Quality | None = Field(description="Null before the job has succeeded.")
    analysis: Analysis | None = Field(
        description="Key, tempo and level of the song. Null before the job has succeeded."
    )
    metadata: dict[str, str] | None = Field(description="As it was sent with the order.")
    retry_of: str | None = Field(description="The job that this one tries again.")
    batch_id: str | None = Field(description="The batch that it is a song of.")
    callback_url: str | None


class ListedJob(JobAnswer):
    """A job of a list."""

    filename: str | None = Field(description="Of its song; null where the upload was deleted, or is still coming.")


class MissedEvent(BaseModel):
    """A change of status, and the whole job as it was then."""

    id: str
    type: str
    time: datetime
    job: JobAnswer


class MissedEvents(BaseModel):
    """For the gateway's stream: what happened after an event, and where the job stands."""

    events: list[MissedEvent]
    job: JobAnswer
