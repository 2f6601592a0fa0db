"""Where the counters of rates live: in this process, or in a store that several gateways share."""

import time
from typing import Any
from urllib.parse import urlsplit

from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import ConfigurationError
from limits.storage import storage_from_string

IN_THIS_PROCESS = "async+swept-memory://"
SHARED_ANSWER_SECONDS = 0.5
"""A shared store that takes longer is away: every request waits for it."""
KEY_PREFIX = "stemwright-rates"


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


def counter_storage(address: str) -> Storage:
    """The store of counters at an address. Raises ValueError where there is none of that kind; connects to nothing."""
    options: dict[str, Any] = {}
    if urlsplit(address).scheme in RedisStorage.STORAGE_SCHEME:
        # By default the library takes another client, `coredis`, whose present version it does not know.
        options = {
            "implementation": "redispy",
            "key_prefix": KEY_PREFIX,
            "socket_timeout": SHARED_ANSWER_SECONDS,
            "socket_connect_timeout": SHARED_ANSWER_SECONDS,
        }
    try:
        storage = storage_from_string(address, wrap_exceptions=True, **options)
    except ConfigurationError as error:
        kind = urlsplit(address).scheme
        # The address may have a password in it, and the library repeats it.
        raise ValueError(f"there is no store of the kind {kind!r}, or its library is not installed") from error
    if not isinstance(storage, Storage):
        raise ValueError("the address has to start with async+")
    return storage


async def close(storage: Storage) -> None:
    """Ends the connections of a store, where it has any."""
    if isinstance(storage, RedisStorage):
        client: Any = storage.bridge
        await client.get_connection().aclose()
