"""Pools of waiting clients, and their time budgets."""

import asyncio

import pytest

from services.gateway.slow_clients import TimeBudget, WaitingPool


class Client:
    """A client in a pool, and how often it was evicted."""

    def __init__(self, pool: WaitingPool, client: str, size: int = 1) -> None:
        self.evicted = 0
        pool.enter(client, self, self.go, size)

    def go(self) -> None:
        self.evicted += 1


def test_a_client_with_too_many_loses_the_one_that_has_waited_longest() -> None:
    pool = WaitingPool(per_client=2, in_all=10)
    first, second, third = (Client(pool, "a") for _ in range(3))
    other = Client(pool, "b")
    assert [guest.evicted for guest in (first, second, third, other)] == [1, 0, 0, 0]
    assert (pool.of("a"), pool.of("b"), len(pool)) == (2, 1, 3)


def test_a_full_room_takes_from_whoever_has_most() -> None:
    pool = WaitingPool(per_client=10, in_all=4)
    many = [Client(pool, "a") for _ in range(3)]
    few = [Client(pool, "b"), Client(pool, "c")]
    assert [guest.evicted for guest in many] == [1, 0, 0]
    assert [guest.evicted for guest in few] == [0, 0]
    assert len(pool) == 4


def test_a_large_place_takes_as_many_small_ones_as_it_needs() -> None:
    pool = WaitingPool(per_client=10, in_all=10)
    few = Client(pool, "b", 3)
    many = [Client(pool, "a", 2) for _ in range(3)]
    large = Client(pool, "c", 4)
    assert [guest.evicted for guest in (*many, few, large)] == [1, 1, 0, 0, 0]
    assert (pool.of("a"), pool.of("b"), pool.of("c"), len(pool)) == (2, 3, 4, 9)
    pool.leave("c", large)
    assert (pool.of("c"), len(pool)) == (0, 5)


def test_who_has_left_is_not_sent_away_and_takes_no_place() -> None:
    pool = WaitingPool(per_client=1, in_all=1)
    first = Client(pool, "a")
    pool.leave("a", first)
    pool.leave("a", first)
    pool.leave("nobody", first)
    second = Client(pool, "a")
    assert (first.evicted, second.evicted, len(pool)) == (0, 0, 1)
    pool.leave("a", second)
    assert not pool._clients
    assert not pool._sizes


def test_a_place_that_is_needed_ends_with_a_timeout_for_its_holder_alone() -> None:
    async def run() -> None:
        pool = WaitingPool(per_client=1, in_all=10)
        here = asyncio.Event()

        async def wait_for_ever() -> None:
            async with pool.place("a"):
                here.set()
                await asyncio.Event().wait()

        waiting = asyncio.create_task(wait_for_ever())
        await here.wait()
        async with pool.place("a"):
            with pytest.raises(TimeoutError):
                await waiting
            assert pool.of("a") == 1
        assert len(pool) == 0

    asyncio.run(run())


def test_a_time_budget_is_spent_by_waiting_and_earned_back_by_bytes() -> None:
    async def run() -> None:
        now = 0.0
        budget = TimeBudget(10, 100, clock=lambda: now)
        for _ in range(5):
            async with budget.waiting():
                now += 8
                await asyncio.sleep(0)
            budget.earn(1000)  # ten seconds' worth, of which no more than ten are kept
        async with budget.waiting():
            now += 8
        budget.earn(100)
        async with budget.waiting():
            now += 4
        with pytest.raises(TimeoutError):
            async with budget.waiting():
                await asyncio.Event().wait()

    asyncio.run(run())


def test_silence_spends_the_time_budget() -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with TimeBudget(0.01, 1).waiting():
                await asyncio.Event().wait()

    asyncio.run(run())
