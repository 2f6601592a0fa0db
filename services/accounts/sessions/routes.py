"""Getting tokens, signing out, and the public keys."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.accounts.second_factor.errors import SecondFactorRequired
from services.accounts.sessions.errors import (
    AccountDisabled,
    InvalidGrant,
    InvalidTokenRequest,
    SessionNotFound,
    TooManyGuesses,
    TooManySignIns,
    UnsupportedGrantType,
)
from services.accounts.sessions.schemas import KeySetView, SignInView, TokenView
from services.accounts.users.passwords import MAX_CHARACTERS
from services.kit.errors import answers
from services.kit.schemas import EXAMPLE_REFRESH_TOKEN, Page, SessionId, examples

router = APIRouter(tags=["accounts"])

JWKS_MAX_AGE_SECONDS = 300

_SIGN_IN = {"grant_type": "password", "username": "ada@example.com", "password": "a long pass phrase"}
_AGAIN = {"grant_type": "refresh_token", "refresh_token": EXAMPLE_REFRESH_TOKEN}


_FIELDS = ("grant_type", "username", "password", "code", "refresh_token")
_TOKEN_REQUEST = {
    "type": "object",
    # The interactive page draws a field for each and begins with these.
    "properties": {
        name: {"type": "string", **({"example": _SIGN_IN[name]} if name in _SIGN_IN else {})} for name in _FIELDS
    },
    "required": ["grant_type"],
    "anyOf": [
        {"properties": {"grant_type": {"const": "password"}}, "required": ["username", "password"]},
        {"properties": {"grant_type": {"const": "refresh_token"}}, "required": ["refresh_token"]},
    ],
}


@router.post(
    "/v1/auth/token",
    operation_id="token",  # by which the schema of its form is named, too
    summary="Sign in",
    responses=answers(
        InvalidTokenRequest,
        UnsupportedGrantType,
        InvalidGrant,
        SecondFactorRequired,
        AccountDisabled,
        TooManyGuesses,
        TooManySignIns,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": _TOKEN_REQUEST,
                    "examples": examples(_SIGN_IN, with_a_refresh_token=_AGAIN),
                }
            },
        }
    },
)
def token(
    accounts: AccountsDep,
    origin: OriginDep,
    response: Response,
    grant_type: Annotated[str | None, Form(max_length=100)] = None,
    username: Annotated[str | None, Form(max_length=1000)] = None,
    password: Annotated[
        str | None, Form(max_length=4 * MAX_CHARACTERS, json_schema_extra={"format": "password"})
    ] = None,
    code: Annotated[str | None, Form(max_length=100)] = None,
    refresh_token: Annotated[str | None, Form(max_length=200)] = None,
) -> TokenView:
    """Tokens for a password, or for a refresh token (RFC 6749 sections 4.3 and 6).

    Who has a second factor sends a `code` of it besides the password; without one the answer is
    `second_factor_required`.

    A refresh token is good for one use. Using one twice ends the session, except for a repetition within a few seconds,
    which gets the same refresh token again.
    """
    match grant_type:
        case "password":
            if username is None or password is None:
                raise InvalidTokenRequest("send username and password")
            tokens = accounts.sessions.sign_in(username, password, origin, code)
        case "refresh_token":
            if refresh_token is None:
                raise InvalidTokenRequest("send refresh_token")
            tokens = accounts.sessions.refresh(refresh_token, origin)
        case None:
            raise InvalidTokenRequest("send a form with grant_type")
        case _:
            raise UnsupportedGrantType("grant_type is password or refresh_token")
    response.headers["Cache-Control"] = "no-store"
    return TokenView(access_token=tokens.access_token, expires_in=tokens.expires_in, refresh_token=tokens.refresh_token)


@router.post("/v1/auth/logout", summary="Sign out", status_code=204)
def logout(accounts: AccountsDep, owner: AccountOwner, origin: OriginDep) -> None:
    """Ends the session of this access token: within five seconds neither it nor its refresh token works any more."""
    with accounts.database.write() as session:
        accounts.sessions.sign_out(session, owner.account_id, owner.token_id, origin)


@router.get("/v1/auth/sessions", summary="List your sign-ins")
def list_sessions(accounts: AccountsDep, owner: AccountOwner) -> Page[SignInView]:
    """Where the account is signed in, the sign-in used last first; all on one page."""
    with accounts.database.read() as session:
        opened = accounts.sessions.list_open(session, owner.account_id)
    return Page[SignInView](items=[SignInView.of(item, owner.grant_id) for item in opened], next_cursor=None)


@router.delete(
    "/v1/auth/sessions/{session_id}", summary="End a sign-in", status_code=204, responses=answers(SessionNotFound)
)
def end_session(session_id: SessionId, accounts: AccountsDep, owner: AccountOwner, origin: OriginDep) -> None:
    """Within five seconds none of its tokens works any more."""
    with accounts.database.write() as session:
        accounts.sessions.end(session, owner.account_id, session_id, origin)


@router.get("/.well-known/jwks.json", summary="Get the public signing keys")
def jwks(accounts: AccountsDep, response: Response) -> KeySetView:
    """The public keys that verify access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE_SECONDS}"
    return KeySetView.model_validate(accounts.keys.jwks())
