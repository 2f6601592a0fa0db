"""Access tokens, refresh tokens and the keys behind them. Pure, apart from drawing random bits.

An access token is a JWT signed with Ed25519 (RFC 8037) in the profile of RFC 9068; any service verifies it by the
published keys alone. A refresh token is opaque and known to this service only, which keeps its digest.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.auth import ISSUED_MS

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 section 2.1
PERSON_SCOPES = ("uploads", "jobs", "billing:read", "webhooks", "events", "account")
"""What somebody who signed in may do; an API key may do less."""

_REFRESH_PREFIX = "rt_"
_NONCE_BYTES = 12
_PEM_END = b"-----END "


class BadSigningKeyError(ValueError):
    """The PEM text holds no Ed25519 private key, or something else than Ed25519 keys."""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """The JWK of a public key. Its `kid` is its thumbprint (RFC 7638), so that it needs no name to be agreed on."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return {**members, "kid": _base64url(hashlib.sha256(canonical).digest()), "use": "sig", "alg": ALGORITHM}


def _pem_blocks(pem: bytes) -> Iterable[bytes]:
    block: list[bytes] = []
    for line in pem.splitlines():
        block.append(line)
        if line.startswith(_PEM_END):
            yield b"\n".join(block) + b"\n"
            block = []


class SigningKeys:
    """The key that signs, and every key that is published.

    The PEM text may hold several keys: the first private one signs, all are published, and what a later private one
    sealed or derived is still understood. docs/accounts.md says how they are rotated.
    """

    def __init__(self, private: tuple[Ed25519PrivateKey, ...], published: tuple[Ed25519PublicKey, ...]) -> None:
        self._private = private
        self._signing = private[0]
        self._published = published
        self._kid = public_jwk(self._signing.public_key())["kid"]

    @classmethod
    def generate(cls) -> "SigningKeys":
        key = Ed25519PrivateKey.generate()
        return cls((key,), (key.public_key(),))

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKeys":
        """Raises BadSigningKeyError."""
        private_keys: list[Ed25519PrivateKey] = []
        published: list[Ed25519PublicKey] = []
        for block in _pem_blocks(pem):
            try:
                if b"PRIVATE KEY" in block:
                    private = serialization.load_pem_private_key(block, password=None)
                    if not isinstance(private, Ed25519PrivateKey):
                        raise BadSigningKeyError("only Ed25519 keys sign tokens")
                    private_keys.append(private)
                    published.append(private.public_key())
                else:
                    public = serialization.load_pem_public_key(block)
                    if not isinstance(public, Ed25519PublicKey):
                        raise BadSigningKeyError("only Ed25519 keys sign tokens")
                    published.append(public)
            except (ValueError, TypeError) as error:
                raise BadSigningKeyError(str(error)) from error
        if not private_keys:
            raise BadSigningKeyError("it holds no private key")
        return cls(tuple(private_keys), tuple(published))

    def private_pem(self) -> bytes:
        """The signing key as PKCS #8 in PEM, unencrypted."""
        return self._signing.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK set (RFC 7517 section 5) of every published key."""
        return {"keys": [public_jwk(key) for key in self._published]}

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._signing, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": self._kid})

    @cached_property
    def _refresh_keys(self) -> tuple[bytes, ...]:
        return tuple(_derive(key, b"stemwright refresh rotation") for key in self._private)

    @cached_property
    def _seals(self) -> tuple[AESGCM, ...]:
        return tuple(AESGCM(_derive(key, b"stemwright sealed answers")) for key in self._private)

    @cached_property
    def _address_keys(self) -> tuple[bytes, ...]:
        return tuple(_derive(key, b"stemwright addresses") for key in self._private)

    @cached_property
    def _secrets_key(self) -> bytes:
        return _derive(self._signing, b"stemwright digests of secrets")

    def next_refresh_tokens(self, token: str) -> tuple[str, ...]:
        """The refresh token that follows `token`; then those that followed it while another key of the file signed.

        Derived instead of drawn, so that a client whose answer was lost gets the same successor when it asks again,
        although only digests are stored. Without the key nobody can derive it.
        """
        text = token.encode("utf-8", "surrogatepass")
        macs = (hmac.new(key, text, hashlib.sha256).digest() for key in self._refresh_keys)
        return tuple(_REFRESH_PREFIX + _base64url(mac) for mac in macs)

    def digest_of_secret(self, text: str) -> str:
        """Tells whether two secrets that are easy to guess are the same, to nobody who has the database alone."""
        return hmac.new(self._secrets_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def digests_of_address(self, address_key: str) -> tuple[str, ...]:
        """Of an email address, by the key that signs; then by each other private key of the file, for what was noted
        while that one signed. Without a key nobody can find an address by trying all there are."""
        text = address_key.encode("utf-8", "surrogatepass")
        return tuple(hmac.new(key, text, hashlib.sha256).hexdigest() for key in self._address_keys)

    def seal(self, text: str, context: str) -> bytes:
        """Encrypts a text so that only this service, and only in this context, can read it back."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._seals[0].encrypt(nonce, text.encode(), context.encode())

    def resealed(self, sealed: bytes, context: str) -> bytes | None:
        """The same sealed by the key that signs; None where it is already, and where nobody can read it any more."""
        try:
            self._seals[0].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except InvalidTag:
            text = self.unseal(sealed, context)
            return None if text is None else self.seal(text, context)
        return None

    def unseal(self, sealed: bytes, context: str) -> str | None:
        """The text, or None where it was sealed with a key that is not in the file any more, or for another context."""
        for seal in self._seals:
            try:
                return seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode()).decode()
            except InvalidTag:
                continue
        return None


