"""Hands things from one thread to the next, one at a time, and errors too."""

from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class ChannelClosed(Exception):
    """Nobody takes from the channel any more."""


class Channel(Generic[_Item]):
    """One thread puts and ends; another one takes and, when it gives up early, closes.

    ``put`` returns when the thing has been taken, so no more than one waits, and its maker does not begin another.
    """

    def __init__(self) -> None:
        self._waiting: list[_Item] = []
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, item: _Item) -> None:
        """Waits until the item has been taken; ``ChannelClosed`` when the other side has given up."""
        with self._changed:
            if not self._closed:
                self._waiting.append(item)
                self._changed.notify_all()
            del item
            self._changed.wait_for(lambda: not self._waiting or self._closed)
            if self._closed:
                raise ChannelClosed

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will come; an error is raised in the taking thread."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will be taken; a waiting ``put`` is woken."""
        with self._changed:
            self._closed = self._ended = True
            self._waiting.clear()
            self._changed.notify_all()

    def ready(self, seconds: float) -> bool:
        """Waits up to ``seconds`` until there is something to take, be it the end."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting) or self._ended, seconds)

    def __iter__(self) -> Iterator[_Item]:
        """The items as they come, until the end. Raises the error with which the other side ended."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._ended)
                if not self._waiting:
                    if self._error:
                        raise self._error
                    return
                self._changed.notify_all()
                # No name for it here: a generator that waits would keep it alive.
                taken = self._waiting
                self._waiting = []
            yield taken.pop()
