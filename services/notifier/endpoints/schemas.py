"""Requests and answers about webhook endpoints."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from services.kit.outbound.urls import MAX_URL_CHARACTERS, PUBLIC_URL
from services.kit.schemas import Line, RequestBody
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.events.types import EventType

DisabledBecause = Literal["owner", "gone", "failing", "not_a_partner"]

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL_CHARACTERS,
        description="https, a public DNS name, port 443 or 8443.",
        # For clients only: what is refused depends on the platform, which in development lets this machine be named.
        json_schema_extra={"pattern": PUBLIC_URL},
    ),
]
Types = Annotated[
    list[EventType],
    Field(max_length=100, json_schema_extra={"uniqueItems": True}, description="Empty: every type, now and later."),
]
Description = Annotated[Line, Field(max_length=200)]


class NewEndpoint(RequestBody):
    url: Url
    event_types: Types = Field(default_factory=list)
    description: Description | None = None


class EndpointChange(RequestBody):
    """What is absent stays as it is."""

    url: Url | None = None
    event_types: Types | None = None
    description: Description | None = None
    enabled: bool | None = None


class EndpointView(BaseModel):
    id: str
    url: str
    event_types: list[EventType]
    description: str | None
    created_at: datetime
    enabled: bool
    disabled_because: DisabledBecause | None = Field(
        description="`owner`: you did it. `gone`: it answered 410. `failing`: nothing arrived for days. "
        "`not_a_partner`: the account lost the role."
    )
    failing_since: datetime | None = Field(description="The first failure after the last success.")
    previous_secret_until: datetime | None = Field(description="Until then both secrets sign.")

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> "EndpointView":
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            event_types=endpoint.event_types,
            description=endpoint.description,
            created_at=endpoint.created_at,
            enabled=endpoint.enabled,
            disabled_because=endpoint.disabled_because,
            failing_since=endpoint.failing_since,
            previous_secret_until=endpoint.previous_until,
        )


class EndpointMade(EndpointView):
    secret: str = Field(
        description="`whsec_...`: what signatures are made with. Shown here, and to a repeated request with the same "
        "Idempotency-Key, and never again."
    )


class RotatedSecret(BaseModel):
    secret: str = Field(description="The new one, shown this once.")
    previous_secret_until: datetime | None = Field(
        description="Until then the one before signs as well; null where there was none."
    )
