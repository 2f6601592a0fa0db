"""Requests and answers about feedback."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.kit.schemas import RequestBody, Whole
from services.kit.validation import form
from services.orchestrator.jobs.schemas import Seconds

Tag = Literal["bleed", "artifacts", "muffled", "missing", "clicks", "perfect"]


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
