"""Identifiers: a prefix that says what it names and a ULID, so that ids sort by the time they were made."""

import re

from ulid import ULID

PREFIXES = ("usr", "key", "upl", "job", "evt", "whe", "whd", "pay", "ses", "trf", "wrk", "req")

_PATTERN = re.compile(r"[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}")


def new_id(prefix: str) -> str:
    """A fresh id such as `job_01jd3k...`: prefix, underscore, 26 lower-case Crockford base-32 digits."""
    if prefix not in PREFIXES:
        raise ValueError(f"unknown id prefix {prefix!r}")
    return f"{prefix}_{str(ULID()).lower()}"


def is_id(prefix: str, value: str) -> bool:
    """Whether `value` has the shape of an id with this prefix."""
    return value.startswith(prefix + "_") and _PATTERN.fullmatch(value) is not None
