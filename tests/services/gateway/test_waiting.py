"""Rooms and patience."""

import asyncio

import pytest

from services.gateway.errors import BodyTimeout
from services.gateway.waiting import Patience, Room


class Guest:
    """Somebody in a room, and whether they were sent away."""

    def __init__(self, room: Room, client: str) -> None:
        self.sent_away = 0
        room.enter(client, self, self.go)

    def go(self) -> None:
        self.sent_away += 1


def test_a_client_with_too_many_loses_the_one_that_has_waited_longest() -> None:
    room = Room(per_client=2, in_all=10)
    first, second, third = (Guest(room, "a") for _ in range(3))
    other = Guest(room, "b")
    assert [guest.sent_away for guest in (first, second, third, other)] == [1, 0, 0, 0]
    assert (room.of("a"), room.of("b"), len(room)) == (2, 1, 3)


def test_a_full_room_takes_from_whoever_has_most() -> None:
    room = Room(per_client=10, in_all=4)
    many = [Guest(room, "a") for _ in range(3)]
    few = [Guest(room, "b"), Guest(room, "c")]
    assert [guest.sent_away for guest in many] == [1, 0, 0]
    assert [guest.sent_away for guest in few] == [0, 0]
    assert len(room) == 4


def test_who_has_left_is_not_sent_away_and_takes_no_place() -> None:
    room = Room(per_client=1, in_all=1)
    first = Guest(room, "a")
    room.leave("a", first)
    room.leave("a", first)
    room.leave("nobody", first)
    second = Guest(room, "a")
    assert (first.sent_away, second.sent_away, len(room)) == (0, 0, 1)
    room.leave("a", second)
    assert not room._clients


def test_a_place_that_is_needed_ends_with_a_timeout_for_its_holder_alone() -> None:
    async def run() -> None:
        room = Room(per_client=1, in_all=10)
        here = asyncio.Event()

        async def wait_for_ever() -> None:
            async with room.place("a"):
                here.set()
                await asyncio.Event().wait()

        waiting = asyncio.create_task(wait_for_ever())
        await here.wait()
        async with room.place("a"):
            with pytest.raises(BodyTimeout):
                await waiting
            assert room.of("a") == 1
        assert len(room) == 0

    asyncio.run(run())


def test_patience_is_used_up_by_waiting_and_earned_back_by_bytes() -> None:
    async def run() -> None:
        now = 0.0
        patience = Patience(10, 100, clock=lambda: now)
        for _ in range(5):
            async with patience.waiting():
                now += 8
                await asyncio.sleep(0)
            patience.earn(1000)  # ten seconds' worth, of which no more than ten are kept
        async with patience.waiting():
            now += 8
        patience.earn(100)
        async with patience.waiting():
            now += 4
        with pytest.raises(TimeoutError):
            async with patience.waiting():
                await asyncio.Event().wait()

    asyncio.run(run())


def test_silence_ends_patience() -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with Patience(0.01, 1).waiting():
                await asyncio.Event().wait()

    asyncio.run(run())
