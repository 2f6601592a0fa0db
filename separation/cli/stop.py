"""Ctrl-C and its relatives as a wish to stop, so that nobody is interrupted while tidying up."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

# The terminal's Ctrl-C, a polite ``kill``, a terminal that was closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopWish:
    """While it is entered, signals that would end the process are kept; calling it says whether there was one.

    A signal that was ignored before (``nohup``, a shell's background jobs) stays ignored. To be entered in the main
    thread.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """As shells report a process that a signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
