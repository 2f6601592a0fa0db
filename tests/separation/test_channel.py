"""Handing things from thread to thread."""

from threading import Thread

import pytest

from separation.channel import Channel, ChannelClosed


def test_things_arrive_in_order_and_the_end_ends_them() -> None:
    channel: Channel[int] = Channel()

    def make() -> None:
        for number in range(100):
            channel.put(number)
        channel.end()

    maker = Thread(target=make)
    maker.start()
    assert list(channel) == list(range(100))
    maker.join()


def test_the_makers_error_is_raised_where_things_are_taken() -> None:
    channel: Channel[int] = Channel()
    channel.end(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        next(iter(channel))


def test_a_maker_who_waits_is_woken_when_nobody_takes_any_more() -> None:
    channel: Channel[int] = Channel()
    outcome: list[str] = []

    def make() -> None:
        try:
            channel.put(1)
        except ChannelClosed:
            outcome.append("closed")

    maker = Thread(target=make)
    maker.start()
    assert channel.ready(10)
    channel.close()
    maker.join()
    assert outcome == ["closed"]
    with pytest.raises(ChannelClosed):
        channel.put(2)


def test_waiting_for_something_ends_after_a_while() -> None:
    channel: Channel[int] = Channel()
    assert not channel.ready(0.01)
    channel.end()
    assert channel.ready(0)
