"""For the gateway only; it never routes these paths from outside."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from services.accounts.api_keys.schemas import ExchangedToken, KeyExchange
from services.accounts.dependencies import AccountsDep
from services.accounts.sessions import revocations
from services.accounts.sessions.schemas import CookieExchange, RevocationsView
from services.accounts.sessions.tokens import milliseconds

router = APIRouter(prefix="/internal", include_in_schema=False)

TOLD_AGAIN = timedelta(seconds=30)
"""A transaction that ends late has a time before its end: what may have been missed is told once more."""


@router.post("/api-keys/exchange")
def exchange_api_key(body: KeyExchange, accounts: AccountsDep, response: Response) -> ExchangedToken:
    """An access token for an API key; services see access tokens only. 401 `invalid_api_key` for any wrong key."""
    access_token, lifetime_seconds = accounts.api_keys.exchange(body.api_key)
    response.headers["Cache-Control"] = "no-store"
    return ExchangedToken(access_token=access_token, expires_in=lifetime_seconds)


@router.post("/sessions/exchange")
def exchange_cookie(body: CookieExchange, accounts: AccountsDep, response: Response) -> ExchangedToken:
    """An access token for the secret of a web app's cookie. 401 `session_ended` for any that is not good any more."""
    access_token, lifetime_seconds = accounts.sessions.exchange_cookie(body.secret)
    response.headers["Cache-Control"] = "no-store"
    return ExchangedToken(access_token=access_token, expires_in=lifetime_seconds)


@router.get("/revocations")
def list_revocations(
    accounts: AccountsDep, response: Response, after: Annotated[AwareDatetime | None, Query()] = None
) -> RevocationsView:
    """Sessions and API keys that were ended since `after`, the time of an earlier answer; without it, all whose access
    tokens may still be about."""
    with accounts.database.read() as session:
        now: datetime = session.now()
        longest = timedelta(seconds=accounts.api_keys.token_seconds)
        moment = (now - longest if after is None else after) - TOLD_AGAIN
        ended = revocations.since(session, moment, now)
        changed = revocations.changed_since(session, moment)
    response.headers["Cache-Control"] = "no-store"
    return RevocationsView(
        ids=list(ended), changed={account_id: milliseconds(at) for account_id, at in changed}, told_at=now
    )
