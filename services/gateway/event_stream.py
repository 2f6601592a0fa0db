"""`GET /v1/events/stream`: what happens to an account, as server-sent events (WHATWG HTML, section 9.2).

The notifier's feed is the one source, and its `sequence` the id of each event: a stream is a reader of the feed that
does not ask. The event log only says that it is time to look; a stream that heard nothing looks by itself, so order,
completeness and resuming never depend on the broker. An idle stream holds no connection to the notifier.
"""

import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import ServerSentEvent
from starlette.types import Scope

from services.gateway.admission import Admission
from services.gateway.event_response import EventResponse
from services.gateway.hub import Hub, Subscription
from services.gateway.proxy import Outgoing, Services, read_whole
from services.gateway.routes import Upstream
from services.gateway.stream import CHECK_SECONDS, RECONNECT_MILLISECONDS, compact, detail_of
from services.kit.errors import Forbidden, Invalid, StemwrightError, Unauthorized, Unavailable
from services.kit.telemetry import current_traceparent

LAST = 2**53 - 1
"""After this nothing follows: the answer says where the feed ends."""
PAGE_ITEMS = 20
MAX_PAGE_BYTES = 1024 * 1024
POLLS_LESS_OFTEN = 5
"""Than the stream of a job, which has no other source of its progress."""
NEWS_WAIT_SECONDS = 2
"""The event log tells the notifier and us at the same time: so long its answer may take until it has the event."""
MAX_TYPES = 30
PING_SECONDS = 15.0
"""After so long without an event a comment is sent, so that nobody on the way takes the connection for dead."""

EVENT = {
    "type": "object",
    "title": "AccountStreamEvent",
    "properties": {
        "event": {"type": "string", "description": "The event's type, or `gap`."},
        "id": {"type": "string", "description": "Its `sequence`.", "pattern": "^[0-9]{1,16}$"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "JSON: the event, as `GET /v1/events` answers it. Of a `gap`: `{oldest_sequence}`.",
        },
        "retry": {"type": "integer", "minimum": 0},
    },
}
"""One event of the stream, as the public document has it."""

router = APIRouter()


@dataclass(frozen=True)
class Page:
    """What follows in the feed."""

    items: list[dict[str, Any]]
    next_after: int
    oldest: int | None

    @property
    def full(self) -> bool:
        return len(self.items) == PAGE_ITEMS


class FeedSource:
    """Reads the feed of one caller, in their name."""

    def __init__(self, services: Services, admission: Admission, scope: Scope, types: list[str]) -> None:
        self._notifier = services[Upstream.NOTIFIER]
        self._admission = admission
        self._scope = scope
        self._types = types

    async def ask(self, after: int, *, wait: int = 0) -> Page:
        """Raises Invalid, Unauthorized, Forbidden, or what a service that is away raises."""
        query = urlencode(
            [("after", after), ("wait", wait), ("limit", PAGE_ITEMS), *(("types", t) for t in self._types)]
        )
        own = {
            b"authorization": await self._admission.renew(self._scope),
            b"x-request-id": self._scope["state"]["request_id"].encode(),
            b"traceparent": (current_traceparent() or "").encode(),
        }
        headers = [(name, value) for name, value in own.items() if value]
        outgoing = Outgoing("GET", f"/v1/events?{query}".encode(), headers, repeatable=True)
        async with self._notifier.request(outgoing) as response:
            answer = await read_whole(response, MAX_PAGE_BYTES)
        match response.status:
            case HTTPStatus.OK:
                document = json.loads(answer)
                return Page(document["items"], document["next_after"], document["oldest_sequence"])
            case HTTPStatus.UNAUTHORIZED:
                raise Unauthorized
            case HTTPStatus.FORBIDDEN:
                raise Forbidden(detail_of(answer))
            case HTTPStatus.UNPROCESSABLE_ENTITY:
                raise Invalid(detail_of(answer))
            case _:
                raise Unavailable("Events cannot be read at the moment.", retry_after_seconds=2)

    async def check(self) -> None:
        """Raises Unauthorized where the caller's session or key was ended."""
        await self._admission.renew(self._scope)


