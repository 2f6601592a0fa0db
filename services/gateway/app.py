"""Puts the gateway together."""

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.gateway import account_pages, docs, event_stream, export, stream, web_app
from services.gateway.admission import Admission
from services.gateway.hub import Hub
from services.gateway.middleware import EdgeMiddleware
from services.gateway.proxy import Services
from services.gateway.reverse_proxy import ReverseProxy
from services.gateway.settings import Settings
from services.kit.app import create_app
from services.kit.auth import TokenVerifier
from services.kit.errors import RouteNotFound
from services.kit.process import BackgroundTask

EXPOSED = ("Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id")


def gateway_app(
    settings: Settings,
    *,
    hub: Hub,
    tasks: tuple[BackgroundTask, ...] = (),
    verifier: TokenVerifier | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The gateway's app; `tasks` feed the hub. Nothing is connected before the first request.

    `clock` is the monotonic one by which what is known of callers grows old.
    """
    services = Services(settings)
    admission = Admission(settings, services, verifier or TokenVerifier.from_settings(settings), clock)
    app = create_app(
        name="gateway",
        title="Stemwright",
        routers=[stream.router, event_stream.router, export.router, docs.router, account_pages.router, web_app.router],
        tasks=tasks,
        state={"settings": settings, "services": services, "admission": admission, "hub": hub, "pages": web_app.BUILT},
        missing={"job_id": stream.NoSuchJob},
        # The reverse proxy bounds bodies route by route; the gateway's own routes read none.
        streamed=re.compile(".*", re.DOTALL),
    )
    app.add_exception_handler(RouteNotFound, _on_route_not_found)
    app.mount("", ReverseProxy(admission, services))

    run_tasks = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[None]:
        async with services, run_tasks(running):
            yield
            hub.close()
            await admission.limits.close()

    app.router.lifespan_context = lifespan
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
                *("Range", "X-Request-Id"),
            ],
            expose_headers=list(EXPOSED),
            max_age=600,
        )
    app.add_middleware(EdgeMiddleware)
    if settings.proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.proxies))
    return app


def _on_route_not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, RouteNotFound)  # noqa: S101 - registered for this type only
    return web_app.not_found(request, error)
