"""A process with background tasks, and the app that says how it is."""

import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Protocol, runtime_checkable

from starlette.applications import Starlette

from services.kit.health import Check, Health, Measured, NotReady
from services.kit.middleware import BodyLimitMiddleware, TelemetryMiddleware
from services.kit.problems import add_problem_handlers
from services.kit.settings import TASK_STOP_SECONDS

log = logging.getLogger(__name__)

EX_SOFTWARE = 70
"""Exit status of a process whose background task failed (sysexits.h)."""

PREREQUISITE_SECONDS = 0.5


class BackgroundTask(Protocol):
    """Work that runs beside the HTTP server for as long as the process lives."""

    name: str

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set. Raising ends the whole process: a half-working service is worse than none."""


@runtime_checkable
class Subscriber(Protocol):
    """A background task that hears the event log once it is ready."""

    @property
    def is_ready(self) -> bool:
        """Whether what is written from now on will be read."""

    @property
    def problem(self) -> str:
        """Why it is not ready, as far as that is known."""


@runtime_checkable
class Sleeper(Protocol):
    """A background task that waits for something else than to be told to stop."""

    def wake(self) -> None:
        """Ends the wait; called when `stop` has been set."""


def _subscribed(subscriber: Subscriber) -> Check:
    """Not ready until the task was subscribed once, and ready ever after.

    A service that has not joined yet would miss answers; one that loses the event log for a while still serves
    requests, which wait in its outbox.
    """
    latched = threading.Event()

    def check() -> None:
        if not latched.is_set():
            if not subscriber.is_ready:
                raise NotReady(subscriber.problem)
            latched.set()

    return check


def create_process_app(
    *,
    name: str,
    tasks: Sequence[BackgroundTask],
    checks: Mapping[str, Check],
    draining: AbstractAsyncContextManager[None] | None = None,
) -> Starlette:
    """The app of a process that is asked nothing but how it is; the arguments are those of `create_app`.

    It imports no FastAPI, which would be a quarter of the time that a worker takes to import.
    """
    app = Starlette(lifespan=lifespan(tasks, draining=draining))
    furnish(app, name=name, tasks=tasks, checks=checks)
    return app


def lifespan(
    tasks: Sequence[BackgroundTask],
    *,
    prerequisites: Mapping[str, Check] | None = None,
    closing: Sequence[Callable[[], None]] = (),
    draining: AbstractAsyncContextManager[None] | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Runs the tasks for as long as an app does."""

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        stop = threading.Event()
        met = Prerequisites(prerequisites or {}, stop)
        threads = [_start(task, stop, met) for task in tasks]
        async with draining or nullcontext():
            yield
        stop.set()
        for task in tasks:
            if isinstance(task, Sleeper):
                task.wake()
        deadline = time.monotonic() + TASK_STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.error("task %s did not stop in time", thread.name)
        for close in closing:
            close()

    return running


def furnish(
    app: Starlette,
    *,
    name: str,
    tasks: Sequence[BackgroundTask] = (),
    checks: Mapping[str, Check] | None = None,
    measures: Sequence[Measured] = (),
    prerequisites: Mapping[str, Check] | None = None,
    streamed: re.Pattern[str] | None = None,
) -> None:
    """What the apps of all processes have: problem documents, bounded bodies, traces, metrics and health."""
    app.state.service = name
    add_problem_handlers(app)
    app.add_middleware(BodyLimitMiddleware, streamed=streamed)
    app.add_middleware(TelemetryMiddleware)
    subscriptions = {task.name: _subscribed(task) for task in tasks if isinstance(task, Subscriber)}
    app.state.health = Health({**(prerequisites or {}), **(checks or {}), **subscriptions}, measures)
    app.router.routes.extend(app.state.health.routes())


class Prerequisites:
    """What has to hold before tasks begin; waited for by all of them, looked at by one at a time."""

    def __init__(self, checks: Mapping[str, Check], stop: threading.Event) -> None:
        self._left = dict(checks)
        self._stop = stop
        self._looking = threading.Lock()

    def wait(self) -> bool:
        """Waits until all hold; False if the process stops before."""
        told = ""
        while not self._stop.is_set():
            with self._looking:
                problem = self._problem()
            if problem is None:
                return True
            if problem != told:
                log.warning("tasks wait: %s", problem)
                told = problem
            self._stop.wait(PREREQUISITE_SECONDS)
        return False

    def _problem(self) -> str | None:
        for name, check in list(self._left.items()):
            try:
                check()
            except Exception as error:  # noqa: BLE001 - whatever a check raises is what is missing
                return f"{name}: {error}"
            del self._left[name]
        return None


def _start(task: BackgroundTask, stop: threading.Event, met: Prerequisites) -> threading.Thread:
    def run() -> None:
        try:
            if met.wait():
                task.run(stop)
        except BaseException:
            log.critical("background task %s failed; the process ends", task.name, exc_info=True)
            logging.shutdown()
            os._exit(EX_SOFTWARE)

    thread = threading.Thread(target=run, name=task.name, daemon=True)
    thread.start()
    return thread
