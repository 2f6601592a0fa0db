"""A client of a service's app in the same process."""

import atexit
import functools
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from starlette.datastructures import State
from starlette.types import ASGIApp, Message


class AppClient(TestClient):
    """Starlette's client, at a third of its price: eleven hundred tests make some ten thousand requests by it.

    `TestClient` starts an event loop in a thread of its own for each request, and goes to it and back nine times. Here
    the clients of a process share one loop, as those of a server do, and an answer comes back whole. For tests of what
    an app does when it starts and stops, of tasks beside it and of streams, there is `TestClient` itself.
    """

    def __init__(self, app: ASGIApp, *, raise_server_exceptions: bool = True, follow_redirects: bool = True) -> None:
        super().__init__(app, follow_redirects=follow_redirects)
        self._transport = _WholeAnswers(app, raise_server_exceptions=raise_server_exceptions)

    def __enter__(self) -> "AppClient":
        raise TypeError("the app's tasks would not run: enter a TestClient")


class _WholeAnswers(httpx2.BaseTransport):
    def __init__(self, app: ASGIApp, *, raise_server_exceptions: bool) -> None:
        self._app = app
        self._raise_server_exceptions = raise_server_exceptions

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        path, _, query = request.url.raw_path.partition(b"?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": unquote(request.url.path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("testclient", 50000),
            "server": (request.url.host, request.url.port or 80),
            "state": {},
        }
        answer: httpx2.Response = _portal().call(self._answer, scope, request)
        return answer

    async def _answer(self, scope: dict[str, Any], request: httpx2.Request) -> httpx2.Response:
        asked = [{"type": "http.request", "body": request.read(), "more_body": False}]
        ended = anyio.Event()
        start: dict[str, Any] = {"status": 500, "headers": []}
        body: list[bytes] = []

        async def receive() -> Message:
            if asked:
                return asked.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    ended.set()

        try:
            await self._app(scope, receive, send)
        except Exception:
            if self._raise_server_exceptions:
                raise
        content = b"" if request.method == "HEAD" else b"".join(body)
        return httpx2.Response(start["status"], headers=start["headers"], content=content, request=request)


@functools.cache
def _portal() -> BlockingPortal:
    """To the event loop of this process's clients, which ends with the process."""
    until_the_end = ExitStack()
    atexit.register(until_the_end.close)
    return until_the_end.enter_context(start_blocking_portal())


class Anything(State):
    """What an app's routes find on its state where no service was built."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return object()
