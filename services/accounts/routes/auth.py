"""Registering, getting tokens, signing out, and the public keys."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse

from services.accounts.emails import EmailAddress
from services.accounts.errors import (
    EmailTaken,
    InvalidGrant,
    InvalidTokenRequest,
    TooManyGuesses,
    TooManySignIns,
    UnsupportedGrantType,
)
from services.accounts.passwords import MAX_CHARACTERS
from services.accounts.routes.dependencies import AccountOwner, AccountsDep
from services.accounts.schemas import KeySetView, Registration, RegistrationIdentity, TokenView, UserView
from services.kit.addresses import network_of
from services.kit.database import WriteSession
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, IdempotencyKey, idempotent

router = APIRouter(tags=["accounts"])

JWKS_MAX_AGE_SECONDS = 300


@router.post(
    "/v1/auth/register",
    status_code=201,
    response_model=UserView,
    responses=answers(EmailTaken, IdempotencyInProgress, IdempotencyConflict, TooManySignIns),
)
def register(body: Registration, accounts: AccountsDep, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Makes a user. Nobody is signed in by it; ask for a token next."""
    email = body.address()
    new = accounts.users.prepare(email, body.password, body.display_name)
    made = False

    def create(session: WriteSession) -> str:
        nonlocal made
        made = True
        return accounts.users.register(session, new)

    def respond(account_id: str) -> tuple[int, dict[str, Any]]:
        with accounts.database.read() as session:
            return 201, UserView.of(accounts.users.get(session, account_id)).model_dump(mode="json")

    answer = idempotent(
        accounts.database,
        account_id=_registrant(email),
        key=idempotency_key,
        operation="register",
        body=RegistrationIdentity(email_key=email.key, display_name=body.display_name),
        create=create,
        respond=respond,
    )
    if not made:
        accounts.users.check_same_person(email, body.password)
    return answer


def _registrant(email: EmailAddress) -> str:
    """Whose Idempotency-Key it is while there is no account yet: the address's. Two people may use the same key."""
    return "new:" + hashlib.sha256(email.key.encode()).hexdigest()[:36]


_PASSWORD = {
    "properties": {"grant_type": {"const": "password"}, "username": {"type": "string"}, "password": {"type": "string"}},
    "required": ["grant_type", "username", "password"],
}
_REFRESH = {
    "properties": {"grant_type": {"const": "refresh_token"}, "refresh_token": {"type": "string"}},
    "required": ["grant_type", "refresh_token"],
}


@router.post(
    "/v1/auth/token",
    responses=answers(InvalidTokenRequest, UnsupportedGrantType, InvalidGrant, TooManyGuesses, TooManySignIns),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": {"anyOf": [_PASSWORD, _REFRESH]}}},
        }
    },
)
def token(
    accounts: AccountsDep,
    request: Request,
    response: Response,
    grant_type: Annotated[str | None, Form(max_length=100)] = None,
    username: Annotated[str | None, Form(max_length=1000)] = None,
    password: Annotated[
        str | None, Form(max_length=4 * MAX_CHARACTERS, json_schema_extra={"format": "password"})
    ] = None,
    refresh_token: Annotated[str | None, Form(max_length=200)] = None,
) -> TokenView:
    """Tokens for a password or for a refresh token (RFC 6749 sections 4.3 and 6).

    A refresh token is good for one use. Using one twice ends the session, except for a repetition within a few seconds,
    which gets the same refresh token again.
    """
    match grant_type:
        case "password":
            if username is None or password is None:
                raise InvalidTokenRequest("send username and password")
            tokens = accounts.sessions.sign_in(username, password, network_of(_address_of(request)))
        case "refresh_token":
            if refresh_token is None:
                raise InvalidTokenRequest("send refresh_token")
            tokens = accounts.sessions.refresh(refresh_token)
        case None:
            raise InvalidTokenRequest("send a form with grant_type")
        case _:
            raise UnsupportedGrantType("grant_type is password or refresh_token")
    response.headers["Cache-Control"] = "no-store"
    return TokenView(access_token=tokens.access_token, expires_in=tokens.expires_in, refresh_token=tokens.refresh_token)


def _address_of(request: Request) -> str:
    """The client's address: the gateway, which alone talks to this service, vouches for the header."""
    peer = request.client.host if request.client else ""
    return request.headers.get("x-forwarded-for", peer)


@router.post("/v1/auth/logout", status_code=204)
def logout(accounts: AccountsDep, owner: AccountOwner) -> None:
    """Ends the session of this access token: its refresh token is of no use any more."""
    with accounts.database.write() as session:
        accounts.sessions.sign_out(session, owner.account_id, owner.token_id)


@router.get("/.well-known/jwks.json")
def jwks(accounts: AccountsDep, response: Response) -> KeySetView:
    """The public keys that verify access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE_SECONDS}"
    return KeySetView.model_validate(accounts.keys.jwks())
