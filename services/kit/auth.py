"""Who is asking: access tokens are checked here, locally, with the public keys that accounts publishes.

Tokens are JWTs signed with Ed25519 (`alg` EdDSA, `typ` at+jwt as in RFC 9068). Algorithm, issuer, audience and the
place of the keys are fixed by settings; nothing in a token's header can change them.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt

from services.kit.errors import Forbidden, Unauthorized, Unavailable
from services.kit.loopback import urlopen
from services.kit.settings import TokenVerifierSettings

PERSON_SCOPE = "account"
"""Of a person who signed in; no API key can have it."""
SCOPES = ("uploads", "jobs", "billing:read", "webhooks", "events", PERSON_SCOPE)
"""All scopes; a person who signed in has every one, an API key those it was made with."""
CANARY_SCOPE = "canary"
"""Of the one key that `stemwright accounts canary-key` makes, and of nobody else's: what is ordered with it costs
nothing and counts nowhere."""


class Role(StrEnum):
    """What a person may be besides somebody with an account."""

    USER = "user"
    PARTNER = "partner"
    """May register webhooks and read the event feed."""
    OPERATOR = "operator"
    """Sees queues, workers and dead letters; may replay and requeue."""
    ADMIN = "admin"
    """Looks after users, credits and prices."""


LEEWAY_SECONDS = 30
FETCH_INTERVAL_SECONDS = 30
KEY_SET_SECONDS = 300
"""How old the keys that are known may grow while accounts answers."""
FIRST_FETCH_TIMEOUT_SECONDS = 10.0
"""Longest silence of accounts where no key is known: a service that is slow is waited for, since nobody gets in."""
FETCH_TIMEOUT_SECONDS = 3.0
"""The same where keys are known that go on working."""
MAX_TOKEN_CHARACTERS = 4096
MAX_KEY_SET_BYTES = 64 * 1024
CLOCK_CLAIMS = ("exp", "iat", "nbf")
ISSUED_MS = "iat_ms"
"""A claim of our own: when the token was made, as exactly as a change of roles is dated (`iat` has whole seconds)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The account that a request acts for, and what it may do."""

    account_id: str
    roles: frozenset[str]
    scopes: frozenset[str]
    token_id: str
    issued_ms: int = 0
    """When the token was made, in milliseconds since the epoch."""

    @property
    def grant_id(self) -> str:
        """The session or API key that the token rests on; the token's own id starts with it."""
        return self.token_id.partition(".")[0]


class KeySetUnavailable(Unavailable):
    code = "keys_unavailable"
    title = "Sign-in cannot be checked at the moment"


class InvalidToken(Unauthorized):
    code = "invalid_token"
    title = "The access token is not valid"


class KeySet:
    """Public signing keys by key id, fetched every 5 minutes, and for an unknown id, at most every 30 seconds.

    Keys that are known keep working while accounts is away; one that is published no more stops working after those
    minutes. Safe to share between threads.

    `fetch` gets the URL and the longest silence of who answers there, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str, float], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._fetch = fetch or _fetch
        self._keys: dict[str, Any] = {}
        self._next_fetch = self._stale = 0.0
        self._away = True
        """Accounts did not answer when it was asked last, or was not asked yet."""
        self._clock = clock
        self._lock = threading.Lock()

    def key(self, key_id: str) -> Any:
        """The public key. Raises InvalidToken for an id that is not published, KeySetUnavailable where nobody knows:
        accounts did not answer when it was asked last."""
        known = self._keys.get(key_id)
        if known is not None and self._clock() < self._stale:
            return known
        # Of those who know the key one fetches anew, and the others go on.
        if self._lock.acquire(blocking=known is None):
            try:
                if self._clock() >= (self._stale if key_id in self._keys else self._next_fetch):
                    self._refresh()
            finally:
                self._lock.release()
        try:
            return self._keys[key_id]
        except KeyError:
            if self._away:
                raise KeySetUnavailable from None
            raise InvalidToken("the token was signed with an unknown key") from None

    def _refresh(self) -> None:
        try:
            timeout = FETCH_TIMEOUT_SECONDS if self._keys else FIRST_FETCH_TIMEOUT_SECONDS
            document = json.loads(self._fetch(self._url, timeout))
            keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(document).keys if key.key_id}
        except (OSError, http.client.HTTPException, ValueError, TypeError, AttributeError, jwt.PyJWTError):
            # Nothing is known yet: the next request may try again soon, so that start-up order does not matter.
            self._next_fetch = self._clock() + (FETCH_INTERVAL_SECONDS if self._keys else 0.5)
            self._stale = self._next_fetch
            self._away = True
            return
        self._keys, self._away = keys, False
        self._next_fetch = self._clock() + FETCH_INTERVAL_SECONDS
        self._stale = self._clock() + KEY_SET_SECONDS


def _fetch(url: str, timeout_seconds: float) -> bytes:
    with urlopen(url, timeout_seconds) as answer:
        return answer.read(MAX_KEY_SET_BYTES)


class TokenVerifier:
    """Turns an access token into a Principal."""

    def __init__(self, keys: KeySet, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    @classmethod
    def from_settings(cls, settings: TokenVerifierSettings) -> "TokenVerifier":
        """The verifier of a service."""
        return cls(KeySet(settings.jwks_url), issuer=settings.token_issuer, audience=settings.token_audience)

    def verify(self, token: str) -> Principal:
        """Raises InvalidToken, or KeySetUnavailable when no key can be had."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise InvalidToken
        try:
            header = jwt.get_unverified_header(token)
            key_id = header.get("kid")
            if header.get("typ") != "at+jwt" or header.get("alg") != "EdDSA" or not isinstance(key_id, str):
                raise InvalidToken
            claims = jwt.decode(
                token,
                self._keys.key(key_id),
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "nbf", "sub", "jti", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidToken from error
        if any(isinstance(claims[name], bool) or not isinstance(claims[name], int) for name in CLOCK_CLAIMS):
            raise InvalidToken
        roles, scope = claims.get("roles", []), claims.get("scope", "")
        if not (isinstance(scope, str) and isinstance(roles, list) and all(isinstance(role, str) for role in roles)):
            raise InvalidToken
        issued_ms = claims.get(ISSUED_MS, claims["iat"] * 1000)
        if isinstance(issued_ms, bool) or not isinstance(issued_ms, int):
            raise InvalidToken
        return Principal(
            account_id=str(claims["sub"]),
            roles=frozenset(roles),
            scopes=frozenset(scope.split()),
            token_id=str(claims["jti"]),
            issued_ms=issued_ms,
        )


def check_scope(principal: Principal, scope: str) -> None:
    """Raises Forbidden where the credential is not good for this."""
    if scope not in principal.scopes:
        if scope == PERSON_SCOPE:
            raise Forbidden("this needs a person who signed in; no API key may do it")
        raise Forbidden(f"this key lacks the scope {scope!r}")


def check_roles(principal: Principal, roles: Collection[str]) -> None:
    """Raises Forbidden for who has none of these roles."""
    if principal.roles.isdisjoint(roles):
        raise Forbidden(f"this needs the role {' or '.join(sorted(roles))}")
