"""What the routes of every service ask for: who is asking, whether they may, and what they call the request."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from services.kit.auth import SCOPES, Principal, TokenVerifier, check_roles, check_scope
from services.kit.errors import Unauthorized
from services.kit.validation import form

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=form(r"^[\x21-\x7e]+$", "must be visible ASCII characters without spaces"),
        description="A name of your own for this request, such as a UUID. Sent again with the same key and body within "
        "24 hours, it makes nothing new and gets the first answer.",
    ),
]

_bearer = HTTPBearer(auto_error=False, description="An access token or an API key.")


def current_principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """The caller; the app's `state.verifier` checks the token."""
    if credentials is None:
        raise Unauthorized("send `Authorization: Bearer <access token or API key>`")
    verifier: TokenVerifier = request.app.state.verifier
    principal = verifier.verify(credentials.credentials)
    request.state.account_id = principal.account_id  # for the log
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


def require_scope(scope: str) -> Callable[[Principal], Awaitable[Principal]]:
    """The caller, if their credentials carry this scope; else 403."""
    if scope not in SCOPES:
        raise ValueError(f"unknown scope {scope!r}")

    # What computes nothing is no work for another thread.
    async def dependency(principal: CurrentPrincipal) -> Principal:
        check_scope(principal, scope)
        return principal

    return dependency


def require_role(*roles: str, scope: str) -> Callable[[Principal], Awaitable[Principal]]:
    """The caller, if they have one of these roles and credentials with this scope; else 403."""

    async def dependency(principal: Annotated[Principal, Depends(require_scope(scope))]) -> Principal:
        check_roles(principal, roles)
        return principal

    return dependency
