"""The user who asks."""

from fastapi import APIRouter

from services.accounts.routes.dependencies import AccountOwner, AccountsDep
from services.accounts.schemas import ProfileChange, UserView

router = APIRouter(tags=["accounts"])


@router.get("/v1/me")
def get_me(accounts: AccountsDep, owner: AccountOwner) -> UserView:
    with accounts.database.read() as session:
        return UserView.of(accounts.users.get(session, owner.account_id))


@router.patch("/v1/me")
def update_me(body: ProfileChange, accounts: AccountsDep, owner: AccountOwner) -> UserView:
    with accounts.database.write() as session:
        if "display_name" in body.model_fields_set:
            user = accounts.users.set_display_name(session, owner.account_id, body.display_name)
        else:
            user = accounts.users.get(session, owner.account_id)
        return UserView.of(user)
