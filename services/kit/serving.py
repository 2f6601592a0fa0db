"""Serves the app of a service, and beside it what a cluster asks a process, until the process is told to stop."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette

from services.kit.health import Health
from services.kit.settings import EX_CONFIG, ServiceSettings
from services.kit.telemetry import configure_logging, export_spans

log = logging.getLogger(__name__)

BACKLOG = 2048
EVERY_IPV6_ADDRESS = "::"
EVERY_IPV4_ADDRESS = "0.0.0.0"  # noqa: S104 - told to by a setting


def serve(
    app: Starlette,
    settings: ServiceSettings,
    *,
    on_stopping: Callable[[], None] | None = None,
    has_clients: bool = True,
    **options: Any,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what is under way. Blocks.

    Told to stop, it is not ready from that moment on, and goes on serving for `drain_seconds` if it `has_clients`:
    whoever sends it requests has that long to hear of it. `on_stopping` is called on the event loop when the sockets
    are about to close, before open answers are waited for; `options` are uvicorn's own. With an admin port, that is
    where it tells of itself, to the very end, and no longer on its own.
    """
    configure_logging(app.state.service, log_format=settings.log_format, level=settings.log_level)
    if settings.otlp_endpoint:
        export_spans(app.state.service, settings.otlp_endpoint)
    health: Health = app.state.health
    admin = None
    try:
        if settings.listen_fd is not None:
            sockets = [socket.socket(fileno=settings.listen_fd)]
        else:
            sockets = listeners(settings.host, settings.port)
        if settings.admin_port:
            told = {route.path for route in health.routes()}
            app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) not in told]
            admin = _Admin(health, listeners(settings.host, settings.admin_port))
    except OSError as error:
        print(f"stemwright: cannot listen on {settings.host}: {error.strerror or error}", file=sys.stderr)  # noqa: T201 - one line for people
        raise SystemExit(EX_CONFIG) from None
    config = uvicorn.Config(
        app,
        **{
            "loop": "uvloop",
            "http": "httptools",
            "ws": "none",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "timeout_graceful_shutdown": settings.shutdown_grace_seconds,
            **options,
        },
    )
    # Uvicorn raises the signal again when it is done; having stopped as told is success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    drain_seconds = settings.drain_seconds if has_clients else 0.0
    _Server(config, health, admin, drain_seconds=drain_seconds, on_stopping=on_stopping).run(sockets=sockets)


def listeners(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on an address; on `::`, every address of both protocols. A port of 0 is any free one.

    Two sockets rather than one for both: the addresses of IPv4 clients then are what they are, not `::ffff:...`, and
    match what settings say of them. Raises OSError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = [socket.create_server((host, port), family=family, backlog=BACKLOG)]
    if host == EVERY_IPV6_ADDRESS:
        try:
            address = (EVERY_IPV4_ADDRESS, made[0].getsockname()[1])
            made.append(socket.create_server(address, backlog=BACKLOG))
        except OSError as error:
            log.info("nothing listens on IPv4: %s", error)
    return made


class _Admin(uvicorn.Server):
    """A second, small server on the same event loop: where that hangs, it hangs too, as a probe should find."""

    def __init__(self, health: Health, sockets: list[socket.socket]) -> None:
        super().__init__(
            uvicorn.Config(
                Starlette(routes=health.routes()),
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,  # at 0 uvicorn tells of an error each time, without one
            )
        )
        self._sockets = sockets
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serves from now on. The signals are the other server's."""
        self._serving = asyncio.ensure_future(self._serve(self._sockets))

    async def stop(self) -> None:
        """Closes it. Returns when it is closed."""
        self.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        health: Health,
        admin: _Admin | None,
        *,
        drain_seconds: float,
        on_stopping: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._health = health
        self._admin = admin
        self._drain_seconds = drain_seconds
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._admin is not None:
            self._admin.start()
        await super().startup(sockets)
        for one in sockets or ():
            log.info("listening on %s port %d", *one.getsockname()[:2])
        # Nothing loaded until now is garbage: later collections need not look at it again.
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._health.stopping = True
        until = time.monotonic() + self._drain_seconds
        while not self.force_exit and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(0.1, left))
        if self._on_stopping is not None:
            self._on_stopping()
        await super().shutdown(sockets)
        if self._admin is not None:
            await self._admin.stop()
