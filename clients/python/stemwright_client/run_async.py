"""Runs flows on httpx2's asynchronous side: the same as `run`, with `await`."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread
import httpx2

from stemwright_client.connection import Connection, chunks_async, failed
from stemwright_client.steps import Answer, Blocking, Close, Emit, Flow, Next, Open, Send, Sleep, Step, emitting

T = TypeVar("T")


@dataclass
class _Stream:
    response: httpx2.Response
    pieces: AsyncIterator[Any]

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> httpx2.Headers:
        return self.response.headers


class AsyncRunner:
    """Many flows may run at a time."""

    def __init__(self, connection: Connection, http: httpx2.AsyncClient) -> None:
        self._connection = connection
        self.http = http

    async def run(self, flow: Flow[T]) -> T:
        """What the flow returns; raises what it raises."""
        async with aclosing(self.iterate(emitting(flow))) as emitted:
            async for result in emitted:
                return cast("T", result)
        raise AssertionError("a flow that emits its end has one")

    async def iterate(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        """What the flow emits."""
        async with AsyncExitStack() as streams:
            streams.callback(flow.close)
            result, error = None, None
            while True:
                try:
                    step = flow.send(result) if error is None else flow.throw(error)
                except StopIteration:
                    return
                result = error = None
                if isinstance(step, Emit):
                    yield step.item
                    continue
                try:
                    result = await self._take(step, streams)
                except Exception as raised:  # noqa: BLE001 - the flow decides what becomes of it
                    error = raised

    async def _take(self, step: Step, streams: AsyncExitStack) -> Any:
        match step:
            case Send():
                return await self._send(step)
            case Open():
                return await self._open(step, streams)
            case Next():
                return await self._next(cast("_Stream", step.stream))
            case Close():
                return await cast("_Stream", step.stream).response.aclose()
            case Sleep():
                return await anyio.sleep(step.seconds)
            case Blocking():
                return await anyio.to_thread.run_sync(step.work)
        raise AssertionError(step)

    async def _send(self, step: Send) -> Answer:
        response = await self._requested(step, stream=False)
        return Answer(response.status_code, response.headers, response.content)

    async def _open(self, step: Open, streams: AsyncExitStack) -> _Stream | Answer:
        response = await self._requested(step.request, stream=True)
        streams.push_async_callback(response.aclose)
        if response.status_code >= 400:
            try:
                return Answer(response.status_code, response.headers, await response.aread())
            except httpx2.HTTPError as error:
                raise failed(error) from error
        return _Stream(response, response.aiter_lines() if step.pieces == "lines" else response.aiter_bytes())

    async def _requested(self, step: Send, *, stream: bool) -> httpx2.Response:
        try:
            request = self.http.build_request(**self._connection.options(step, chunks_async))
            return await self.http.send(request, stream=stream, follow_redirects=False)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise failed(error) from error

    async def _next(self, stream: _Stream) -> Any:
        try:
            return await anext(stream.pieces, None)
        except httpx2.HTTPError as error:
            raise failed(error) from error
