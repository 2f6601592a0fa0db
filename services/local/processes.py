"""Processes of this machine: when one ends, what it has worked, and how another one is told."""

import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol

import psutil

LOOK_SECONDS = 0.05
"""Between two looks at a process of somebody else's, where the kernel does not tell of its end."""
NO_DESCRIPTORS = frozenset({errno.ENOSYS, errno.EPERM})
"""How a kernel before 5.3, or a container that filters system calls, refuses the descriptor of a process."""


def start_thread(name: str, target: Callable[..., None], *arguments: object) -> threading.Thread:
    """A thread that does not keep this process alive.

    Raises:
        OSError: the user, or the machine, may have no more of them now.
    """
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise BlockingIOError(errno.EAGAIN, str(error)) from error
    return thread


def processor_seconds(pid: int) -> float:
    """What a process, and those of its children that have ended, have worked and waited for disks; 0 of one that is
    gone."""
    try:
        return float(sum(psutil.Process(pid).cpu_times()))
    except psutil.Error:
        return 0.0


@cache
def has_process_descriptors() -> bool:
    """Whether the kernel gives descriptors of processes, and this Python knows of them."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except AttributeError:
        return False
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            return False
        raise
    return True


class Ending:
    """The end of a child of this process, as a descriptor: readable once it has ended, before it is reaped.

    Raises:
        OSError: there is no descriptor, or no thread, left for it.
    """

    def __init__(self, pid: int) -> None:
        if has_process_descriptors():
            self.descriptor = os.pidfd_open(pid)
            return
        self.descriptor, ended = os.pipe()
        try:
            start_thread(f"end of {pid}", _close_at_the_end, pid, ended)
        except OSError:
            os.close(ended)
            self.close()
            raise

    def wait(self, seconds: float) -> None:
        """Block until it has ended, `seconds` at most."""
        select.select([self.descriptor], [], [], seconds)

    def close(self) -> None:
        os.close(self.descriptor)


def _close_at_the_end(pid: int, ended: int) -> None:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:  # reaped already
        pass
    finally:
        os.close(ended)


class Other(Protocol):
    """A process that is no child of this one, never mistaken for a later one that got its number."""

    def send(self, number: signal.Signals) -> None:
        """
        Raises:
            PermissionError: it is another person's.
            ProcessLookupError: it has ended.
        """

    def has_ended(self, within_seconds: float) -> bool:
        """Block until it has ended, `within_seconds` at most; whether it has."""


@contextmanager
def other_process(pid: int) -> Iterator[Other]:
    """
    Raises:
        ProcessLookupError: there is none of this number.
    """
    if not has_process_descriptors():
        yield _KnownByItsStart(pid)
        return
    descriptor = os.pidfd_open(pid)
    try:
        yield _KnownByDescriptor(descriptor)
    finally:
        os.close(descriptor)


class _KnownByDescriptor:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._descriptor, number)

    def has_ended(self, within_seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], within_seconds)[0])


class _KnownByItsStart:
    """By number and time of its start, at which is looked before every signal."""

    def __init__(self, pid: int) -> None:
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from None

    def send(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from None
        except psutil.AccessDenied:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from None

    def has_ended(self, within_seconds: float) -> bool:
        until = time.monotonic() + within_seconds
        while self._lives():
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(LOOK_SECONDS, left))
        return True

    def _lives(self) -> bool:
        try:
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
