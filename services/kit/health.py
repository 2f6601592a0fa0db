"""What a process says of itself to whoever runs it: alive, ready, and its metrics."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from anyio import CapacityLimiter, create_task_group, move_on_after, to_thread
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.kit.errors import StemwrightError

READINESS_CACHE_SECONDS = 0.5
MEASURE_SECONDS = 3.0
BUILD = Gauge("stemwright_build_info", "1, of the version that runs.", ["version"])


@cache
def _running_version() -> str:
    """As the installed distribution has it; a checkout that is merely on the path, as in training, has none."""
    try:
        return version("stemwright")
    except PackageNotFoundError:
        return "unknown"


class NotReady(Exception):
    """What a readiness check raises to say why."""


Check = Callable[[], None]
"""A readiness check; raises if what it checks is not ready."""


class Measured(Protocol):
    """Metrics that are computed when somebody reads them."""

    def renew(self) -> None:
        """Computes them. Blocks, and raises nothing."""

    def forget(self) -> None:
        """Leaves them without a value: they could not be computed in time."""


class Health:
    """`/healthz`, `/readyz` and `/metrics` of one process.

    Its checks run at most twice a second, in a thread of its own: threads that wait for a database or for other
    services must not make the process look dead. While a round is under way the last result counts.
    """

    def __init__(self, checks: Mapping[str, Check], measures: Sequence[Measured] = ()) -> None:
        self._checks = checks
        self._measures = measures
        self._problems = {"start": "no check has ended yet"}
        self._looking = False
        self._looked_at = float("-inf")
        BUILD.labels(_running_version()).set(1)
        self.stopping = False
        """Set when the process was told to stop: it is not ready any more, whatever the checks say."""

    def routes(self) -> list[Route]:
        """What an app serves of it."""
        answers = {"/healthz": self._alive, "/readyz": self._ready, "/metrics": self._metrics}
        return [Route(path, answer, include_in_schema=False) for path, answer in answers.items()]

    async def _alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _ready(self, _request: Request) -> Response:
        problems = {"stop": "the process is stopping"} if self.stopping else await self._problems_now()
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, 503)
        return JSONResponse({"status": "ready"})

    async def _metrics(self, _request: Request) -> Response:
        async with create_task_group() as group:
            for measure in self._measures:
                group.start_soon(_renew, measure)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def _problems_now(self) -> Mapping[str, str]:
        if not self._looking and time.monotonic() - self._looked_at >= READINESS_CACHE_SECONDS:
            self._looking = True
            try:
                # A limiter of its own: the shared pool may be full of waiting requests.
                self._problems = await to_thread.run_sync(_problems, self._checks, limiter=CapacityLimiter(1))
            finally:
                self._looking = False
                self._looked_at = time.monotonic()
        return self._problems


async def _renew(measure: Measured) -> None:
    """Who reads metrics does not wait for a database that hangs."""
    with move_on_after(MEASURE_SECONDS) as limit:
        await to_thread.run_sync(measure.renew, limiter=CapacityLimiter(1), abandon_on_cancel=True)
    if limit.cancelled_caught:
        measure.forget()


def _said(error: Exception) -> str:
    """In one line, with what a library said where that is behind an error of ours: operators read it, not clients."""
    lines = str(error).splitlines() or [type(error).__name__]
    cause = error.__cause__ if isinstance(error, StemwrightError) else None
    if cause is None or isinstance(cause, StemwrightError):
        return lines[0]
    return ": ".join([lines[0], *str(cause).splitlines()[:1]])


def _problems(checks: Mapping[str, Check]) -> dict[str, str]:
    problems = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is what is not ready
            problems[name] = _said(error)[:200]
    return problems
