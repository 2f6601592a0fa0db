"""Identifiers: a prefix that says what it names and a ULID, so that ids sort by the time they were made."""

import re

from ulid import ULID

PREFIXES = (
    *("usr", "key", "upl", "job", "evt", "whe", "whd", "pay", "chk", "sbx", "ses", "era", "trf", "wrk", "req", "sec"),
    "mail",
    "ema",
    "prc",
    "rfd",
    "shr",
    "bat",
    "etp",
)

_DIGITS = "[0-7][0-9a-hjkmnp-tv-z]{25}"
"""26 lower-case digits of Crockford's base 32, which would hold 130 bits: the first of them has three."""


def new_id(prefix: str) -> str:
    """A fresh id such as `job_01jd3k...`: prefix, underscore, 26 lower-case Crockford base-32 digits."""
    return f"{_known(prefix)}_{str(ULID()).lower()}"


def id_pattern(prefix: str) -> str:
    """The rule for ids with this prefix, as a regular expression of a whole text; every dialect reads it alike."""
    return f"^{_known(prefix)}_{_DIGITS}$"


def is_id(prefix: str, value: str) -> bool:
    """Whether `value` is an id with this prefix."""
    return re.fullmatch(f"{_known(prefix)}_{_DIGITS}", value) is not None


def _known(prefix: str) -> str:
    if prefix not in PREFIXES:
        raise ValueError(f"unknown id prefix {prefix!r}")
    return prefix
