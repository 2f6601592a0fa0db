"""For the gateway only; it never routes these paths from outside."""

from fastapi import APIRouter, Response

from services.accounts.routes.dependencies import AccountsDep
from services.accounts.schemas import ExchangedToken, KeyExchange

router = APIRouter(prefix="/internal", include_in_schema=False)


@router.post("/api-keys/exchange")
def exchange_api_key(body: KeyExchange, accounts: AccountsDep, response: Response) -> ExchangedToken:
    """An access token for an API key; services see access tokens only. 401 `invalid_api_key` for any wrong key."""
    access_token, lifetime_seconds = accounts.api_keys.exchange(body.api_key)
    response.headers["Cache-Control"] = "no-store"
    return ExchangedToken(access_token=access_token, expires_in=lifetime_seconds)
