"""Requests and answers about webhook deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from services.kit.schemas import RequestBody, Whole
from services.notifier.deliveries.models import Attempt, Delivery
from services.notifier.deliveries.schedule import ATTEMPTS_KEPT
from services.notifier.events.schemas import MAX_SEQUENCE, EventView

DeliveryStatus = Literal["pending", "succeeded", "failed"]
Sequence_ = Annotated[int, Whole(ge=1, le=MAX_SEQUENCE)]


class AttemptView(BaseModel):
    started_at: datetime
    seconds: float
    url: str
    status_code: int | None
    problem: str | None = Field(description="Why there was no answer.")
    answer: str | None = Field(description="The first 2 kB of its body.")


class DeliveryView(BaseModel):
    id: str
    endpoint_id: str
    event_id: str = Field(description="The `webhook-id` of every attempt.")
    event_type: str
    sequence: int = Field(description="0 of a test.")
    callback_url: str | None = Field(description="Where it goes, if an order named the address.")
    status: DeliveryStatus
    created_at: datetime
    due_at: datetime | None = Field(description="When it is tried next; null while it is being tried, and at the end.")
    finished_at: datetime | None
    attempts: list[AttemptView] = Field(description=f"The newest {ATTEMPTS_KEPT}, in their order.")
    event: EventView | None = Field(description="The body; null where the event is not kept any more.")

    @classmethod
    def of(cls, delivery: Delivery, attempts: Sequence[Attempt], event: EventView | None) -> "DeliveryView":
        return cls(
            id=delivery.id,
            endpoint_id=delivery.endpoint_id,
            event_id=delivery.event_id,
            event_type=delivery.event_type,
            sequence=delivery.sequence,
            callback_url=delivery.callback_url,
            status=delivery.status,
            created_at=delivery.created_at,
            due_at=delivery.due_at if delivery.claim is None else None,
            finished_at=delivery.finished_at,
            attempts=[AttemptView.model_validate(attempt, from_attributes=True) for attempt in attempts],
            event=event,
        )


class Redelivery(RequestBody):
    """What to send again: events by their numbers, or, without any, all that was given up."""

    from_sequence: Sequence_ | None = None
    to_sequence: Sequence_ | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.from_sequence is None) != (self.to_sequence is None):
            raise ValueError("from_sequence and to_sequence go together")
        if self.from_sequence is not None and self.to_sequence is not None and self.to_sequence < self.from_sequence:
            raise ValueError("to_sequence must not be less than from_sequence")
        return self


class Redelivered(BaseModel):
    deliveries: int = Field(
        description="At most 1,000 a call, the oldest first; call again until it is 0 or the range is done."
    )
