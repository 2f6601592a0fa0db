"""Runs flows on httpx2: one step after the other."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx2

from stemwright_client.connection import Connection, chunks, failed
from stemwright_client.steps import Answer, Blocking, Close, Emit, Flow, Next, Open, Send, Sleep, Step, emitting

T = TypeVar("T")


@dataclass
class _Stream:
    response: httpx2.Response
    pieces: Iterator[Any]

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> httpx2.Headers:
        return self.response.headers


class Runner:
    """Safe to use from several threads."""

    def __init__(self, connection: Connection, http: httpx2.Client) -> None:
        self._connection = connection
        self.http = http

    def run(self, flow: Flow[T]) -> T:
        """What the flow returns; raises what it raises."""
        for result in self.iterate(emitting(flow)):
            return cast("T", result)
        raise AssertionError("a flow that emits its end has one")

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        """What the flow emits."""
        with ExitStack() as streams:
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
                    result = self._take(step, streams)
                except Exception as raised:  # noqa: BLE001 - the flow decides what becomes of it
                    error = raised

    def _take(self, step: Step, streams: ExitStack) -> Any:
        match step:
            case Send():
                return self._send(step)
            case Open():
                return self._open(step, streams)
            case Next():
                return self._next(cast("_Stream", step.stream))
            case Close():
                return cast("_Stream", step.stream).response.close()
            case Sleep():
                return time.sleep(step.seconds)
            case Blocking():
                return step.work()
        raise AssertionError(step)

    def _send(self, step: Send) -> Answer:
        response = self._requested(step, stream=False)
        return Answer(response.status_code, response.headers, response.content)

    def _open(self, step: Open, streams: ExitStack) -> _Stream | Answer:
        response = self._requested(step.request, stream=True)
        streams.callback(response.close)
        if response.status_code >= 400:
            try:
                return Answer(response.status_code, response.headers, response.read())
            except httpx2.HTTPError as error:
                raise failed(error) from error
        return _Stream(response, response.iter_lines() if step.pieces == "lines" else response.iter_bytes())

    def _requested(self, step: Send, *, stream: bool) -> httpx2.Response:
        try:
            request = self.http.build_request(**self._connection.options(step, chunks))
            return self.http.send(request, stream=stream, follow_redirects=False)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise failed(error) from error

    def _next(self, stream: _Stream) -> Any:
        try:
            return next(stream.pieces, None)
        except httpx2.HTTPError as error:
            raise failed(error) from error
