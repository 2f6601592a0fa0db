"""Rates per account and client address, and caps on what may be open at once.

Rates use the sliding window counter of the library `limits`: two integers a key, no burst at the edge of a window.
The counters live in this process, or in a store that several gateways share, by one setting.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from services.gateway import counters
from services.gateway.counters import IN_THIS_PROCESS, counter_storage
from services.gateway.errors import Overloaded, TooManyAtOnce
from services.gateway.headers import Headers
from services.gateway.routes import RateClass
from services.gateway.settings import Settings
from services.kit.addresses import network_of
from services.kit.errors import RateLimited

log = logging.getLogger(__name__)

ALONE_SECONDS = 5.0
"""How long a shared store that did not answer is left alone."""


@dataclass(frozen=True)
class RateStatus:
    """How much of a rate is left after a request."""

    policy: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int

    def headers(self) -> Headers:
        """The `RateLimit-*` headers (draft-ietf-httpapi-ratelimit-headers)."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_seconds),
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (self.policy.encode(), self.limit, self.window_seconds)),
        ]


class Limits:
    """The gateway's rates.

    While a shared store does not answer, each gateway counts by itself, and asks the store again every few seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = counter_storage(settings.rate_limit_storage.get_secret_value())
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._alone = SlidingWindowCounterRateLimiter(counter_storage(IN_THIS_PROCESS))
        self._alone_until = float("-inf")
        self._clock = clock
        self._account = parse(settings.account_rate)
        self._address = {RateClass.GENERAL: parse(settings.address_rate), RateClass.AUTH: parse(settings.auth_rate)}

    async def close(self) -> None:
        """Ends the connections to a shared store."""
        await counters.close(self._storage)

    async def of_address(self, address: str, rate_class: RateClass) -> RateStatus:
        """Counts one request of a client address. Raises `RateLimited`."""
        return await self._count(self._address[rate_class], f"address-{rate_class}", network_of(address))

    async def of_account(self, account_id: str) -> RateStatus:
        """Counts one request of an account. Raises `RateLimited`."""
        return await self._count(self._account, "account", account_id)

    async def _count(self, rate: RateLimitItem, policy: str, key: str) -> RateStatus:
        granted, remaining, reset_time = await self._hit(rate, policy, key)
        reset_seconds = max(0, math.ceil(reset_time - time.time()))
        status = RateStatus(policy, rate.amount, rate.get_expiry(), remaining, reset_seconds)
        if granted:
            return status
        refusal = RateLimited(
            f"At most {rate.amount} requests in {rate.get_expiry()} seconds.", retry_after_seconds=reset_seconds
        )
        refusal.headers |= {name.decode(): value.decode() for name, value in status.headers()}
        raise refusal

    async def _hit(self, rate: RateLimitItem, policy: str, key: str) -> tuple[bool, int, float]:
        """Whether it is granted, how many are left, and when (Unix time) all will be there again."""
        if self._clock() >= self._alone_until:
            try:
                granted = await self._limiter.hit(rate, policy, key)
                stats = await self._limiter.get_window_stats(rate, policy, key)
            except StorageError as error:
                self._alone_until = self._clock() + ALONE_SECONDS
                log.warning("requests are counted in this process alone: %s", error)
            else:
                return granted, stats.remaining, stats.reset_time
        granted = await self._alone.hit(rate, policy, key)
        stats = await self._alone.get_window_stats(rate, policy, key)
        return granted, stats.remaining, stats.reset_time


class Cap:
    """Counts what is open at once, of each account, each client address and in all. Used from the event loop only."""

    def __init__(self, what: str, *, per_account: int, per_address: int, in_all: int) -> None:
        self._what = what
        self._per_account = per_account
        self._per_address = per_address
        self._in_all = in_all
        self._accounts: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self.total = 0
        """How many are open in all."""

    def open(self, account_id: str) -> int:
        """How many this account has open."""
        return self._accounts[account_id]

    @contextmanager
    def one(self, address: str, account_id: str | None) -> Iterator[None]:
        """Holds one open for the length of the block. Raises `TooManyAtOnce` (429) or `Overloaded` (503)."""
        network = network_of(address)
        counts = [(self._addresses, network, self._per_address)]
        if account_id is not None:
            counts.append((self._accounts, account_id, self._per_account))
        for counter, key, most in counts:
            if counter[key] >= most:
                raise TooManyAtOnce(f"At most {most} {self._what} at once.", retry_after_seconds=2)
        if self.total >= self._in_all:
            raise Overloaded(f"No more {self._what} can be served at the moment.", retry_after_seconds=2)
        self.total += 1
        for counter, key, _ in counts:
            counter[key] += 1
        try:
            yield
        finally:
            self.total -= 1
            for counter, key, _ in counts:
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]
