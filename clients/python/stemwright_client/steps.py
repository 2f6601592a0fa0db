"""What a flow asks of whoever runs it.

What the client does is written once, as generators that yield steps and are sent what came of them. `Client` takes the
steps one after the other and `AsyncClient` awaits them; neither knows anything else (decision 210 of the project).
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

T = TypeVar("T")

Flow = Generator["Step", Any, T]
"""Yields steps, is sent the result of each or thrown its error, and returns a T."""


@dataclass(frozen=True)
class Answer:
    """A response that was read whole; `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream(Protocol):
    """A response that is still being read; the runner's own."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Send:
    """One request. Gives an `Answer`; raises ConnectionFailed.

    Attributes:
        url: a path is the platform's and goes with the key; an address is called as it is, without it.
        sent: is told how many bytes of the content have gone out.
    """

    method: str
    url: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    sent: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Open:
    """A request whose answer is read piece by piece. Gives a `Stream`, or an `Answer` where it was refused (400 on)."""

    request: Send
    pieces: Literal["lines", "bytes"]


@dataclass(frozen=True)
class Next:
    """The next piece of a stream, None at its end; raises ConnectionFailed."""

    stream: Stream


@dataclass(frozen=True)
class Close:
    """Ends a stream. One that is left open ends with the flow."""

    stream: Stream


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Blocking:
    """Work on files or of the processor, which an event loop must not wait for. Gives its result; raises its error."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Hands something to whoever iterates over the flow."""

    item: Any


Step = Send | Open | Next | Close | Sleep | Blocking | Emit


def blocking(work: Callable[[], T]) -> Flow[T]:
    """`Blocking`, with the type of what comes of it."""
    result: T = yield Blocking(work)
    return result


def emitting(flow: Flow[T]) -> Flow[None]:
    """The same flow, which emits what it would have returned."""
    result = yield from flow
    yield Emit(result)
