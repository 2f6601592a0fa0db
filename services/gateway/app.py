"""Puts the gateway together."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.gateway import docs, stream
from services.gateway.admission import Admission
from services.gateway.boundary import Boundary
from services.gateway.door import Door
from services.gateway.hub import Hub
from services.gateway.proxy import Services
from services.gateway.settings import Settings
from services.kit.app import BackgroundTask, create_app
from services.kit.auth import TokenVerifier

EXPOSED = ("Location", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id")


def gateway_app(settings: Settings, *, hub: Hub, tasks: tuple[BackgroundTask, ...] = ()) -> FastAPI:
    """The gateway's app; `tasks` feed the hub. Nothing is connected before the first request."""
    services = Services(settings)
    admission = Admission(settings, services, TokenVerifier.from_settings(settings))
    app = create_app(
        name="gateway",
        title="Stemwright",
        routers=[stream.router, docs.router],
        tasks=tasks,
        state={"settings": settings, "services": services, "admission": admission, "hub": hub},
        # The door bounds bodies route by route; the gateway's own routes read none.
        streamed=re.compile(".*", re.DOTALL),
    )
    app.mount("", Door(admission, services))

    run_tasks = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[None]:
        async with services, run_tasks(running):
            yield
            hub.close()

    app.router.lifespan_context = lifespan
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=list(EXPOSED),
            max_age=600,
        )
    app.add_middleware(Boundary)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    return app
