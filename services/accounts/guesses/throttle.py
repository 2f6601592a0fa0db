"""How often a password may be guessed, and a mail be asked for: each account has a memory of who tried, and from where.

A network that keeps being wrong about one account waits twice as long each time. Nobody else waits for it: a first try
from another network is always heard, so an account cannot be locked out by those who guess at it. While many are wrong
about one account, from wherever, a network gets fewer tries before it waits.

The counts are in the database, so that every process counts on and a restart forgets nothing. What is being judged at
this moment is known to its own process only.
"""

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from services.accounts.guesses import repository as wrong_guesses
from services.accounts.sessions.tokens import SigningKeys
from services.kit.database import ReadSession, WriteSession
from services.kit.errors import RateLimited

TRIES = 5
"""Of one network at one account before it waits."""
TRIES_UNDER_ATTACK = 1
ATTACK_TRIES = 20
"""From all networks together that make it an attack on the account."""
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(days=1)
MOST_REMEMBERED = 200_000


class Attempt:
    """One try, from when it begins until it was judged."""

    def __init__(
        self, here: str, everywhere: str, ahead: int, ahead_everywhere: int, refusal: type[RateLimited]
    ) -> None:
        self._here = here
        self._everywhere = everywhere
        self._ahead = ahead
        self._ahead_everywhere = ahead_everywhere
        self._refusal = refusal
        self.remembered = False
        """Whether there were others from this network since the last that was right."""

    def admit(self, session: ReadSession) -> None:
        """Raises the refusal where it is not heard now."""
        now = session.now()
        found = wrong_guesses.find(session, (self._here, self._everywhere), now - FORGOTTEN_AFTER)
        number, heard_from = found.get(self._here, (0, None))
        everywhere, _ = found.get(self._everywhere, (0, None))
        self.remembered = number > 0
        if heard_from is not None and now < heard_from:
            raise self._refusal(retry_after_seconds=math.ceil((heard_from - now).total_seconds()))
        # Of several at once as many are heard as one after the other before a wait; after a wait it is one.
        if self._ahead and number + self._ahead >= _allowed(everywhere + self._ahead_everywhere):
            raise self._refusal(retry_after_seconds=1)

    def count(self, session: WriteSession) -> bool:
        """It was wrong. Whether it is worth telling the account: the last before a network begins to wait, a handful of
        times in an attack however large."""
        now = session.now()
        number = wrong_guesses.count(session, self._here, now, now - FORGOTTEN_AFTER)
        everywhere = wrong_guesses.count(session, self._everywhere, now, now - FORGOTTEN_AFTER)
        over = number - _allowed(everywhere - 1)
        if over >= 0:
            wrong_guesses.wait(session, self._here, now + min(timedelta(seconds=2.0 ** min(over, 30)), LONGEST_WAIT))
        return over == 0 and everywhere <= ATTACK_TRIES + 1

    def forget(self, session: WriteSession) -> None:
        """It was right: whoever is at this network knows the password, and may have been wrong before."""
        wrong_guesses.forget(session, self._here)


def _allowed(everywhere: int) -> int:
    return TRIES if everywhere < ATTACK_TRIES else TRIES_UNDER_ATTACK


class Throttle:
    """Safe to share between threads. `refusal` is what it raises; counts of different ones are apart."""

    def __init__(self, keys: SigningKeys, refusal: type[RateLimited]) -> None:
        self._keys = keys
        self._refusal = refusal
        self._judged_now: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, account: str, network: str | None) -> Iterator[Attempt]:
        """A try, which is being judged as long as the block runs."""
        here = self._key(account, network or "unknown")
        everywhere = self._key(account)
        with self._lock:
            attempt = Attempt(here, everywhere, self._judged_now[here], self._judged_now[everywhere], self._refusal)
            self._judged_now.update((here, everywhere))
        try:
            yield attempt
        finally:
            with self._lock:
                self._judged_now.subtract((here, everywhere))
                self._judged_now += Counter()  # what nobody waits for goes

    def _key(self, *parts: str) -> str:
        return self._keys.digest_of_secret("\n".join((self._refusal.code, *parts)))


def tidy(session: WriteSession) -> None:
    """Forgets what is old, and what is too much."""
    wrong_guesses.delete_old(session, session.now() - FORGOTTEN_AFTER, MOST_REMEMBERED)
