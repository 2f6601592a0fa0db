"""Rates and caps."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from limits.errors import StorageError

from services.gateway.counters import SweptMemoryStorage
from services.gateway.errors import Overloaded, TooManyAtOnce
from services.gateway.limits import ALONE_SECONDS, Cap, Limits
from services.gateway.routes import RateClass
from services.gateway.settings import Settings
from services.kit.addresses import network_of
from services.kit.errors import RateLimited
from services.kit.settings import load
from services.local.sockets import LOOPBACK, free_port


def test_an_account_gets_its_rate_and_no_more() -> None:
    async def run() -> None:
        limits = Limits(Settings(account_rate="3/minute"))
        remaining = [(await limits.of_account("usr_a")).remaining for _ in range(3)]
        assert remaining == [2, 1, 0]
        with pytest.raises(RateLimited) as refused:
            await limits.of_account("usr_a")
        headers = refused.value.headers
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert headers["ratelimit-limit"] == "3"
        assert headers["ratelimit-remaining"] == "0"
        assert (await limits.of_account("usr_b")).remaining == 2

    asyncio.run(run())


def test_sign_in_has_a_stricter_rate_than_the_rest() -> None:
    async def run() -> None:
        limits = Limits(Settings(auth_rate="1/minute", address_rate="100/minute"))
        await limits.of_address("192.0.2.1", RateClass.AUTH)
        with pytest.raises(RateLimited):
            await limits.of_address("192.0.2.1", RateClass.AUTH)
        await limits.of_address("192.0.2.1", RateClass.GENERAL)
        await limits.of_address("192.0.2.2", RateClass.AUTH)

    asyncio.run(run())


def test_a_refused_request_costs_nothing_and_the_rate_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        limits = Limits(Settings(account_rate="2/second"))
        begun = time.time()
        monkeypatch.setattr(time, "time", lambda: begun)
        for _ in range(2):
            await limits.of_account("usr_a")
        for _ in range(20):
            with pytest.raises(RateLimited):
                await limits.of_account("usr_a")
        monkeypatch.setattr(time, "time", lambda: begun + 3)
        await limits.of_account("usr_a")

    asyncio.run(run())


def test_counters_of_those_who_left_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        now = time.time()
        storage = SweptMemoryStorage()
        for number in range(1000):
            await storage.incr(f"key-{number}", 60)
        assert len(storage.storage) == 1000
        monkeypatch.setattr(time, "time", lambda: now + 200)
        await storage.incr("fresh", 60)
        assert dict(storage.storage) == {"fresh": 1}
        assert set(storage.expirations) == {"fresh"}

    asyncio.run(run())


class CountedExpirations(dict[str, float]):
    """Counts how often somebody goes over all keys."""

    walks = 0

    def items(self) -> Any:
        self.walks += 1
        return super().items()

    def keys(self) -> Any:
        self.walks += 1
        return super().keys()

    def __iter__(self) -> Any:
        self.walks += 1
        return super().__iter__()


def test_ten_thousand_addresses_slow_nobody_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request looks at its own counter; all counters are gone over once in a while, not with every request."""

    async def run() -> int:
        storage = SweptMemoryStorage()
        storage.expirations = expirations = CountedExpirations()
        for number in range(10_000):
            await storage.incr(f"10.0.{number >> 8}.{number & 255}", 60)
        return expirations.walks

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    assert asyncio.run(run()) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1::/56"),
        ("2001:db8:1:ff:bbbb::2", "2001:db8:1::/56"),
        ("2001:db8:1:100::1", "2001:db8:1:100::/56"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("nonsense", "unknown"),
    ],
)
def test_what_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_cap_counts_per_account_per_address_and_in_all_and_forgets_what_was_closed() -> None:
    cap = Cap("streams", per_account=2, per_address=3, in_all=4)
    with ExitStack() as open_ones:
        for account, address in (("usr_a", "192.0.2.1"), ("usr_a", "192.0.2.1"), ("usr_b", "192.0.2.1")):
            open_ones.enter_context(cap.one(address, account))
        for refused_account, address in (("usr_a", "192.0.2.2"), ("usr_c", "192.0.2.1"), (None, "192.0.2.1")):
            with pytest.raises(TooManyAtOnce) as refused, cap.one(address, refused_account):
                pass
            assert int(refused.value.headers["Retry-After"]) >= 1
        with cap.one("192.0.2.2", None):
            assert cap.total == 4
            with pytest.raises(Overloaded), cap.one("192.0.2.3", "usr_d"):
                pass
        assert (cap.open("usr_a"), cap.open("usr_b"), cap.total) == (2, 1, 3)
    assert not cap._accounts
    assert not cap._addresses
    assert cap.total == 0


