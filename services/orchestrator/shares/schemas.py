"""Requests and answers about links to listen."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from services.kit.schemas import Line, RequestBody, Whole
from services.orchestrator.jobs.schemas import DAY_SECONDS


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
