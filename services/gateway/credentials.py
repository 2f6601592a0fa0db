"""From what a client presents to an access token that services understand.

Access tokens are checked and passed on. API keys (`sk_...`) are exchanged at accounts for a short access token, so that
services never see a key; a key's token is kept for at most a minute, which is how long a revoked key still works.
Caches hold digests, never the credential itself, and are bounded.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from starlette.concurrency import run_in_threadpool

from services.gateway.errors import BadRequest, InvalidKey
from services.kit.auth import InvalidToken, Principal
from services.kit.errors import Unauthorized

API_KEY_PREFIX = "sk_"
MAX_CREDENTIAL_CHARACTERS = 4096
VERIFIED_SECONDS = 60.0
REFUSED_SECONDS = 10.0
"""How long a key that accounts refused is refused without asking again."""

Exchange = Callable[[str], Awaitable[str | None]]
"""Exchanges an API key for an access token; None if accounts does not know the key (any more)."""


class Verifier(Protocol):
    """What checks an access token: `services.kit.auth.TokenVerifier`."""

    def verify(self, token: str) -> Principal:
        """Raises InvalidToken or KeySetUnavailable. May block while it fetches keys."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A caller and the access token that speaks for them."""

    account_id: str
    access_token: str

    @property
    def authorization(self) -> bytes:
        """Value of the `Authorization` header towards services."""
        return b"Bearer " + self.access_token.encode("ascii")


ValueT = TypeVar("ValueT")


class ExpiringCache(Generic[ValueT]):
    """A bounded map whose entries expire; when it is full, the one that was made first goes."""

    def __init__(self, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = entries
        self._clock = clock
        self._values: OrderedDict[bytes, tuple[float, ValueT]] = OrderedDict()

    def get(self, key: bytes) -> ValueT | None:
        entry = self._values.get(key)
        if entry is None:
            return None
        expires, value = entry
        if self._clock() >= expires:
            del self._values[key]
            return None
        return value

    def put(self, key: bytes, value: ValueT, seconds: float) -> None:
        self._values.pop(key, None)
        self._values[key] = (self._clock() + seconds, value)
        if len(self._values) > self._entries:
            self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


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


class Credentials:
    """Checks what callers present. Used from the event loop only."""

    def __init__(
        self,
        verifier: Verifier,
        exchange: Exchange,
        *,
        key_seconds: float,
        entries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._exchange = exchange
        self._key_seconds = key_seconds
        self._accounts: ExpiringCache[str] = ExpiringCache(entries, clock)
        self._keys: ExpiringCache[Credential] = ExpiringCache(entries, clock)
        self._refused: ExpiringCache[bool] = ExpiringCache(entries, clock)
        self._under_way: dict[bytes, asyncio.Task[Credential | None]] = {}

    async def of(self, credential: str) -> Credential:
        """The caller of a token or key. Raises Unauthorized, KeySetUnavailable, or whatever the exchange raises."""
        if credential.startswith(API_KEY_PREFIX):
            return await self._of_key(credential)
        return Credential(await self._account_of(credential), credential)

    async def _account_of(self, token: str) -> str:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._accounts.get(digest)
        if known is not None:
            return known
        principal = await run_in_threadpool(self._verifier.verify, token)
        self._accounts.put(digest, principal.account_id, VERIFIED_SECONDS)
        return principal.account_id

    async def _of_key(self, key: str) -> Credential:
        digest = hashlib.sha256(key.encode()).digest()
        if self._refused.get(digest):
            raise InvalidKey
        credential = self._keys.get(digest)
        if credential is not None:
            return credential
        # Requests that come with the same key at the same time share one exchange.
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._fetch(key, digest))
            self._under_way[digest] = task
            task.add_done_callback(lambda _done: self._under_way.pop(digest, None))
        credential = await asyncio.shield(task)
        if credential is None:
            raise InvalidKey
        return credential

    async def _fetch(self, key: str, digest: bytes) -> Credential | None:
        token = await self._exchange(key)
        if token is None:
            self._refused.put(digest, True, REFUSED_SECONDS)
            return None
        credential = Credential(await self._account_of(token), token)
        self._keys.put(digest, credential, self._key_seconds)
        return credential
