"""A session or key that was ended lets nobody in: how soon, and what happens while accounts is away."""

import asyncio
from collections.abc import Sequence

import pytest

from services.gateway.revocations import KEPT_SECONDS, Revocations, RevokedSince
from services.kit.errors import Unavailable
from tests.services.gateway.standin import Platform, bearer, eventually, platform, problem, token


class Accounts:
    """What accounts says; `away` until told otherwise, and a clock that tests move."""

    def __init__(self) -> None:
        self.ended: Sequence[str] = ()
        self.away = False
        self.marks: list[str | None] = []
        self.now = 1000.0
        self.answers = asyncio.Event()
        """Cleared, accounts is silent until it is set."""
        self.answers.set()

    async def ask(self, mark: str | None) -> RevokedSince:
        self.marks.append(mark)
        await asyncio.sleep(0)
        await self.answers.wait()
        if self.away:
            raise Unavailable
        return RevokedSince(self.ended, f"mark {len(self.marks)}")

    def revocations(self) -> Revocations:
        return Revocations(
            self.ask, fresh_seconds=1.0, outage_seconds=60.0, patience_seconds=0.01, clock=lambda: self.now
        )


def test_what_was_ended_is_known_a_second_later() -> None:
    async def run() -> None:
        accounts = Accounts()
        known = accounts.revocations()
        assert not await known.has_ended("ses_1")
        accounts.ended = ["ses_1"]
        accounts.now += 0.9
        assert not await known.has_ended("ses_1")
        accounts.now += 0.1
        assert await known.has_ended("ses_1")
        assert not await known.has_ended("ses_2")
        assert accounts.marks == [None, "mark 1"]

    asyncio.run(run())


def test_many_requests_share_one_question() -> None:
    async def run() -> None:
        accounts = Accounts()
        known = accounts.revocations()
        assert await asyncio.gather(*(known.has_ended(f"ses_{number}") for number in range(100))) == [False] * 100
        assert accounts.marks == [None]

    asyncio.run(run())


def test_what_was_ended_stays_so_until_its_tokens_have_run_out() -> None:
    async def run() -> None:
        accounts = Accounts()
        accounts.ended = ["key_1"]
        known = accounts.revocations()
        assert await known.has_ended("key_1")
        accounts.ended = ()
        accounts.now += KEPT_SECONDS - 1
        assert await known.has_ended("key_1")
        accounts.now += 1
        assert not await known.has_ended("key_2")
        assert not await known.has_ended("key_1")

    asyncio.run(run())


def test_while_accounts_is_away_who_was_known_goes_on_for_a_while_and_then_nobody() -> None:
    async def run() -> None:
        accounts = Accounts()
        accounts.ended = ["ses_ended"]
        known = accounts.revocations()
        assert not await known.has_ended("ses_1")
        accounts.away = True
        accounts.now += 59
        assert not await known.has_ended("ses_1")
        assert await known.has_ended("ses_ended")
        accounts.now += 1
        with pytest.raises(Unavailable):
            await known.has_ended("ses_1")
        accounts.away = False
        accounts.now += 1
        assert not await known.has_ended("ses_1")

    asyncio.run(run())


def test_before_anything_is_known_nobody_is_let_in() -> None:
    async def run() -> None:
        accounts = Accounts()
        accounts.away = True
        with pytest.raises(Unavailable):
            await accounts.revocations().has_ended("ses_1")

    asyncio.run(run())


def test_a_slow_first_answer_is_waited_for() -> None:
    async def run() -> None:
        accounts = Accounts()
        accounts.answers.clear()
        waiting = asyncio.create_task(accounts.revocations().has_ended("ses_1"))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        accounts.answers.set()
        assert not await waiting

    asyncio.run(run())


def test_a_slow_answer_keeps_nobody_who_was_known_and_counts_when_it_comes() -> None:
    async def run() -> None:
        accounts = Accounts()
        known = accounts.revocations()
        assert not await known.has_ended("ses_1")
        accounts.answers.clear()
        accounts.ended = ["ses_1"]
        accounts.now += 5
        for _ in range(3):
            assert not await known.has_ended("ses_1")
        assert accounts.marks == [None, "mark 1"]
        accounts.answers.set()
        while not await known.has_ended("ses_1"):
            await asyncio.sleep(0)
        assert accounts.marks == [None, "mark 1"]

    asyncio.run(run())


def test_who_was_silent_before_is_not_waited_for_long_again_and_may_answer_late() -> None:
    async def run() -> None:
        accounts = Accounts()
        known = accounts.revocations()
        accounts.away = True
        with pytest.raises(Unavailable):
            await known.has_ended("ses_1")
        accounts.away = False
        accounts.answers.clear()
        accounts.now += 1
        with pytest.raises(Unavailable):
            await known.has_ended("ses_1")
        accounts.answers.set()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        accounts.away = True
        assert not await known.has_ended("ses_1")

    asyncio.run(run())


def test_the_token_of_a_session_that_was_ended_is_refused_everywhere() -> None:
    with platform(revocations_fresh_seconds=0.05) as gateway:
        mine, other = (bearer(token(jti=f"ses_{name}.1")) for name in ("mine", "other"))
        assert gateway.client.get("/v1/jobs", headers=mine).status_code == 200
        gateway.accounts.revoked = ["ses_mine"]
        eventually(lambda: gateway.client.get("/v1/jobs", headers=mine).status_code == 401)
        problem(gateway.client.get("/v1/uploads", headers=mine), 401, "invalid_token")
        assert gateway.client.get("/v1/jobs", headers=other).status_code == 200
        assert any("after=2026-11-28" in target for target in gateway.accounts.asked_for_revocations)


def test_while_nothing_is_known_the_platform_says_so(gateway: Platform) -> None:
    with platform(accounts_url="http://127.0.0.1:1", jwks_url=f"{gateway.url}/.well-known/jwks.json") as alone:
        refused = alone.client.get("/v1/jobs", headers=bearer())
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
