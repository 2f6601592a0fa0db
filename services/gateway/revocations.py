"""Which sessions, API keys and accounts were ended before their access tokens run out.

Services check tokens by themselves and know nothing of it; nobody reaches them but through here. The list of what was
ended lately is asked of accounts at most once a second, however many requests come, and only when one comes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from services.kit.errors import StemwrightError, Unavailable

KEPT_SECONDS = 3600.0 + 300.0
"""No access token lives longer than an hour; what was ended before that is of no interest any more."""
PATIENCE_SECONDS = 2.0
"""How long a request waits for accounts where it could go on without, or where accounts was silent before."""


@dataclass(frozen=True)
class RevokedSince:
    """What accounts says: ids that were ended, and a mark from which to ask the next time."""

    ids: Iterable[str]
    mark: str
    changed: Mapping[str, int] = field(default_factory=dict)
    """Accounts that may do something else now, and since when, in milliseconds since the epoch."""


Ask = Callable[[str | None], Awaitable[RevokedSince]]
"""Asks accounts for what was ended since a mark; raises StemwrightError where there is no answer."""


class Revocations:
    """Used from the event loop only. `clock` is a monotonic one."""

    def __init__(
        self,
        ask: Ask,
        *,
        fresh_seconds: float,
        outage_seconds: float,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._fresh_seconds = fresh_seconds
        self._outage_seconds = outage_seconds
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._ended: dict[str, float] = {}
        self._changed: dict[str, tuple[int, float]] = {}
        self._mark: str | None = None
        self._asked = self._told = float("-inf")
        self._away = False
        self._under_way: asyncio.Task[None] | None = None

    async def has_ended(self, grant_id: str) -> bool:
        """Whether this session, key or account was ended, as of a moment that is at most `fresh_seconds` ago.

        While accounts is away nothing can be ended there either: what was known goes on for `outage_seconds`. Then,
        and as long as nothing was ever known, raises Unavailable. An accounts service that is only slow is waited for
        until it has answered for the first time; later its answer counts when it comes.
        """
        if grant_id in self._ended:
            return True
        if self._clock() - self._asked >= self._fresh_seconds:
            # Requests that come at the same time share one question.
            if self._under_way is None:
                self._under_way = asyncio.create_task(self._learn())
            # A service that is away may take seconds to say nothing: nobody waits for that twice.
            if not self._away or not self._known():
                await self._wait_for(self._under_way)
        if not self._known():
            raise Unavailable("Sign-ins cannot be checked at the moment.", retry_after_seconds=2)
        return grant_id in self._ended

    def is_outdated(self, account_id: str, issued_ms: int) -> bool:
        """Whether the account may do something else than a token of that time says, as far as `has_ended` last knew."""
        changed = self._changed.get(account_id)
        return changed is not None and issued_ms <= changed[0]

    async def _wait_for(self, question: asyncio.Task[None]) -> None:
        patience = self._patience_seconds if self._known() or self._away else None
        answered, _ = await asyncio.wait([question], timeout=patience)
        if answered:
            question.result()
        else:
            self._away = True

    def _known(self) -> bool:
        return self._clock() - self._told < self._outage_seconds

    async def _learn(self) -> None:
        begun = self._clock()
        try:
            told = await self._ask(self._mark)
        except StemwrightError:
            self._asked, self._away = self._clock(), True
            return
        finally:
            self._under_way = None
        self._asked = self._told = begun
        self._away = False
        self._mark = told.mark
        self._ended = {name: until for name, until in self._ended.items() if until > begun}
        self._ended |= dict.fromkeys(told.ids, begun + KEPT_SECONDS)
        self._changed = {name: entry for name, entry in self._changed.items() if entry[1] > begun}
        self._changed |= {name: (since, begun + KEPT_SECONDS) for name, since in told.changed.items()}