class AccountStream:
    """The events of one stream, from its first page to its end."""

    def __init__(
        self,
        source: FeedSource,
        subscription: Subscription,
        after: int,
        first: Page,
        *,
        poll_seconds: Callable[[], float],
        max_seconds: float,
        left: Callable[[], Awaitable[bool]],
    ) -> None:
        self._source = source
        self._subscription = subscription
        self._after = after
        self._page = first
        self._poll_seconds = poll_seconds
        self._ends = time.monotonic() + max_seconds
        self._left = left
        self._told = False
        """The event log has told of the account since the last look."""

    async def events(self) -> AsyncGenerator[ServerSentEvent, None]:
        """Ends when the caller's access does, when they have `left`, when the process stops, or after the longest life
        of a stream."""
        yield ServerSentEvent(retry=RECONNECT_MILLISECONDS)
        if self._page.oldest is not None and self._page.oldest > self._after + 1:
            yield ServerSentEvent(event="gap", raw_data=compact({"oldest_sequence": self._page.oldest}))
        while True:
            for event in self._page.items:
                yield ServerSentEvent(event=event["type"], id=str(event["sequence"]), raw_data=compact(event))
            self._after = max(self._after, self._page.next_after)
            self._told = False
            if not self._page.full:
                try:
                    async for comment in self._until_due():
                        yield comment
                except Unauthorized:
                    return
                except StemwrightError:
                    pass  # the sign-in cannot be checked: the next question says so
            if self._subscription.closed or time.monotonic() >= self._ends or await self._left():
                return
            try:
                self._page = await self._source.ask(self._after, wait=NEWS_WAIT_SECONDS if self._told else 0)
            except (Unauthorized, Forbidden):
                return
            except StemwrightError:
                # The notifier restarts: what was missed is told when it is back.
                self._page = Page([], self._after, None)

    async def _until_due(self) -> AsyncGenerator[ServerSentEvent, None]:
        """Comments, until the event log tells of the account, or it is time to look, or nobody listens any more."""
        # Spread, so that streams that were opened together do not ask together.
        due = min(self._ends, time.monotonic() + self._poll_seconds() * random.uniform(0.8, 1.2))  # noqa: S311
        subscription = self._subscription
        quiet_since = time.monotonic()
        while not subscription.closed and not await self._left():
            self._told = subscription.take_status_changed()
            remaining = due - time.monotonic()
            if self._told or remaining <= 0:
                return
            await subscription.wait(min(remaining, CHECK_SECONDS))
            await self._source.check()
            if time.monotonic() - quiet_since >= PING_SECONDS:
                quiet_since = time.monotonic()
                yield ServerSentEvent(comment="ping")


async def open_stream(
    request: Request,
    response: Response,
    types: Annotated[
        list[str] | None, Query(description="Only of these types; `types=` once for each.", max_length=MAX_TYPES)
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="Events after this `sequence` are sent, then what happens from now on.")
    ] = None,
) -> AsyncIterator[AccountStream]:
    """Everything that can fail, before the first byte goes out: problems are problem documents, not cut streams."""
    admission: Admission = request.app.state.admission
    hub: Hub = request.app.state.hub
    admitted = await admission.admit(request.scope)
    response.headers.raw.extend(admitted.rate_headers)
    settings = admission.settings
    with admission.streams.one(admitted.address, admitted.account_id):
        # First listen, then ask: nothing falls between the two.
        subscription = hub.subscribe(admitted.account_id or "")
        try:
            source = FeedSource(request.app.state.services, admission, request.scope, types or [])
            after = _sequence(last_event_id)
            first = await source.ask(LAST if after is None else after)
            yield AccountStream(
                source,
                subscription,
                first.next_after if after is None else after,
                Page([], first.next_after, None) if after is None else first,
                poll_seconds=lambda: (
                    POLLS_LESS_OFTEN
                    * max(settings.stream_poll_seconds, admission.streams.total / settings.stream_polls_per_second)
                ),
                max_seconds=settings.stream_max_seconds,
                left=request.is_disconnected,
            )
        finally:
            hub.unsubscribe(subscription)


@router.get(
    "/v1/events/stream",
    response_class=EventResponse,
    tags=["partners"],
    summary="Watch what happens",
    responses={
        200: {
            "description": "The events of the feed, as they come about. `gap` comes first where `Last-Event-ID` is of "
            "before what is kept.",
            "content": {"text/event-stream": {"schema": EVENT}},
        },
    },
)
async def stream_events(stream: Annotated[AccountStream, Depends(open_stream)], response: Response) -> EventResponse:
    """Server-sent events of the account, from now on, or from the one after `Last-Event-ID`, none left out. Comments
    keep an idle connection open; it ends after an hour and is resumed."""
    events = EventResponse(stream.events())
    events.headers.raw.extend(response.headers.raw)
    return events


def _sequence(last_event_id: str | None) -> int | None:
    """None where it is no `sequence` of ours."""
    if last_event_id is None or not (last_event_id.isascii() and last_event_id.isdigit()):
        return None
    return min(int(last_event_id[:20]), LAST)
