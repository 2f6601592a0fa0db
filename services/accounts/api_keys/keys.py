"""API keys: 256 random bits behind a prefix that secret scanners can find. Pure, apart from drawing the bits."""

import hashlib
import secrets
from dataclasses import dataclass, field

from services.accounts.users.roles import Role

PREFIX = "sk_"
RANDOM_BYTES = 32
MAX_LENGTH = 128
SCOPES = ("uploads", "jobs", "billing:read", "webhooks", "events")
"""What a key may be allowed. Not `account`: a key must not be able to make keys."""

KEY_ROLES = frozenset({Role.USER, Role.PARTNER})
"""Roles that a key carries if its owner has them. Operating the platform takes a person who signed in."""


@dataclass(frozen=True)
class NewKey:
    """A key as shown once to its owner, and what is kept of it."""

    secret: str = field(repr=False)
    digest: str
    hint: str


def new_key() -> NewKey:
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return NewKey(secret=secret, digest=digest(secret), hint=hint(secret))


def digest(secret: str) -> str:
    """Hex SHA-256.

    Fast is right here: 256 random bits cannot be guessed, so nothing needs to be slowed down, and looking up the digest
    in an index takes the same time whether a presented key is near a real one or not.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def hint(secret: str) -> str:
    """The beginning and the end: enough of the key for its owner to recognise it, far too little to use."""
    return f"{secret[: len(PREFIX) + 4]}…{secret[-4:]}"
