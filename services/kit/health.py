"""What a process says of itself to whoever runs it: alive, ready, and its metrics."""

import time
from collections.abc import Callable, Mapping

from anyio import CapacityLimiter, to_thread
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

READINESS_CACHE_SECONDS = 0.5


class NotReady(Exception):
    """What a readiness check raises to say why."""


Check = Callable[[], None]
"""A readiness check; raises if what it checks is not ready."""


class Health:
    """`/healthz`, `/readyz` and `/metrics` of one process.

    Its checks run at most twice a second, in a thread of its own: threads that wait for a database or for other
    services must not make the process look dead. While a round is under way the last result counts.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._problems = {"start": "no check has ended yet"}
        self._looking = False
        self._looked_at = float("-inf")
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
        # Some gauges ask the database when they are read: not on the loop that everything else is served by.
        text = await to_thread.run_sync(generate_latest, limiter=CapacityLimiter(1))
        return Response(text, media_type=CONTENT_TYPE_LATEST)

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


def _problems(checks: Mapping[str, Check]) -> dict[str, str]:
    problems = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is what is not ready
            problems[name] = str(error)[:200] or type(error).__name__
    return problems
