"""The user who asks."""

from typing import Annotated

from fastapi import APIRouter, Body

from services.accounts.dependencies import AccountOwner, AccountsDep
from services.accounts.users.schemas import ProfileChange, UserView
from services.kit.schemas import examples

router = APIRouter(tags=["accounts"])


@router.get("/v1/me", summary="Get yourself")
def get_me(accounts: AccountsDep, owner: AccountOwner) -> UserView:
    """Whose credential this is."""
    with accounts.database.read() as session:
        return UserView.of(accounts.users.get(session, owner.account_id))


@router.patch("/v1/me", summary="Change yourself")
def update_me(
    body: Annotated[
        ProfileChange,
        Body(openapi_examples=examples({"display_name": "Ada Lovelace"}, low_credits={"low_credits_threshold": 600})),
    ],
    accounts: AccountsDep,
    owner: AccountOwner,
) -> UserView:
    """Changes what is given; null takes it away."""
    with accounts.database.write() as session:
        if "display_name" in body.model_fields_set:
            accounts.users.set_display_name(session, owner.account_id, body.display_name)
        if "low_credits_threshold" in body.model_fields_set:
            accounts.users.set_low_credits_threshold(session, owner.account_id, body.low_credits_threshold)
        return UserView.of(accounts.users.get(session, owner.account_id))
