"""What a service says of itself to whoever runs it: alive, ready, and its metrics."""

import time
from collections.abc import Callable, Mapping

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

READINESS_CACHE_SECONDS = 0.5


class NotReady(Exception):
    """What a readiness check raises to say why."""


Check = Callable[[], None]
"""A readiness check; raises if what it checks is not ready."""


class _Readiness:
    """Runs the checks at most twice a second, in a thread of its own: threads that wait for a database or for other
    services must not make the process look dead. While a round is under way the last result counts.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._problems = {"start": "no check has ended yet"}
        self._looking = False
        self._looked_at = float("-inf")

    async def problems(self) -> Mapping[str, str]:
        """What is not ready, by the check's name."""
        if not self._looking and time.monotonic() - self._looked_at >= READINESS_CACHE_SECONDS:
            self._looking = True
            try:
                # A limiter of its own: the shared pool may be full of waiting requests.
                self._problems = await to_thread.run_sync(_problems, self._checks, limiter=CapacityLimiter(1))
            finally:
                self._looking = False
                self._looked_at = time.monotonic()
        return self._problems


def add_health(app: FastAPI, checks: Mapping[str, Check]) -> None:
    """Adds `/healthz`, `/readyz` and `/metrics`."""
    readiness = _Readiness(checks)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        problems = await readiness.problems()
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _problems(checks: Mapping[str, Check]) -> dict[str, str]:
    problems = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is what is not ready
            problems[name] = str(error)[:200] or type(error).__name__
    return problems
