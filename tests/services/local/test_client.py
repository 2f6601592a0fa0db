import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.local.client import (
    ApiError,
    Client,
    Document,
    StreamEvent,
    parse_events,
    pause_after,
)


def test_events_are_read_as_the_standard_says() -> None:
    stream = [
        ": a comment keeps the connection open",
        "event: status",
        "id: evt_1",
        'data: {"status":',
        'data: "queued"}',
        "",
        "event: progress",
        'data:{"fraction": 0.5}',
        "",
        "",
        "event: status",
        'data: {"cut": "off by the end of the stream"}',
    ]
    assert list(parse_events(stream)) == [
        StreamEvent("status", {"status": "queued"}, "evt_1"),
        StreamEvent("progress", {"fraction": 0.5}, None),
    ]


@contextmanager
def answering(*answers: tuple[int, Document]) -> Iterator[Client]:
    """A client of a server that gives these answers, one after the other."""
    left = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = next(left)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing: the test says what went wrong."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}") as client:
                yield client
        finally:
            server.shutdown()
            thread.join()


ASKS: list[Callable[[Client], Document]] = [
    lambda client: client.wait_for_job("job_1"),
    lambda client: client.wait_for_upload("upl_1"),
    lambda client: client.create_job("upl_1"),
]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_part_that_restarts_is_waited_for(ask: Callable[[Client], Document], status: int) -> None:
    ends = {"status": "rejected"}
    with answering((status, {"code": "passing"}), (200, ends)) as client:
        assert ask(client) == ends


@pytest.mark.parametrize("ask", ASKS)
def test_what_asking_again_does_not_mend_is_raised(ask: Callable[[Client], Document]) -> None:
    with answering((404, {"code": "not_found"})) as client, pytest.raises(ApiError, match="not_found"):
        ask(client)


TOKENS = {"access_token": "first", "refresh_token": "once"}
OVER = (401, {"code": "invalid_token"})


def test_an_access_token_that_is_over_is_replaced_once() -> None:
    with answering((200, TOKENS), OVER, (200, {**TOKENS, "access_token": "second"}), (200, {"id": "job_1"})) as client:
        client.sign_in("ada@example.com", "correct horse")
        assert client.call("GET", "/v1/jobs/job_1") == {"id": "job_1"}
        assert client.token == "second"


def test_a_stream_goes_on_with_another_access_token() -> None:
    with answering((200, TOKENS), OVER, (200, TOKENS), (404, {"code": "not_found"})) as client:
        client.sign_in("ada@example.com", "correct horse")
        with pytest.raises(ApiError, match="not_found"):
            list(client.events("job_1"))


@pytest.mark.parametrize("refused", [(400, {"code": "invalid_grant"}), (200, TOKENS)])
def test_a_session_that_has_ended_is_told(refused: tuple[int, Document]) -> None:
    with answering((200, TOKENS), OVER, refused, OVER) as client, pytest.raises(ApiError, match="invalid_token"):
        client.sign_in("ada@example.com", "correct horse")
        client.call("GET", "/v1/me")


def test_what_takes_long_is_asked_for_ever_more_rarely() -> None:
    asked, waited = 0, 0.0
    while waited < 120:
        pause = pause_after(waited)
        assert 0.05 <= pause <= max(0.05, waited / 8)  # what has come is heard of without much ado
        asked, waited = asked + 1, waited + pause
    assert asked < 270
