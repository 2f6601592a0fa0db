"""What a partner asks about callbacks."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.kit.paging import DeliveryCursor, Limit
from services.kit.schemas import Page
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.routes import page_of
from services.notifier.deliveries.schemas import DeliveryStatus, DeliveryView
from services.notifier.dependencies import DatabaseDep, EndpointsDep, Partner
from services.notifier.endpoints.schemas import RotatedSecret

router = APIRouter(tags=["partners"])


@router.post("/v1/callbacks/rotate-secret", summary="Get a new secret for callbacks")
def rotate_callback_secret(partner: Partner, database: DatabaseDep, endpoints: EndpointsDep) -> RotatedSecret:
    """The secret that what is sent to the `callback_url` of an order is signed with, shown this once. For 24 hours the
    one before, if there was one, signs as well."""
    with database.write() as session:
        secret, until = endpoints.callbacks.rotate_secret(session, partner.account_id)
    return RotatedSecret(secret=secret, previous_secret_until=until)


@router.get("/v1/callbacks/deliveries", summary="List deliveries to callback addresses")
def list_callback_deliveries(
    partner: Partner,
    database: DatabaseDep,
    status: Annotated[DeliveryStatus | None, Query(description="Only of this status.")] = None,
    limit: Limit = 20,
    cursor: DeliveryCursor = None,
) -> Page[DeliveryView]:
    """What was sent to the addresses that orders named, what was answered, and how long it took; newest first."""
    with database.read() as session:
        found = deliveries.page_of_callbacks(session, partner.account_id, status=status, before=cursor, limit=limit + 1)
        return page_of(session, found, limit)
