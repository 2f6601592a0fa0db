"""Name servers that are silent cost whoever named them, and nobody else."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from services.kit.outbound.fetcher import Fetcher, NoPlace
from services.kit.outbound.lookups import AT_ONCE_OF_ONE, Lookups
from services.kit.settings import OutboundSettings
from tests.databases import PATIENCE_SECONDS

EVIL, GOOD = "usr_evil", "usr_good"


class System:
    """The system's resolver: names under evil.com hang until they are let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.asked: list[str] = []

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.endswith("evil.com"):
            self.free.wait(PATIENCE_SECONDS)
        if host.startswith("none."):
            raise socket.gaierror("no such host")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    made = System()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.free.set()


async def until_free(lookups: Lookups, host: str, asker: str) -> Sequence[str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await lookups(host, 443, asker)) is None:
            pass
    return found


def test_who_names_silent_name_servers_has_no_lookup_of_anybody_else(system: System) -> None:
    async def run() -> None:
        lookups = Lookups(wait_seconds=0)
        hanging = [
            asyncio.create_task(lookups(f"h{number}.evil.com", 443, EVIL)) for number in range(10 * AT_ONCE_OF_ONE)
        ]
        await asyncio.wait(hanging[AT_ONCE_OF_ONE:], timeout=PATIENCE_SECONDS)
        assert [task.result() for task in hanging if task.done()] == [None] * 9 * AT_ONCE_OF_ONE
        assert await lookups("hooks.good.com", 443, GOOD) == ["93.184.216.34"]
        # Nobody waits for them any more, and yet they have their threads.
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        assert await lookups("fine.example.com", 443, EVIL) is None
        assert await lookups("hooks.good.com", 443, GOOD) == ["93.184.216.34"]
        system.free.set()
        assert await until_free(lookups, "fine.example.com", EVIL) == ["93.184.216.34"]
        lookups.close()

    asyncio.run(run())


def test_a_host_that_is_being_looked_up_is_asked_for_once(system: System) -> None:
    async def run() -> None:
        lookups = Lookups(wait_seconds=0)
        several = [
            asyncio.create_task(lookups("none.evil.com", 443, f"usr_{number}")) for number in range(3 * AT_ONCE_OF_ONE)
        ]
        several += [asyncio.create_task(lookups("h.evil.com", 443, EVIL)) for _ in range(3 * AT_ONCE_OF_ONE)]
        await asyncio.sleep(0)
        several[0].cancel()  # who leaves takes nothing from those who stay
        with suppress(asyncio.CancelledError):
            await several[0]
        system.free.set()
        answers = await asyncio.gather(*several[1:], return_exceptions=True)
        assert all(isinstance(answer, OSError) for answer in answers[: 3 * AT_ONCE_OF_ONE - 1])
        assert answers[3 * AT_ONCE_OF_ONE - 1 :] == [["93.184.216.34"]] * 3 * AT_ONCE_OF_ONE
        lookups.close()

    asyncio.run(run())
    assert sorted(system.asked) == ["h.evil.com", "none.evil.com"]


@pytest.mark.usefixtures("system")
def test_what_finds_no_place_says_that_it_was_not_tried() -> None:
    async def run() -> None:
        fetcher = Fetcher(OutboundSettings(), timeout_seconds=0.1)
        hanging = [
            asyncio.create_task(fetcher._lookups(f"h{number}.evil.com", 443, EVIL)) for number in range(AT_ONCE_OF_ONE)
        ]
        await asyncio.sleep(0)
        with pytest.raises(NoPlace):
            await fetcher.send("POST", "https://another.example.com/", asker=EVIL, headers={}, limit_bytes=1)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        await fetcher.aclose()

    asyncio.run(run())
