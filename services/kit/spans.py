"""The last hour, day or week in equal steps, as overviews are drawn."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, case
from sqlalchemy.orm import InstrumentedAttribute


class Span(StrEnum):
    """How far back an overview goes."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


_STEPS = {
    Span.HOUR: (timedelta(minutes=5), 12),
    Span.DAY: (timedelta(hours=1), 24),
    Span.WEEK: (timedelta(hours=6), 28),
}
LONGEST = max(step * count for step, count in _STEPS.values())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def edges_of(span: Span, now: datetime) -> list[datetime]:
    """Where the steps of the span begin, and where the last one ends: at the next whole step after `now`."""
    step, count = _STEPS[span]
    end = now + step - (now - _EPOCH) % step
    return [end - step * (count - number) for number in range(count + 1)]


def step_of(moment: InstrumentedAttribute[datetime], edges: Sequence[datetime]) -> ColumnElement[Any]:
    """SQL of the number of the step that a moment between the first and the last edge lies in. To be given a name and
    grouped by in an outer query: PostgreSQL does not see that two such expressions are the same."""
    return case(*((moment < edge, number) for number, edge in enumerate(edges[1:])))
