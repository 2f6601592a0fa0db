"""Email addresses: which are accepted, and when two are the same."""

import hashlib
import unicodedata
from dataclasses import dataclass

MAX_CHARACTERS = 254
"""RFC 5321 section 4.5.3.1.3, less the angle brackets."""


@dataclass(frozen=True)
class EmailAddress:
    """An address as its owner writes it, and the key by which it is found: the same for every spelling of it."""

    address: str
    key: str


def parse(text: str) -> EmailAddress:
    """The address in `text`. Raises ValueError with a sentence for a person. No name is looked up."""
    from email_validator import EmailNotValidError, validate_email  # heavy, and needed by two routes only

    if len(text) > MAX_CHARACTERS or not text.isprintable():
        raise ValueError("must be an email address such as ada@example.com")
    try:
        address = validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    key = unicodedata.normalize("NFKC", address).casefold()
    if len(address) > MAX_CHARACTERS or len(key) > MAX_CHARACTERS:
        raise ValueError("must have fewer characters")
    return EmailAddress(address, key)


def registrant(email_key: str) -> str:
    """Whose Idempotency-Key it is while there is no account yet: the address's. Two people may use the same key."""
    return "new:" + hashlib.sha256(email_key.encode()).hexdigest()[:36]
