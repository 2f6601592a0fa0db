"""Requests and answers of the orchestrator, as the public contract has them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.kit.schemas import Line, RequestBody, UploadId, Whole
from services.kit.validation import form

Mode = Literal["full", "preview"]
Tier = Literal["fast", "relaxed"]
Stem = Literal["vocals", "instrumental"]
Tag = Literal["bleed", "artifacts", "muffled", "missing", "clicks", "perfect"]

MAX_METADATA_KEYS = 16
DAY_SECONDS = 24 * 3600
MAX_SONG_SECONDS = DAY_SECONDS


def _distinct(stems: list[Stem]) -> list[Stem]:
    if len(set(stems)) != len(stems):
        raise ValueError("must name each stem once")
    return stems


ALL_STEMS: tuple[Stem, ...] = ("vocals", "instrumental")
Stems = Annotated[
    list[Stem],
    Field(min_length=1, max_length=2, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
Seconds = Annotated[float, Field(ge=0, le=MAX_SONG_SECONDS, allow_inf_nan=False, strict=True)]


ModelName = Annotated[Line, Field(min_length=1, max_length=80)]


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


class NewQuote(RequestBody):
    """What a separation is asked the price of."""

    upload_id: UploadId
    mode: Mode = "full"
    tier: Tier = Field("fast", description=TIER)
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS))
    model: ModelName | None = Field(None, description="A network by its name; without it, the platform's own choice.")


Obstacle = Literal["insufficient_credits", "preview_allowance_exhausted"]


class Quote(BaseModel):
    """What a job of the same upload, mode, tier and model costs, exactly, until the quote expires."""

    price_credits: int
    preview_credit_credits: int = Field(
        description="What the price is lower by, because a preview of the upload was made within a day. The first full "
        "job of the upload has it, and gives it back where it does not succeed."
    )
    available_credits: int
    affordable: bool
    reason: Obstacle | None = Field(description="Why it is not affordable: the code that a job would be refused with.")
    rate_id: str | None = Field(
        description="The version of the rate, as `GET /v1/billing/prices` shows it; null for a preview, which is free."
    )
    credits_per_second: float | None = Field(description="Of that version.")
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
    mode: Mode = Field("full", description="The whole song, or a free preview of up to 30 seconds.")
    tier: Tier = Field("fast", description=TIER)
    preview: Preview | None = Field(None, description="The window of a preview; without it one is chosen.")
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS), description="What is wanted; without it, every stem.")
    output: Output = Field(default_factory=Output, description="How the stems are written; without it, FLAC.")
    model: ModelName | None = Field(None, description="A network by its name; without it, the platform's own choice.")
    metadata: (
        Annotated[
            dict[Annotated[Line, Field(min_length=1, max_length=40)], Annotated[Line, Field(max_length=500)]],
            Field(max_length=MAX_METADATA_KEYS),
        ]
        | None
    ) = Field(None, description="Whatever helps you to recognise the job; comes back with it and in its events.")

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


class Quality(BaseModel):
    """How exactly the stems sum to the song."""

    model_config = ConfigDict(extra="allow")

    sum_is_exact: bool | None = Field(
        description="Whether the samples in the files of all stems sum to the song's exactly. False: they sum to it "
        "within `null_residual_dbfs`, which for a lossless format is below one step of 16 bits. Null: not every stem "
        "was asked for, so nothing sums to the song."
    )
    null_residual_dbfs: float | None = Field(
        description="RMS of the song minus the sum of its stems, in dB below full scale; null where it is zero."
    )
    null_measured: str | None = Field(
        None, description="`in_files`, or `before_encoding` where a lossy encoder adds its own difference afterwards."
    )


class Analysis(BaseModel):
    """The music of the song, or of the preview's window. Null is what cannot be told."""

    model_config = ConfigDict(allow_inf_nan=False)

    key: Annotated[str, Field(max_length=20)] | None = Field(description="`C major`, `F# minor`, `Bb minor`, ...")
    camelot: Annotated[str, Field(max_length=3)] | None = Field(description="The same as DJs write it, `1A` to `12B`.")
    tempo_bpm: float | None = Field(description="Beats a minute; may be half or double of what somebody taps.")
    loudness_lufs: float | None = Field(description="Integrated loudness after ITU-R BS.1770-4.")
    peak_dbfs: float | None = Field(description="The highest sample.")


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
        "until the job is deleted."
    )
    error: JobError | None = Field(description="Why it did not succeed.")
    stems: list[StemResult] = Field(description="Empty before the job has succeeded.")
    quality: Quality | None = Field(description="Null before the job has succeeded.")
    analysis: Analysis | None = Field(
        description="Key, tempo and level of the song. Null before the job has succeeded."
    )
    metadata: dict[str, str] | None = Field(description="As it was sent with the order.")
    retry_of: str | None = Field(description="The job that this one tries again.")


class ListedJob(JobAnswer):
    """A job of a list."""

    filename: str | None = Field(description="Of its song; null where the upload was deleted, or is still coming.")


class StemLink(BaseModel):
    """Where a stem can be downloaded for a while, by anyone who has the address."""

    url: str
    expires_at: datetime = Field(description="When the address stops working; ask again for another.")
    size_bytes: int
    sha256: str


_LINES = form(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$", "must have no control characters, other than line breaks")


class NewFeedback(RequestBody):
    """What one thinks of the stems."""

    rating: Annotated[int, Whole(ge=1, le=5)]
    stem: Literal["vocals", "instrumental", "mixture"] | None = None
    start_seconds: Seconds | None = None
    end_seconds: Seconds | None = None
    tags: Annotated[list[Tag], Field(max_length=6)] = Field(default_factory=list)
    comment: (
        Annotated[
            str,
            Field(
                max_length=2000, pattern=form(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$", "must have no control characters")
            ),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_seconds is not None and self.end_seconds is not None and self.end_seconds < self.start_seconds:
            raise ValueError("end_seconds must not lie before start_seconds")
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


class PlaybackAnswer(BaseModel):
    """A job's tracks in segments, to be listened to while they are still being made."""

    sample_rate_hz: int
    channels: int
    segment_seconds: int = Field(
        description="Of each segment but the last. Segment 0 begins where the job's window does."
    )
    duration_seconds: float = Field(description="Of each track; exact once the job has succeeded.")
    playable_seconds: float = Field(description="How much is there, from the beginning.")
    tracks: list[str] = Field(description="`mixture`, and the stems that were asked for.")


class NewShare(RequestBody):
    """A link to be made."""

    title: Annotated[Line, Field(min_length=1, max_length=200)] | None = Field(
        None, description="What listeners are told of the song; without it, nothing. Never the name of the file."
    )
    expires_in_seconds: Annotated[int, Whole(ge=60, le=365 * DAY_SECONDS)] = Field(
        30 * DAY_SECONDS, description="Without it, thirty days."
    )


class ShareAnswer(BaseModel):
    """A link that works, as its owner sees it: its token is not known any more."""

    id: str
    job_id: str
    title: str | None
    created_at: datetime
    expires_at: datetime


class MadeShare(ShareAnswer):
    """A link that was just made."""

    token: str = Field(description="Shown this once. The page that plays it is `/s/<token>`.")


class SharedSong(BaseModel):
    """What listeners are told."""

    title: str | None


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
