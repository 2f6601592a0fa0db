"""Shapes that every service's requests and answers share."""

from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.kit.ids import id_pattern

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100)]
JobCursor = Annotated[str | None, Query(pattern=id_pattern("job"))]
UploadCursor = Annotated[str | None, Query(pattern=id_pattern("upl"))]
ApiKeyCursor = Annotated[str | None, Query(pattern=id_pattern("key"))]
"""Where a page begins: after the last id of the page before."""

AccountId = Annotated[str, StringConstraints(pattern=id_pattern("usr"))]
UploadId = Annotated[str, StringConstraints(pattern=id_pattern("upl"))]
JobId = Annotated[str, StringConstraints(pattern=id_pattern("job"))]
ApiKeyId = Annotated[str, StringConstraints(pattern=id_pattern("key"))]
EventId = Annotated[str, StringConstraints(pattern=id_pattern("evt"))]
"""Ids as clients send them, in paths, queries and bodies. What passes is an id by our own rule, and so by every
sibling's: it may go into an event."""


CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""For the brackets of a regular expression, in Python's, Rust's and JavaScript's dialect: what no line of text has."""

Line = Annotated[str, StringConstraints(pattern=rf"^[^{CONTROL}]*$")]
"""One line of text without control characters (PostgreSQL refuses NUL; logs and headers must not be forged). What JSON
can spell and UTF-8 cannot, half a surrogate pair, is no text to begin with."""


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, BeforeValidator(_integral), Field(strict=True)]
"""An integer as JSON Schema means it: 1 and 1.0 are one, "1" and true are none."""


class RequestBody(BaseModel):
    """Base of request bodies: an unknown field is a mistake that the client should hear of."""

    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None
