"""Where the counters of rates live when no store is shared: in this process."""

import time

from limits.aio.storage import MemoryStorage


class SweptMemoryStorage(MemoryStorage):
    """Counters in this process, with old keys removed every few seconds.

    The library's own storage goes over all keys at every request: 1.1 ms each at 10,000 client addresses.
    """

    STORAGE_SCHEME = ["async+swept-memory"]  # noqa: RUF012 - as the library declares it
    SWEEP_SECONDS = 10.0

    _next_sweep = 0.0

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        if now >= self._next_sweep:
            self._next_sweep = now + self.SWEEP_SECONDS
            for old in [name for name, expires in self.expirations.items() if expires <= now]:
                await self.clear(old)
        await self.get(key)  # forgets it if it has expired
        self.storage[key] += amount
        if self.storage[key] == amount:
            self.expirations[key] = now + expiry
        return self.storage[key]

    async def decr(self, key: str, amount: int = 1) -> int:
        self.storage[key] = max(await self.get(key) - amount, 0)
        return self.storage[key]
