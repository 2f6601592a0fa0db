"""JSON from outside, held to what every later reader can take: databases, browsers, and our own encoder."""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1


def read_json(value: bytes) -> Any:
    """The content of a JSON text.

    Raises ValueError or RecursionError for what is no JSON, and for JSON with a member that is there twice, a number
    that is not finite or beyond 64 bits, a text with NUL or half a surrogate pair, or more than 32 levels.
    """
    content = json.loads(value.decode(), object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)
    _check(content, MAX_DEPTH)
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a member is there twice")
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _check(content: object, depth: int) -> None:
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(content, str):
        content.encode()
        if "\0" in content:
            raise ValueError("a text holds NUL")
    elif isinstance(content, int):
        if abs(content) > MAX_INTEGER:
            raise ValueError("a number is too large")
    elif isinstance(content, dict):
        for name, member in content.items():
            _check(name, depth - 1)
            _check(member, depth - 1)
    elif isinstance(content, list):
        for member in content:
            _check(member, depth - 1)
