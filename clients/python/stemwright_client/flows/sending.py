"""One call of the API, as often as it takes."""

import email.utils
import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from stemwright_client.calls import Call
from stemwright_client.errors import (
    ApiError,
    ConnectionFailed,
    StemwrightError,
    StoreError,
    UnexpectedAnswer,
    api_error,
)
from stemwright_client.models import Page
from stemwright_client.steps import Answer, Emit, Flow, Sleep

T = TypeVar("T")

_log = logging.getLogger("stemwright_client")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
PAGE = 100


@dataclass
class Patience:
    """How long something is tried again: so many seconds from the first failure in a row.

    Pauses double and are drawn at random up to that ("full jitter"), so that many clients do not come back at once;
    a `Retry-After` is waited for, and a little more.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _until: float = 0.0

    def renew(self) -> None:
        """Something went well: what fails next fails for the first time."""
        self._failures = 0

    def after(self, error: StemwrightError) -> Flow[None]:
        """Pauses, or raises the error where there is no time left for it."""
        if self._failures == 0:
            self._until = self.clock() + self.seconds
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._failures)
        pause = random.uniform(0, longest)  # noqa: S311 - nothing secret about it
        if isinstance(error, ApiError) and error.retry_after_seconds is not None:
            pause = error.retry_after_seconds + random.uniform(0, FIRST_PAUSE_SECONDS)  # noqa: S311
        if self.clock() + pause > self._until:
            raise error
        if self._failures == 0 and self.seconds > LONGEST_PAUSE_SECONDS:
            # Nobody is to wait for minutes without a word. A limit is waited for as a matter of course.
            level = logging.DEBUG if isinstance(error, ApiError) and error.status == 429 else logging.WARNING
            _log.log(level, "%s; trying again for up to %.0f s", error, self.seconds)
        self._failures += 1
        yield Sleep(pause)


def is_passing(error: StemwrightError) -> bool:
    """Whether the same may succeed a moment later."""
    if isinstance(error, ApiError):
        # 409 with Retry-After: the same request is being answered at this moment.
        return error.status in _PASSING or (error.status == 409 and error.retry_after_seconds is not None)
    return isinstance(error, ConnectionFailed) or (isinstance(error, StoreError) and error.status in _PASSING)


def send(call: Call[T], patience_seconds: float) -> Flow[T]:
    """The answer. Raises ApiError, ConnectionFailed or UnexpectedAnswer."""
    patience = Patience(patience_seconds)
    while True:
        try:
            answer: Answer = yield call.request
            refuse(answer)
            return call.read(answer)
        except (ApiError, ConnectionFailed) as error:
            # What was refused by a limit was not done; of anything else that failed nobody knows.
            certainly_not_done = isinstance(error, ApiError) and error.status == 429
            if not is_passing(error) or not (call.repeatable or certainly_not_done):
                raise
            failure = error
        yield from patience.after(failure)


def refuse(answer: Answer) -> None:
    """Raises the ApiError that a refusal is, or UnexpectedAnswer where no platform has refused."""
    if answer.status < 400:
        if answer.status >= 300:
            raise api_error(answer.status, {"detail": f"it leads elsewhere: {answer.headers.get('location')}"})
        return
    try:
        problem = json.loads(answer.body)
    except ValueError:
        problem = None
    if not (isinstance(problem, dict) and "code" in problem):
        # A proxy before the platform answers too, for a while.
        if answer.status not in _PASSING:
            raise UnexpectedAnswer(f"there is no platform at this address: it answered {answer.status}, without a code")
        problem = {"detail": f"the answer was {answer.status}, without a reason"}
    raise api_error(answer.status, problem, retry_after(answer.headers.get("retry-after")))


def retry_after(value: str | None) -> float | None:
    """Seconds from now: the header names a number of them, or a date."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def every(page: Callable[[str | None], Call[Page[T]]], patience_seconds: float) -> Flow[None]:
    """Emits each item of a list, page by page."""
    cursor: str | None = None
    while True:
        answer = yield from send(page(cursor), patience_seconds)
        yield from _emitted(iter(answer.items))
        cursor = answer.next_cursor
        if cursor is None:
            return


def _emitted(items: Iterator[T]) -> Flow[None]:
    for item in items:
        yield Emit(item)
