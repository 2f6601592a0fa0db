"""Prices as requests and answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from services.accounts.ledger.transfers import MAX_CREDITS
from services.accounts.plans.models import Price, PriceKind
from services.accounts.plans.rates import code_of, model_and_tier
from services.accounts.plans.service import NewPrice
from services.kit.events.contracts import MAX_RATE_MILLICREDITS
from services.kit.schemas import Line, RequestBody, Whole
from services.kit.validation import form

MAX_AMOUNT = 10**12
Currency = Annotated[str, StringConstraints(pattern=form("^[a-z]{3}$", "must be three small letters (ISO 4217)"))]
Code = Annotated[
    str, StringConstraints(pattern=form("^[a-z0-9][a-z0-9-]{0,39}$", "must be small letters, digits and hyphens"))
]

Model = Annotated[
    str,
    StringConstraints(
        pattern=form(
            r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,31})$", "must be * or the name of a model, of up to 32 characters"
        )
    ),
]


class PackView(BaseModel):
    """Credits that are bought once and do not expire."""

    id: str = Field(description="What a checkout asks for.")
    code: str
    name: str
    credits: int
    amount_minor: int = Field(description="In the smallest unit of the currency: cents, öre; of yen, yen.")
    currency: str


class PlanView(BaseModel):
    """Credits of every month, for as long as the plan is paid."""

    id: str = Field(description="What a checkout asks for.")
    code: str
    name: str
    credits_per_month: int
    previews_per_day: int
    amount_minor: int = Field(description="A month, in the smallest unit of the currency.")
    currency: str


class RateView(BaseModel):
    """What a second of sound costs, separated in full."""

    id: str = Field(description="Of this version of the rate; a quote names it.")
    model: str = Field(description="The network; `*` for every one without a rate of its own.")
    tier: str
    credits_per_second: float

    @classmethod
    def of(cls, price: Price) -> "RateView":
        model, tier = model_and_tier(price.code)
        return cls(id=price.id, model=model, tier=tier, credits_per_second=(price.rate_millicredits or 0) / 1000)


class PricesView(BaseModel):
    """What is sold now."""

    packs: Sequence[PackView]
    plans: Sequence[PlanView]
    rates: Sequence[RateView]
    previews_per_day: int = Field(description="Free previews a day (UTC) of an account without a plan.")


class _New(RequestBody):
    name: Annotated[Line, Field(min_length=1, max_length=100)]
    valid_from: AwareDatetime | None = Field(None, description="When it begins; without it, now.")


class _Sold(_New):
    code: Code
    credits: Annotated[int, Whole(ge=1, le=MAX_CREDITS)]
    amount_minor: Annotated[int, Whole(ge=0, le=MAX_AMOUNT)]
    currency: Currency


class NewPack(_Sold):
    kind: Literal["pack"]


class NewPlan(_Sold):
    kind: Literal["plan"]


class NewRate(_New):
    """What a second of sound costs, separated in full by a model and in a tier."""

    kind: Literal["rate"]
    model: Model = Field("*", description="The network; `*` for every one without a rate of its own.")
    tier: Literal["fast", "relaxed"] = "fast"
    millicredits_per_second: Annotated[int, Whole(ge=1, le=MAX_RATE_MILLICREDITS)] = Field(
        description="Thousandths of a credit."
    )


NewPriceBody = Annotated[NewPack | NewPlan | NewRate, Field(discriminator="kind")]


def new_price(body: NewPack | NewPlan | NewRate) -> NewPrice:
    """What the body asks for."""
    if isinstance(body, NewRate):
        return NewPrice(
            kind=PriceKind.RATE,
            code=code_of(body.model, body.tier),
            name=body.name,
            rate_millicredits=body.millicredits_per_second,
            valid_from=body.valid_from,
        )
    return NewPrice(
        kind=PriceKind(body.kind),
        code=body.code,
        name=body.name,
        credits=body.credits,
        amount_minor=body.amount_minor,
        currency=body.currency,
        valid_from=body.valid_from,
    )


class PriceVersion(BaseModel):
    """One version of one price, as those who set it see it."""

    id: str
    kind: PriceKind
    code: str = Field(description="The same through all versions; of a rate, `model/tier`.")
    name: str
    credits: int | None
    amount_minor: int | None
    currency: str | None
    millicredits_per_second: int | None
    valid_from: datetime
    valid_to: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, price: Price) -> "PriceVersion":
        return cls(
            id=price.id,
            kind=PriceKind(price.kind),
            code=price.code,
            name=price.name,
            credits=price.credits,
            amount_minor=price.amount_minor,
            currency=price.currency,
            millicredits_per_second=price.rate_millicredits,
            valid_from=price.valid_from,
            valid_to=price.valid_to,
            created_at=price.created_at,
        )
