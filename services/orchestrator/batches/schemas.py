"""Requests and answers about batches."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.kit.schemas import Page, RequestBody, UploadId
from services.orchestrator.credits.schemas import Obstacle
from services.orchestrator.jobs.schemas import (
    ALL_STEMS,
    TIER,
    JobError,
    ListedJob,
    Metadata,
    Mode,
    ModelName,
    Output,
    Preview,
    PublicUrl,
    Stems,
    Tier,
)

MAX_SONGS = 1000


_NAMED_ONCE: list[Any] = [
    {"required": ["upload_id"], "properties": {"upload_id": {"type": "string"}, "source_url": {"type": "null"}}},
    {"required": ["source_url"], "properties": {"source_url": {"type": "string"}, "upload_id": {"type": "null"}}},
]


class BatchItem(RequestBody):
    """A song of a batch, named by its upload or by its address. What is absent is as the batch says."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _NAMED_ONCE})

    upload_id: UploadId | None = None
    source_url: PublicUrl | None = Field(
        None,
        description="Where the song is, by the rules of `POST /v1/uploads`; it becomes an upload, and the key needs "
        "the scope `uploads` too.",
    )
    preview: Preview | None = Field(None, description="The window of a preview; without it one is chosen.")
    stems: Stems | None = None
    output: Output | None = None
    metadata: Metadata | None = Field(None, description="In place of the batch's.")

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.upload_id is None) == (self.source_url is None):
            raise ValueError("either upload_id or source_url names the song")
        return self


class NewBatch(RequestBody):
    """Songs to be separated together."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"items": {"items": {"properties": {"preview": {"type": "null"}}}}}},
                {"properties": {"mode": {"const": "preview"}}, "required": ["mode"]},
            ]
        }
    )

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=MAX_SONGS)]
    mode: Mode = Field("full", description="Of all songs.")
    tier: Tier = Field("fast", description=TIER)
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS), description="What is wanted; without it, every stem.")
    output: Output = Field(default_factory=Output, description="How the stems are written; without it, FLAC.")
    model: ModelName | None = Field(None, description="A network by its name; without it, the platform's own choice.")
    metadata: Metadata | None = Field(
        None, description="Of the batch, and of every song that has none of its own; comes back with them."
    )
    callback_url: PublicUrl | None = Field(
        None, description="Where `batch.completed` is sent, signed with the account's callback secret. For partners."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode != "preview" and any(item.preview is not None for item in self.items):
            raise ValueError("preview goes with the mode preview")
        return self


class SongCounts(BaseModel):
    """How many songs of a batch stand where."""

    reserving: int = 0
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    rejected: int = 0


class BatchAnswer(BaseModel):
    """A batch."""

    id: str
    status: Literal["reserving", "running", "completed", "canceled", "rejected"] = Field(
        description="The last three are final, and told by `batch.completed`: then every song has ended, one way or "
        "another. `rejected`: the price could not be held, and `error` says why."
    )
    mode: Mode
    tier: Tier
    songs: int = Field(description="How many were ordered.")
    counts: SongCounts
    price_credits: int | None = Field(
        description="Of all songs that can be separated, held at once; null until their lengths are known. What a song "
        "costs that does not succeed is given back as soon as it has ended."
    )
    charged_credits: int = Field(description="For the songs that have succeeded.")
    created_at: datetime
    queued_at: datetime | None = Field(description="When the price was held.")
    finished_at: datetime | None
    error: JobError | None
    metadata: dict[str, str] | None
    callback_url: str | None


class BatchQuote(BaseModel):
    """What a batch of the same songs, mode, tier and model costs, exactly, until the quote expires."""

    songs: int
    price_credits: int
    preview_credit_credits: int = Field(description="What it is lower by, because previews were made within a day.")
    available_credits: int
    affordable: bool
    reason: Obstacle | None = Field(description="Why it is not affordable: the code that it would be refused with.")
    previews_left: int | None = Field(
        description="Free previews that are left today (UTC); null where that is not known before the day's first."
    )
    expires_at: datetime = Field(description="Of the song whose quote ends first.")


class BatchWithSongs(BatchAnswer, Page[ListedJob]):
    """A batch with a page of its songs, in the order in which they were named. Deleted ones are counted, not shown."""
