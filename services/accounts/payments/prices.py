"""What is sold, as payments see it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.accounts.plans import service as plans
from services.accounts.plans.errors import PriceNotFound
from services.kit.database import ReadSession


class PriceKind(StrEnum):
    PACK = "pack"
    """Credits, once."""
    PLAN = "plan"
    """Credits every month, and a plan's allowances, until it is ended."""


@dataclass(frozen=True)
class Price:
    id: str
    kind: PriceKind
    name: str
    amount_minor: int
    currency: str
    """ISO 4217, lower case."""
    credits: int
    plan: str | None = None


class PriceBook(Protocol):
    def price(self, session: ReadSession, price_id: str) -> Price | None:
        """What is sold under this id now."""


class PriceList:
    """The packs and plans of the price list."""

    def price(self, session: ReadSession, price_id: str) -> Price | None:
        try:
            found = plans.on_sale(session, price_id)
        except PriceNotFound:
            return None
        kind = PriceKind(found.kind)
        return Price(
            id=found.id,
            kind=kind,
            name=found.name,
            amount_minor=found.amount_minor or 0,
            currency=found.currency or "",
            credits=found.credits or 0,
            plan=found.code if kind is PriceKind.PLAN else None,
        )
