"""For admins: accounts, their roles and their credits."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from services.accounts.administration.errors import LastAdmin, PromotionOver, TooFewCredits, UserNotFound
from services.accounts.administration.schemas import AccountChange, AccountView, AccountWithCredits, CreditAdjustment
from services.accounts.dependencies import AccountsDep, Admin, OriginDep
from services.accounts.ledger import repository as ledger
from services.kit.database import WriteSession
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.paging import AccountCursor, Limit
from services.kit.schemas import AccountId, Line, Page, examples

router = APIRouter(prefix="/v1/admin/users", tags=["operators"])


@router.get("", summary="Find users")
def find_users(
    accounts: AccountsDep,
    _admin: Admin,
    query: Annotated[
        Line | None,
        StringConstraints(max_length=254),
        Query(description="A part of the address or the name, or the whole id. Absent: all."),
    ] = None,
    limit: Limit = 20,
    cursor: AccountCursor = None,
) -> Page[AccountView]:
    """Users, newest first."""
    with accounts.database.read() as session:
        found, more = accounts.administration.search(session, query, before=cursor, limit=limit)
        return Page(items=[AccountView.of(user) for user in found], next_cursor=found[-1].id if more else None)


@router.get("/{account_id}", summary="Get a user", responses=answers(UserNotFound))
def get_user(account_id: AccountId, accounts: AccountsDep, _admin: Admin) -> AccountWithCredits:
    """An account, with its credits."""
    with accounts.database.read() as session:
        user = accounts.administration.user(session, account_id)
        return AccountWithCredits.with_balance(user, ledger.balance(session, user.id))


@router.patch("/{account_id}", summary="Change a user", responses=answers(UserNotFound, LastAdmin))
def change_user(
    account_id: AccountId,
    body: Annotated[
        AccountChange, Body(openapi_examples=examples({"roles": ["user", "partner"]}, disable={"disabled": True}))
    ],
    accounts: AccountsDep,
    admin: Admin,
    origin: OriginDep,
) -> AccountWithCredits:
    """Changes what is given. It counts everywhere within five seconds: access tokens from before are refused, and are
    refreshed with what the account may do now. Who is disabled is signed out, neither keys nor passwords work, and by
    links to what the account separated nobody listens until it is enabled."""
    with accounts.database.write() as session:
        user = accounts.administration.user(session, account_id)
        if body.roles is not None:
            accounts.administration.set_roles(session, account_id, body.roles, origin, admin.account_id)
        if body.disabled is not None:
            accounts.administration.set_disabled(session, account_id, body.disabled, origin, admin.account_id)
        return AccountWithCredits.with_balance(user, ledger.balance(session, account_id))


@router.post(
    "/{account_id}/credits",
    summary="Adjust credits",
    status_code=201,
    response_model=AccountWithCredits,
    responses=answers(UserNotFound, TooFewCredits, PromotionOver, IdempotencyInProgress, IdempotencyConflict),
)
def adjust_credits(
    account_id: AccountId,
    body: Annotated[
        CreditAdjustment, Body(openapi_examples=examples({"credits": 600, "reason": "For the outage of Monday"}))
    ],
    accounts: AccountsDep,
    admin: Admin,
    origin: OriginDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Gives or takes credits, as one movement with its reason in the account's statement. With `expires_at` it is a
    promotion: what is not spent by then lapses."""

    def create(session: WriteSession) -> str:
        accounts.administration.adjust_credits(
            session, account_id, body.credits, body.reason, origin, admin.account_id, expires_at=body.expires_at
        )
        return account_id

    def respond(_account_id: str) -> tuple[int, dict[str, Any]]:
        with accounts.database.read() as session:
            user = accounts.administration.user(session, account_id)
            view = AccountWithCredits.with_balance(user, ledger.balance(session, account_id))
            return 201, view.model_dump(mode="json")

    return idempotent(
        accounts.database,
        account_id=admin.account_id,
        key=idempotency_key,
        operation=f"adjustCredits {account_id}",
        body=body,
        create=create,
        respond=respond,
    )
