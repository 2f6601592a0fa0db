"""Queries about prices."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, update

from services.accounts.plans.models import Price, PriceKind
from services.kit.database import ReadSession, WriteSession
from services.kit.events.contracts import MAX_RATES


def get(session: ReadSession, price_id: str) -> Price | None:
    return session.get(Price, price_id)


def in_force(session: ReadSession, moment: datetime) -> Sequence[Price]:
    """What is sold at this moment, the cheapest of each kind first."""
    return session.scalars(
        select(Price)
        .where(Price.valid_from <= moment, _not_over(moment))
        .order_by(Price.kind, Price.amount_minor, Price.code)
    ).all()


def rates_since(session: ReadSession, moment: datetime) -> Sequence[Price]:
    """Versions of rates that held at this moment or later, or will; those that are not over first, at most as many as
    can be told."""
    return session.scalars(
        select(Price)
        .where(Price.kind == PriceKind.RATE, _not_over(moment), _ever_in_force())
        .order_by(Price.valid_to.is_not(None), Price.valid_to.desc(), Price.id)
        .limit(MAX_RATES)
    ).all()


def codes_of_rates(session: ReadSession, moment: datetime) -> set[str]:
    """Codes of rates that hold at this moment, or are to."""
    return set(session.scalars(select(Price.code).where(Price.kind == PriceKind.RATE, _not_over(moment))))


def page(session: ReadSession, *, before: str | None, limit: int) -> Sequence[Price]:
    """Every version of every price, the newest first."""
    query = select(Price).order_by(Price.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Price.id < before)).all()


def end(session: WriteSession, kind: str, code: str, moment: datetime) -> None:
    """Ends the version in force at this moment, and takes back those that would begin later."""
    of_code = (Price.kind == kind, Price.code == code)
    session.execute(update(Price).where(*of_code, Price.valid_from >= moment).values(valid_to=Price.valid_from))
    session.execute(update(Price).where(*of_code, Price.valid_from < moment, _not_over(moment)).values(valid_to=moment))


def _ever_in_force() -> ColumnElement[bool]:
    """Not one that was taken back before it began."""
    return or_(Price.valid_to.is_(None), Price.valid_to > Price.valid_from)


def _not_over(moment: datetime):  # type: ignore[no-untyped-def]  # the type of a condition is SQLAlchemy's affair
    return or_(Price.valid_to.is_(None), Price.valid_to > moment)