def test_while_a_store_of_counters_is_away_each_process_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], 0

    async def away(*_arguments: object) -> bool:
        nonlocal asked
        asked += 1
        raise StorageError(ConnectionError("away"))

    async def run() -> None:
        limits = Limits(Settings(account_rate="3/minute"), clock=lambda: now[0])
        with monkeypatch.context() as outage:
            outage.setattr(limits._limiter, "hit", away)
            for _ in range(3):
                await limits.of_account("usr_a")
            with pytest.raises(RateLimited):
                await limits.of_account("usr_a")
            await limits.of_account("usr_b")
            assert asked == 1  # nobody waits again for what did not answer just now
            now[0] += ALONE_SECONDS
            await limits.of_account("usr_b")
            assert asked == 2
        now[0] += ALONE_SECONDS
        await limits.of_account("usr_a")  # the store is back, and knows nothing of the outage

    asyncio.run(run())


REDIS_START_SECONDS = 60.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis of this test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    path = tmp_path / "redis"
    arguments = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path))
    child = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + REDIS_START_SECONDS
    try:
        while not path.exists():
            assert child.poll() is None, "redis-server has ended"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"async+redis+unix://{path}?db=0"
    finally:
        child.kill()
        child.wait()


def test_gateways_that_share_a_store_count_together(redis: str) -> None:
    async def run() -> None:
        one, other = (Limits(Settings(account_rate="3/minute", rate_limit_storage=redis)) for _ in range(2))
        assert (await one.of_account("usr_a")).remaining == 2
        assert (await other.of_account("usr_a")).remaining == 1
        assert (await one.of_account("usr_a")).remaining == 0
        for gateway in (one, other):
            with pytest.raises(RateLimited) as refused:
                await gateway.of_account("usr_a")
            assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
        assert (await other.of_account("usr_b")).remaining == 2
        for gateway in (one, other):
            await gateway.close()

    asyncio.run(run())


def test_a_gateway_starts_with_a_shared_store_that_is_away() -> None:
    nobody = f"async+redis://:a-password@127.0.0.1:{free_port(LOOPBACK)}/0"

    async def run() -> None:
        limits = Limits(Settings(account_rate="1/minute", rate_limit_storage=nobody))
        assert (await limits.of_account("usr_a")).remaining == 0
        with pytest.raises(RateLimited):
            await limits.of_account("usr_a")
        await limits.close()

    asyncio.run(run())


def test_the_password_of_a_store_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE", "redis://:a-password@host/0")
    with pytest.raises(SystemExit):
        load(Settings)
    [line] = capsys.readouterr().err.splitlines()
    assert "STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE" in line
    assert "async+" in line
    assert "a-password" not in line


@pytest.mark.parametrize("address", ["nonsense://", "memory://", "async+nonsense://host"])
def test_a_store_of_counters_that_is_none_is_a_mistake_in_the_settings(address: str) -> None:
    with pytest.raises(ValueError, match="rate_limit_storage"):
        Settings(rate_limit_storage=address)


@pytest.mark.parametrize("rate", ["", "fast", "10/eon"])
def test_a_rate_that_is_none_is_a_mistake_in_the_settings(rate: str) -> None:
    with pytest.raises(ValueError, match="account_rate"):
        Settings(account_rate=rate)


def test_lists_are_words_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_GATEWAY_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("STEMWRIGHT_GATEWAY_PORT", "9999")
    settings = Settings()
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.port == 9999
