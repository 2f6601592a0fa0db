"""The feed of an account's events."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from services.kit.paging import Limit
from services.kit.schemas import Page
from services.notifier.dependencies import AccountOwner, FeedDep, Reader
from services.notifier.events.schemas import MAX_SEQUENCE, EventPage, EventView
from services.notifier.events.types import EventType

router = APIRouter()

MAX_WAIT_SECONDS = 25
"""Below the gateway's patience with a service that is silent."""


@router.get("/v1/events", summary="Read what happened", tags=["partners"])
async def list_events(
    request: Request,
    reader: Reader,
    feed: FeedDep,
    after: Annotated[
        int,
        Query(ge=0, le=MAX_SEQUENCE, description="`next_after` of the call before; 0 for the oldest that is kept."),
    ] = 0,
    types: Annotated[
        list[EventType] | None, Query(description="Only of these types; `types=` once for each. Absent: all.")
    ] = None,
    wait: Annotated[
        int,
        Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for an event where none follows yet."),
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=100, description="Most events of the answer.")] = 100,
) -> EventPage:
    """The account's events in the order of their numbers, none left out: the same that webhooks carry. With `wait` the
    answer comes as soon as there is one, and empty when there was none."""
    return await feed.next(
        reader.account_id,
        after=after,
        types=types or (),
        limit=limit,
        wait_seconds=wait,
        gone=request.is_disconnected,
    )


@router.get("/internal/events", include_in_schema=False)
def export_events(
    owner: AccountOwner,
    feed: FeedDep,
    limit: Limit = 20,
    cursor: Annotated[int, Query(ge=0, le=MAX_SEQUENCE)] = 0,
) -> Page[EventView]:
    """All events that are kept of an account, for its export. Only the gateway asks."""
    page = feed.page(owner.account_id, after=cursor, types=(), limit=limit)
    return Page(items=page.items, next_cursor=str(page.next_after) if len(page.items) == limit else None)
