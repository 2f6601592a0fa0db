"""Keys for programs."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from services.accounts.api_keys.errors import ApiKeyNotFound, ExpiryInThePast, TooManyApiKeys
from services.accounts.api_keys.schemas import ApiKeyMade, ApiKeyView, NewApiKey
from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.kit.database import WriteSession
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.paging import ApiKeyCursor, Limit
from services.kit.schemas import ApiKeyId, Page, examples

router = APIRouter(tags=["accounts"])


@router.post(
    "/v1/api-keys",
    summary="Make an API key",
    status_code=201,
    response_model=ApiKeyMade,
    responses=answers(ApiKeyNotFound, TooManyApiKeys, ExpiryInThePast, IdempotencyInProgress, IdempotencyConflict),
)
def create_api_key(
    body: Annotated[
        NewApiKey,
        Body(openapi_examples=examples({"name": "my program", "scopes": ["uploads", "jobs", "billing:read"]})),
    ],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Makes an API key. The answer is the one place where the key itself is shown."""
    secret: str | None = None

    def create(session: WriteSession) -> str:
        nonlocal secret
        accounts.users.get(session, owner.account_id)
        made = accounts.api_keys.create(
            session,
            owner.account_id,
            body.name,
            body.scopes,
            origin,
            expires_at=body.expires_at,
            tell_again=idempotency_key is not None,
        )
        accounts.sessions.require_open(session, owner.account_id, owner.grant_id)
        secret = made.secret
        return made.id

    def respond(key_id: str) -> tuple[int, dict[str, Any]]:
        with accounts.database.read() as session:
            return 201, ApiKeyView.of(accounts.api_keys.get(session, owner.account_id, key_id)).model_dump(mode="json")

    answer = idempotent(
        accounts.database,
        account_id=owner.account_id,
        key=idempotency_key,
        operation="createApiKey",
        body=body,
        create=create,
        respond=respond,
    )
    # The stored answer must not hold the key in clear, so it is put in here.
    content = json.loads(bytes(answer.body))
    if secret is None:
        with accounts.database.read() as session:
            secret = accounts.api_keys.secret_of(session, owner.account_id, content["id"])
    headers = {name: value for name, value in answer.headers.items() if name == "idempotent-replay"}
    return JSONResponse({**content, "key": secret}, answer.status_code, {**headers, "Cache-Control": "no-store"})


@router.get("/v1/api-keys", summary="List API keys")
def list_api_keys(
    accounts: AccountsDep, owner: AccountOwner, limit: Limit = 20, cursor: ApiKeyCursor = None
) -> Page[ApiKeyView]:
    """Keys that are not deleted, newest first. One that expired is deleted a day later."""
    with accounts.database.read() as session:
        keys, more = accounts.api_keys.page(session, owner.account_id, before=cursor, limit=limit)
        return Page(items=[ApiKeyView.of(key) for key in keys], next_cursor=keys[-1].id if more else None)


@router.delete("/v1/api-keys/{key_id}", summary="Delete an API key", status_code=204, responses=answers(ApiKeyNotFound))
def delete_api_key(key_id: ApiKeyId, accounts: AccountsDep, owner: AccountOwner, origin: OriginDep) -> None:
    """Deletes a key. Within five seconds nothing accepts it any more."""
    with accounts.database.write() as session:
        accounts.api_keys.revoke(session, owner.account_id, key_id, origin)
