"""When a delivery is tried again. Pure."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Pauses after the first try, the second, and so on: three days and three hours in all."""
ATTEMPTS_KEPT = 12
"""Of a delivery, the newest: a whole schedule, and a little of what was before it was begun anew."""
JITTER = 0.2
LONGEST_WISH = timedelta(hours=24)
"""An endpoint cannot ask for a longer pause."""


def pause_after(tries: int, chance: float, wish: timedelta | None = None) -> timedelta | None:
    """How long to wait after so many tries (1 and more), or None where it is given up.

    `chance`, between 0 and 1, spreads what failed together over a fifth of the pause on either side. A `wish` (the
    answer's Retry-After) makes it longer and never shorter.
    """
    if tries > len(DELAYS):
        return None
    pause = DELAYS[tries - 1] * (1 + JITTER * (2 * chance - 1))
    return max(pause, min(wish, LONGEST_WISH)) if wish is not None else pause


def wish_in(retry_after: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for: seconds or a date (RFC 9110, section 10.2.3). None where that makes
    no sense."""
    if retry_after is None or len(retry_after) > 64:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return timedelta(seconds=min(seconds, LONGEST_WISH.total_seconds()))
