"""Requests and answers about API keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, field_validator

from services.accounts.api_keys.keys import MAX_LENGTH
from services.accounts.api_keys.models import ApiKey
from services.accounts.users.schemas import Name
from services.kit.schemas import RequestBody

Scope = Literal["uploads", "jobs", "billing:read", "webhooks", "events"]


class NewApiKey(RequestBody):
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5, json_schema_extra={"uniqueItems": True})]
    expires_at: AwareDatetime | None = Field(
        None, description="When it stops working, as long as nobody deletes it before. Absent: never."
    )

    @field_validator("scopes")
    @classmethod
    def _each_once(cls, scopes: list[Scope]) -> list[Scope]:
        if len(set(scopes)) != len(scopes):
            raise ValueError("must name each scope once")
        return sorted(scopes)


class ApiKeyView(BaseModel):
    id: str
    name: str
    hint: str = Field(description="The beginning and the end of the key, to recognise it by.")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To within five minutes.")

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        return cls(
            id=key.id,
            name=key.name,
            hint=key.hint,
            scopes=key.scopes,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
        )


class ApiKeyMade(ApiKeyView):
    key: str | None = Field(
        description="The key itself, shown this once. Only a repeated request with the same Idempotency-Key shows it "
        "again, for a day, as long as the key is not deleted and the platform's signing key is the same."
    )


class KeyExchange(RequestBody):
    api_key: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH), Field(repr=False)]


class ExchangedToken(BaseModel):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int
