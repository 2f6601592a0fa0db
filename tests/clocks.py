"""Clocks that stand still until a test moves them."""

from datetime import UTC, datetime, timedelta


class Clock:
    """A database's clock, which all who share the database see: moments in UTC."""

    def __init__(self, begins: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)) -> None:
        self.began = self.now = begins

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float = 0, **by: float) -> None:
        """By seconds, or as `timedelta` names a time: `hours=2`."""
        self.now += timedelta(seconds=seconds, **by)


class MonotonicClock:
    """A process' own clock: seconds since some moment."""

    def __init__(self, begins: float = 1000.0) -> None:
        self.now = begins

    def __call__(self) -> float:
        return self.now
