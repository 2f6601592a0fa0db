"""Answers about sign-ins and their tokens."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from services.accounts.sessions.models import SignInSession
from services.accounts.users.passwords import MAX_CHARACTERS
from services.accounts.users.schemas import UserView
from services.kit.schemas import RequestBody


class TokenView(BaseModel):
    access_token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(repr=False)


class WebSignIn(RequestBody):
    email: Annotated[str, StringConstraints(max_length=1000), Field(json_schema_extra={"format": "idn-email"})]
    password: Annotated[
        str,
        StringConstraints(max_length=4 * MAX_CHARACTERS),
        Field(repr=False, json_schema_extra={"format": "password"}),
    ]
    code: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, repr=False, description="Of the second factor, for those who have one."
    )


class WebSessionView(BaseModel):
    user: UserView
    csrf_token: str = Field(
        description="To be sent as `X-CSRF-Token` with everything but GET and HEAD; also in the cookie whose name ends "
        "in `stemwright-csrf`, for scripts of this origin."
    )


class CookieExchange(RequestBody):
    """By the gateway."""

    secret: Annotated[str, StringConstraints(min_length=1, max_length=100), Field(repr=False)]


class RevocationsView(BaseModel):
    """For the gateway: what no longer lets anybody in."""

    ids: list[str]
    changed: dict[str, int] = Field(
        description="Accounts that may do something else now, and since when, in milliseconds since the epoch."
    )
    told_at: datetime


class JwkView(BaseModel):
    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class KeySetView(BaseModel):
    keys: list[JwkView]


class SignInView(BaseModel):
    id: str
    client: str | None = Field(description="What the client called itself (`User-Agent`).")
    network: str | None = Field(description="Where it was used last: an IPv4 address, or the /56 of an IPv6 address.")
    created_at: datetime
    last_used_at: datetime = Field(description="When tokens were last asked for, or a cookie's use noted (hourly).")
    current: bool = Field(description="Whether this request belongs to it.")

    @classmethod
    def of(cls, opened: SignInSession, current_id: str) -> "SignInView":
        return cls(
            id=opened.id,
            client=opened.user_agent,
            network=opened.network,
            created_at=opened.created_at,
            last_used_at=opened.last_used_at,
            current=opened.id == current_id,
        )