def _derive(key: Ed25519PrivateKey, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(key.private_bytes_raw())


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return int(moment.timestamp() * 1000)


def access_claims(
    *,
    issuer: str,
    audience: str,
    account_id: str,
    grant_id: str,
    roles: Iterable[str],
    scopes: Iterable[str],
    now: datetime,
    lifetime: timedelta,
) -> dict[str, Any]:
    """Claims of an access token. `grant_id` is what it rests on: a session or an API key; the token's own id starts
    with it."""
    issued_at = int(now.timestamp())
    return {
        "iss": issuer,
        "sub": account_id,
        "aud": audience,
        "iat": issued_at,
        ISSUED_MS: milliseconds(now),
        "nbf": issued_at,
        "exp": issued_at + int(lifetime.total_seconds()),
        "jti": f"{grant_id}.{secrets.token_hex(8)}",
        "roles": sorted(roles),
        "scope": " ".join(scopes),
    }


def grant_of(token_id: str) -> str:
    """The session or API key that an access token with this id rests on."""
    return token_id.partition(".")[0]


def new_refresh_token() -> str:
    """The first refresh token of a session: 256 random bits."""
    return _REFRESH_PREFIX + secrets.token_urlsafe(32)


def refresh_digest(token: str) -> str:
    """What is stored of a refresh token: hex SHA-256, enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class PresentedToken:
    """What is known of a refresh token that a client presents."""

    session_revoked: bool
    session_expires_at: datetime
    expires_at: datetime
    used_at: datetime | None
    successor_used: bool


class RefreshDecision(StrEnum):
    ROTATE = "rotate"
    """First use: the successor is made."""
    REPEAT = "repeat"
    """An identical retry whose answer may have been lost: the same successor again."""
    REVOKE = "revoke"
    """Used before, by somebody else: the whole session ends."""
    REFUSE = "refuse"


def refresh_decision(token: PresentedToken, now: datetime, grace: timedelta) -> RefreshDecision:
    """What a presented refresh token earns (RFC 9700 section 4.14.2).

    A token that comes twice means that two parties hold it, or that one party did not get the answer. The second is
    believed for `grace`, as long as nobody has used the answer.
    """
    if token.session_revoked or now >= token.session_expires_at:
        return RefreshDecision.REFUSE
    if token.used_at is None:
        return RefreshDecision.ROTATE if now < token.expires_at else RefreshDecision.REFUSE
    if not token.successor_used and now < token.used_at + grace:
        return RefreshDecision.REPEAT
    return RefreshDecision.REVOKE
