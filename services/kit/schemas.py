"""Shapes that every service's requests and answers share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from services.kit.ids import id_pattern
from services.kit.validation import form

T = TypeVar("T")


def id_form(prefix: str) -> str:
    """The pattern of ids that begin with it."""
    return form(id_pattern(prefix), f"must be an id that begins with {prefix}_")


AccountId = Annotated[str, StringConstraints(pattern=id_form("usr"))]
UploadId = Annotated[str, StringConstraints(pattern=id_form("upl"))]
BatchId = Annotated[str, StringConstraints(pattern=id_form("bat"))]
JobId = Annotated[str, StringConstraints(pattern=id_form("job"))]
ApiKeyId = Annotated[str, StringConstraints(pattern=id_form("key"))]
SessionId = Annotated[str, StringConstraints(pattern=id_form("ses"))]
CheckoutId = Annotated[str, StringConstraints(pattern=id_form("chk"))]
PaymentId = Annotated[str, StringConstraints(pattern=id_form("pay"))]
SandboxSessionId = Annotated[str, StringConstraints(pattern=id_form("sbx"))]
PriceId = Annotated[str, StringConstraints(pattern=id_form("prc"))]
WorkerId = Annotated[str, StringConstraints(pattern=id_form("wrk"))]
EndpointId = Annotated[str, StringConstraints(pattern=id_form("whe"))]
DeliveryId = Annotated[str, StringConstraints(pattern=id_form("whd"))]
EventTopicId = Annotated[str, StringConstraints(pattern=id_form("etp"))]
EventId = Annotated[str, StringConstraints(pattern=id_form("evt"))]
ShareId = Annotated[str, StringConstraints(pattern=id_form("shr"))]
"""Ids as clients send them, in paths, queries and bodies. What passes is an id by our own rule, and so by every
sibling's: it may go into an event."""


CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""For the brackets of a regular expression, in Python's, Rust's and JavaScript's dialect: what no line of text has."""

Line = Annotated[
    str, StringConstraints(pattern=form(rf"^[^{CONTROL}]*$", "must be one line of text without control characters"))
]
"""One line of text without control characters (PostgreSQL refuses NUL; logs and headers must not be forged). What JSON
can spell and UTF-8 cannot, half a surrogate pair, is no text to begin with."""


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Whole:
    """Annotates an integer as JSON Schema means it: 1 and 1.0 are one, "1" and true are none.

    Its bounds stand here and not in a `Field` beside it, which would put them around what reads 1.0 as 1: pydantic then
    shows them in the document under names of its own.
    """

    ge: int | None = None
    le: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.int_schema(strict=True, ge=self.ge, le=self.le)
        return core_schema.no_info_before_validator_function(_integral, number)


class RequestBody(BaseModel):
    """Base of request bodies: an unknown field is a mistake that the client should hear of."""

    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)


EXAMPLE_IDS: Mapping[str, str] = {
    **{
        prefix: f"{prefix}_{'0' * 26}"
        for prefix in ("usr", "upl", "job", "bat", "key", "chk", "pay", "wrk", "whe", "whd", "etp")
    },
    # The first pack of a new platform is there before anybody makes one.
    "prc": f"prc_{1:026d}",
}
"""Ids in examples: the interactive page puts the last thing of that kind in their place."""
EXAMPLE_REFRESH_TOKEN = f"rt_{'0' * 43}"


def examples(first: Mapping[str, Any], **more: Mapping[str, Any]) -> dict[str, Any]:
    """Examples of a body for the document, by what they show; the first is what the interactive page begins with."""
    return {name.replace("_", " "): {"value": dict(value)} for name, value in {"example": first, **more}.items()}


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None
