"""Shapes that every service's requests and answers share."""

import base64
import binascii
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from services.kit.errors import Invalid
from services.kit.ids import id_pattern, is_id

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]

AccountId = Annotated[str, StringConstraints(pattern=id_pattern("usr"))]
UploadId = Annotated[str, StringConstraints(pattern=id_pattern("upl"))]
JobId = Annotated[str, StringConstraints(pattern=id_pattern("job"))]
ApiKeyId = Annotated[str, StringConstraints(pattern=id_pattern("key"))]
EventId = Annotated[str, StringConstraints(pattern=id_pattern("evt"))]
"""Ids as clients send them, in paths, queries and bodies. What passes is an id by our own rule, and so by every
sibling's: it may go into an event."""


def _printable(text: str) -> str:
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text):
        raise ValueError("must not contain control characters")
    if any("\ud800" <= c <= "\udfff" for c in text):
        # JSON can spell half a surrogate pair; UTF-8, and so every database, cannot.
        raise ValueError("must be valid Unicode")
    return text


Line = Annotated[str, AfterValidator(_printable)]
"""One line of text without control characters (PostgreSQL refuses NUL; logs and headers must not be forged)."""


class RequestBody(BaseModel):
    """Base of request bodies: an unknown field is a mistake that the client should hear of."""

    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


def encode_cursor(position: str) -> str:
    """An opaque cursor for the id after which the next page begins."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str | None:
    """The position a cursor stands for; raises Invalid for one that we did not make."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise Invalid("the cursor is not one of ours") from error
    if not position.isprintable():
        raise Invalid("the cursor is not one of ours")
    return position


def decode_id_cursor(cursor: str | None, prefix: str) -> str | None:
    """The id that a cursor stands for; raises Invalid for one that we did not make for such a list."""
    position = decode_cursor(cursor)
    if position is not None and not is_id(prefix, position):
        raise Invalid("the cursor is not one of ours")
    return position
