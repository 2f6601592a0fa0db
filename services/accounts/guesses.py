"""How often a password may be guessed: each account has a memory of who was wrong, and from where.

An address that keeps being wrong about one account waits twice as long each time. Nobody else waits for it: a first try
from another address is always heard, so an account cannot be locked out by those who guess at it. While many are wrong
about one account, from wherever, an address gets fewer tries before it waits.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.accounts.errors import TooManyGuesses

TRIES = 5
"""Of one address at one account before it waits."""
TRIES_UNDER_ATTACK = 1
ATTACK_TRIES = 20
"""From all addresses together that make it an attack on the account."""
LONGEST_WAIT_SECONDS = 900.0
FORGOTTEN_AFTER_SECONDS = 24 * 3600.0
MOST_REMEMBERED = 100_000

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass
class Tally:
    """Tries since the last that was right, and from when on another is heard."""

    tries: int = 0
    last: float = 0.0
    heard_from: float = 0.0


class _Tallies(Generic[KeyT]):
    """Tallies by key, bounded: the one that was touched longest ago goes."""

    def __init__(self) -> None:
        self._of: OrderedDict[KeyT, Tally] = OrderedDict()

    def get(self, key: KeyT, now: float) -> Tally:
        tally = self._of.get(key)
        if tally is None or now - tally.last >= FORGOTTEN_AFTER_SECONDS:
            tally = self._of[key] = Tally()
        self._of.move_to_end(key)
        if len(self._of) > MOST_REMEMBERED:
            self._of.popitem(last=False)
        return tally

    def forget(self, key: KeyT) -> None:
        self._of.pop(key, None)


class Guesses:
    """Counts tries in this process. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._addresses: _Tallies[tuple[str, str]] = _Tallies()
        self._accounts: _Tallies[str] = _Tallies()
        self._lock = threading.Lock()

    def begin(self, account: str, network: str) -> None:
        """Counts a try before it is judged, so that many at once are as many. Raises TooManyGuesses."""
        with self._lock:
            now = self._clock()
            here = self._addresses.get((account, network), now)
            if now < here.heard_from:
                raise TooManyGuesses(retry_after_seconds=math.ceil(here.heard_from - now))
            everywhere = self._accounts.get(account, now)
            over = here.tries - (TRIES if everywhere.tries < ATTACK_TRIES else TRIES_UNDER_ATTACK) + 1
            if over >= 0:
                here.heard_from = now + min(2.0 ** min(over, 30), LONGEST_WAIT_SECONDS)
            for tally in (here, everywhere):
                tally.tries += 1
                tally.last = now

    def right(self, account: str, network: str) -> None:
        """The try was right: whoever is at this address knows the password."""
        with self._lock:
            self._addresses.forget((account, network))
            everywhere = self._accounts.get(account, self._clock())
            everywhere.tries = max(0, everywhere.tries - 1)
