"""Public events as partners read them, in the feed and in webhooks alike."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.notifier.events.models import PublicEvent
from services.notifier.events.types import EventType, TestType

MAX_SEQUENCE = 2**53 - 1
"""What every client can count to."""


class EventView(BaseModel):
    id: str = Field(description="Never changes, however often the event is told.")
    type: EventType | TestType
    occurred_at: datetime
    sequence: int = Field(description="Its number among the account's events: from 1, without gaps.")
    data: dict[str, Any] = Field(
        description="`job`, `batch`, `upload`, `payment`, `credits` or `webhook_endpoint`: what it is about."
    )

    @classmethod
    def of(cls, event: PublicEvent) -> "EventView":
        return cls.model_validate(event, from_attributes=True)


class EventPage(BaseModel):
    items: list[EventView] = Field(description="The oldest first.")
    next_after: int = Field(description="`after` of the next call.")
    oldest_sequence: int | None = Field(
        description="The oldest event that is kept. Where it is above `after` + 1, events in between are gone."
    )
