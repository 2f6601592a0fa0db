"""Requests and answers of administration."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, field_validator

from services.accounts.ledger.transfers import MAX_CREDITS, Balance
from services.accounts.users.models import User
from services.accounts.users.roles import Role
from services.kit.schemas import Line, RequestBody, Whole


class AccountView(BaseModel):
    """An account as admins see it."""

    id: str
    email: str
    display_name: str | None
    roles: list[Role]
    plan: str
    disabled_at: datetime | None = Field(description="Since when it can do nothing; null where it can.")
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "AccountView":
        return cls(
            id=user.id,
            email=user.email,
            display_name=user.display_name,
            roles=[Role(role) for role in user.roles],
            plan=user.plan,
            disabled_at=user.disabled_at,
            created_at=user.created_at,
        )


class AccountWithCredits(AccountView):
    available_credits: int
    reserved_credits: int
    debt_credits: int

    @classmethod
    def with_balance(cls, user: User, balance: Balance | None) -> "AccountWithCredits":
        balance = balance or Balance(0, 0, 0, 0)
        return cls(
            **AccountView.of(user).model_dump(),
            available_credits=balance.available,
            reserved_credits=balance.reserved,
            debt_credits=balance.debt,
        )


class AccountChange(RequestBody):
    """Fields that are absent stay as they are."""

    roles: Annotated[list[Role], Field(max_length=len(Role), json_schema_extra={"uniqueItems": True})] | None = Field(
        None, description="All that the account is from now on; everybody is a `user`."
    )
    disabled: bool | None = None


class CreditAdjustment(RequestBody):
    credits: Annotated[int, Whole(ge=-MAX_CREDITS, le=MAX_CREDITS)] = Field(
        json_schema_extra={"not": {"const": 0}}, description="To give, or, below 0, to take."
    )
    reason: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(
        description="What the account's statement and the audit log say."
    )
    expires_at: AwareDatetime | None = Field(
        None, description="Makes it a promotion: what is given and not spent by then is taken back."
    )

    @field_validator("credits")
    @classmethod
    def _some(cls, amount: int) -> int:
        if amount == 0:
            raise ValueError("must not be 0")
        return amount
