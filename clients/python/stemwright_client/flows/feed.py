"""The events of an account, in the order of their numbers."""

from collections.abc import Sequence

from stemwright_client import calls
from stemwright_client.errors import EventsMissed
from stemwright_client.flows.sending import PAGE, send
from stemwright_client.steps import Emit, Flow, Sleep

LONGEST_WAIT_SECONDS = 25
"""What the platform waits at most before it answers that there is nothing."""
_PAUSE_SECONDS = 1.0
"""After an empty answer: an account has four long calls at a time, a fifth is answered at once."""


def events(after: int | None, types: Sequence[str], patience_seconds: float, *, follow: bool) -> Flow[None]:
    """Emits what follows the place, and goes on waiting for more where told to. Raises EventsMissed, ApiError."""
    wait_seconds = LONGEST_WAIT_SECONDS if follow else 0
    checked = after
    while True:
        page = yield from send(calls.events(after, types, wait_seconds, PAGE), patience_seconds)
        if checked is not None and page.oldest_sequence is not None and page.oldest_sequence > checked + 1:
            raise EventsMissed(checked, page.oldest_sequence)
        checked = page.next_after
        for event in page.items:
            yield Emit(event)
        if not page.items and not follow:
            return
        if not page.items:
            yield Sleep(_PAUSE_SECONDS)
        after = page.next_after
