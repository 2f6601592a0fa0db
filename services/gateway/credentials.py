"""From what a client presents to an access token that services understand.

Access tokens are checked and passed on. API keys (`sk_...`) and the secrets of web apps' cookies (`ws_...`) are
exchanged at accounts for a short access token, so that services never see them; such a token is kept for at most a
minute. Whatever is kept, a session or key that was ended is refused as soon as accounts has told of it (`revocations`).
Caches hold digests, never the credential itself, and are bounded.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from cachetools import TTLCache
from starlette.concurrency import run_in_threadpool

from services.gateway.errors import BadRequest, InvalidKey
from services.gateway.revocations import Revocations
from services.kit.auth import InvalidToken, Principal
from services.kit.errors import Unauthorized

API_KEY_PREFIX = "sk_"
MAX_CREDENTIAL_CHARACTERS = 4096
VERIFIED_SECONDS = 60.0
REFUSED_SECONDS = 10.0
"""How long a key or a secret that accounts refused is refused without asking again."""
ENDED = "This session has ended. Sign in again."

Exchange = Callable[[str], Awaitable[str | None]]
"""Exchanges an API key or a cookie's secret for an access token; None if accounts does not know it (any more)."""


class Verifier(Protocol):
    """What checks an access token: `services.kit.auth.TokenVerifier`."""

    def verify(self, token: str) -> Principal:
        """Raises InvalidToken or KeySetUnavailable. May block while it fetches keys."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A caller and the access token that speaks for them."""

    principal: Principal
    access_token: str = field(repr=False)

    @property
    def account_id(self) -> str:
        """Whose it is."""
        return self.principal.account_id

    @property
    def authorization(self) -> bytes:
        """Value of the `Authorization` header towards services."""
        return b"Bearer " + self.access_token.encode("ascii")


def bearer(header: bytes | None) -> str | None:
    """The credential of an `Authorization` header; None without one.

    Raises BadRequest if it is not text, Unauthorized if it is of another scheme or has an implausible length.
    """
    if header is None:
        return None
    try:
        scheme, _, credential = header.decode("ascii").strip().partition(" ")
    except UnicodeDecodeError:
        raise BadRequest("The Authorization header is not text.") from None
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or " " in credential:
        raise Unauthorized("Send `Authorization: Bearer <access token or API key>`.")
    if len(credential) > MAX_CREDENTIAL_CHARACTERS:
        raise InvalidToken
    return credential


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode()).digest()


class Credentials:
    """Checks what callers present. Used from the event loop only."""

    def __init__(
        self,
        verifier: Verifier,
        exchange: Exchange,
        revocations: Revocations,
        *,
        key_seconds: float,
        entries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._exchange = exchange
        self._revocations = revocations
        self._verified: TTLCache[bytes, Credential] = TTLCache(entries, VERIFIED_SECONDS, clock)
        self._of_secrets: TTLCache[bytes, Credential] = TTLCache(entries, key_seconds, clock)
        self._refused: TTLCache[bytes, bool] = TTLCache(entries, REFUSED_SECONDS, clock)
        self._under_way: dict[bytes, asyncio.Task[Credential | None]] = {}

    async def of(self, credential: str) -> Credential:
        """The caller of a token or key.

        Raises Unauthorized, KeySetUnavailable, Unavailable, or whatever the exchange raises.
        """
        if credential.startswith(API_KEY_PREFIX):
            return await self._of_secret(credential, InvalidKey())
        found = await self._alive(await self._of_token(credential), InvalidToken(ENDED))
        if self._is_outdated(found):
            raise InvalidToken("What this account may do has changed. Refresh the token.")
        return found

    async def of_cookie(self, secret: str) -> Credential:
        """The caller whose browser has this secret in its cookie. Raises as `of`."""
        return await self._of_secret(secret, InvalidToken(ENDED))

    async def _of_secret(self, secret: str, refusal: Unauthorized) -> Credential:
        found = await self._alive(await self._exchanged(secret, refusal), refusal)
        if self._is_outdated(found):
            self._of_secrets.pop(_digest(secret), None)
            found = await self._alive(await self._exchanged(secret, refusal), refusal)
        return found

    async def _alive(self, found: Credential, refusal: Unauthorized) -> Credential:
        # Of an account that was erased nothing is left that it could rest on.
        for name in (found.principal.grant_id, found.principal.account_id):
            if await self._revocations.has_ended(name):
                raise refusal
        return found

    def _is_outdated(self, found: Credential) -> bool:
        return self._revocations.is_outdated(found.principal.account_id, found.principal.issued_ms)

    async def _of_token(self, token: str) -> Credential:
        digest = _digest(token)
        known = self._verified.get(digest)
        if known is not None:
            return known
        verified = Credential(await run_in_threadpool(self._verifier.verify, token), token)
        self._verified[digest] = verified
        return verified

    async def _exchanged(self, secret: str, refusal: Unauthorized) -> Credential:
        digest = _digest(secret)
        if self._refused.get(digest):
            raise refusal
        credential = self._of_secrets.get(digest)
        if credential is not None:
            return credential
        # Requests that come with the same secret at the same time share one exchange.
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._fetch(secret, digest))
            self._under_way[digest] = task
            task.add_done_callback(lambda _done: self._under_way.pop(digest, None))
        credential = await asyncio.shield(task)
        if credential is None:
            raise refusal
        return credential

    async def _fetch(self, secret: str, digest: bytes) -> Credential | None:
        token = await self._exchange(secret)
        if token is None:
            self._refused[digest] = True
            return None
        credential = await self._of_token(token)
        self._of_secrets[digest] = credential
        return credential
