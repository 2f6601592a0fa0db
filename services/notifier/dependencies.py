"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from services.kit.auth import Principal, Role
from services.kit.database import Database
from services.kit.dependencies import require_role, require_scope
from services.notifier.deliveries.queue import DeliveryQueue
from services.notifier.endpoints.service import Endpoints
from services.notifier.events.feed import Feed


async def _database(request: Request) -> Database:
    # What computes nothing is no work for another thread.
    database: Database = request.app.state.database
    return database


async def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


async def _endpoints(request: Request) -> Endpoints:
    endpoints: Endpoints = request.app.state.endpoints
    return endpoints


async def _queue(request: Request) -> DeliveryQueue:
    queue: DeliveryQueue = request.app.state.queue
    return queue


DatabaseDep = Annotated[Database, Depends(_database)]
FeedDep = Annotated[Feed, Depends(_feed)]
EndpointsDep = Annotated[Endpoints, Depends(_endpoints)]
QueueDep = Annotated[DeliveryQueue, Depends(_queue)]
Reader = Annotated[Principal, Depends(require_role(Role.PARTNER, scope="events"))]
Partner = Annotated[Principal, Depends(require_role(Role.PARTNER, scope="webhooks"))]
AccountOwner = Annotated[Principal, Depends(require_scope("account"))]
