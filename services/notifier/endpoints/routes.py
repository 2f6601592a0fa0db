"""Webhook endpoints of an account."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from services.kit.database import WriteSession
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.paging import EndpointCursor, Limit
from services.kit.schemas import EndpointId, Page, examples
from services.notifier.dependencies import AccountOwner, DatabaseDep, EndpointsDep, Partner
from services.notifier.endpoints import repository as endpoint_rows
from services.notifier.endpoints.errors import EndpointNotFound, TooManyEndpoints, WebhookUrlRefused
from services.notifier.endpoints.schemas import EndpointChange, EndpointMade, EndpointView, NewEndpoint, RotatedSecret

router = APIRouter(tags=["partners"])

EXAMPLE: dict[str, Any] = {
    "url": "https://hooks.example.com/stemwright",
    "event_types": ["job.succeeded", "job.failed"],
}


@router.post(
    "/v1/webhook-endpoints",
    summary="Add a webhook endpoint",
    status_code=201,
    response_model=EndpointMade,
    responses=answers(
        TooManyEndpoints, WebhookUrlRefused, EndpointNotFound, IdempotencyInProgress, IdempotencyConflict
    ),
)
def create_webhook_endpoint(
    body: Annotated[NewEndpoint, Body(openapi_examples=examples(EXAMPLE))],
    partner: Partner,
    database: DatabaseDep,
    endpoints: EndpointsDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Events of the account are sent there from now on, by POST, signed as Standard Webhooks 1.0 says. The answer is
    the one place where the secret is shown."""

    def create(session: WriteSession) -> str:
        return endpoints.create(session, partner.account_id, body).id

    def respond(endpoint_id: str) -> tuple[int, dict[str, Any]]:
        with database.read() as session:
            endpoint = endpoints.get(session, partner.account_id, endpoint_id)
        return 201, EndpointView.of(endpoint).model_dump(mode="json")

    answer = idempotent(
        database,
        account_id=partner.account_id,
        key=idempotency_key,
        operation="createWebhookEndpoint",
        body=body,
        create=create,
        respond=respond,
    )
    # The stored answer must not hold the secret in clear, so it is put in here.
    content = json.loads(bytes(answer.body))
    with database.read() as session:
        content["secret"] = endpoints.secret_of(endpoints.get(session, partner.account_id, content["id"]))
    headers = {name: value for name, value in answer.headers.items() if name == "idempotent-replay"}
    return JSONResponse(content, answer.status_code, {**headers, "Cache-Control": "no-store"})


@router.get("/v1/webhook-endpoints", summary="List webhook endpoints")
def list_webhook_endpoints(
    partner: Partner, database: DatabaseDep, limit: Limit = 20, cursor: EndpointCursor = None
) -> Page[EndpointView]:
    """The account's endpoints, newest first; without their secrets."""
    return _page(partner.account_id, database, limit, cursor)


@router.get("/internal/webhook-endpoints", include_in_schema=False)
def export_webhook_endpoints(
    owner: AccountOwner, database: DatabaseDep, limit: Limit = 20, cursor: EndpointCursor = None
) -> Page[EndpointView]:
    """The same for the account's export, whatever its roles are now. Only the gateway asks."""
    return _page(owner.account_id, database, limit, cursor)


def _page(account_id: str, database: DatabaseDep, limit: int, cursor: str | None) -> Page[EndpointView]:
    with database.read() as session:
        found = endpoint_rows.page(session, account_id, before=cursor, limit=limit + 1)
    shown = [EndpointView.of(endpoint) for endpoint in found[:limit]]
    return Page(items=shown, next_cursor=shown[-1].id if len(found) > limit else None)


@router.patch(
    "/v1/webhook-endpoints/{endpoint_id}",
    summary="Change a webhook endpoint",
    responses=answers(EndpointNotFound, WebhookUrlRefused),
)
def change_webhook_endpoint(
    endpoint_id: EndpointId,
    body: Annotated[EndpointChange, Body(openapi_examples=examples({"event_types": []}, pause={"enabled": False}))],
    partner: Partner,
    database: DatabaseDep,
    endpoints: EndpointsDep,
) -> EndpointView:
    """Address, types, description, or whether anything is sent. What waits for an endpoint that is disabled is given
    up; redeliver it once the endpoint is enabled again."""
    with database.write() as session:
        return EndpointView.of(endpoints.change(session, partner.account_id, endpoint_id, body))


@router.delete(
    "/v1/webhook-endpoints/{endpoint_id}",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses=answers(EndpointNotFound),
)
def delete_webhook_endpoint(
    endpoint_id: EndpointId, partner: Partner, database: DatabaseDep, endpoints: EndpointsDep
) -> None:
    """Its deliveries go with it."""
    endpoints.delete(database, partner.account_id, endpoint_id)


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
    summary="Rotate the secret of a webhook endpoint",
    responses=answers(EndpointNotFound),
)
def rotate_webhook_secret(
    endpoint_id: EndpointId, partner: Partner, database: DatabaseDep, endpoints: EndpointsDep
) -> RotatedSecret:
    """A new secret. For 24 hours what is sent is signed with both."""
    with database.write() as session:
        secret, until = endpoints.rotate_secret(session, partner.account_id, endpoint_id)
    return RotatedSecret(secret=secret, previous_secret_until=until)
