"""A job as the orchestrator tells it, and a client that reads its stream."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.ids import numbered
from tests.services.gateway.standin import PATIENCE_SECONDS, Platform, Reply, Seen, token

JOB_ID = numbered("job")
EVENTS = f"/v1/jobs/{JOB_ID}/events"


@dataclass
class Job:
    """What the orchestrator knows of one job; answers as its internal route does."""

    owner: str = "usr_alice"
    away: bool = False

    def __post_init__(self) -> None:
        self.status = "reserving"
        self.attempt = 0
        self.progress: dict[str, Any] | None = None
        self.events: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def move(self, status: str) -> None:
        self.status = status
        event_id = numbered("evt", len(self.events) + 1)
        self.events.append({"id": event_id, "type": f"job.{status}", "job": self.document()})

    def document(self) -> dict[str, Any]:
        return {"id": JOB_ID, "status": self.status, "attempt": self.attempt, "progress": self.progress}

    def answer(self, seen: Seen) -> Reply:
        self.asked.append(seen.target)
        if self.away:
            return Reply(503)
        assert seen.target.startswith(f"/internal/jobs/{JOB_ID}/events")
        if seen.header("authorization") != f"Bearer {token_of(self.owner)}":
            return Reply(404)
        _, _, after = seen.target.partition("?after=")
        position = next((number + 1 for number, event in enumerate(self.events) if event["id"] == after), 0)
        return Reply(body=json.dumps({"job": self.document(), "events": self.events[position:]}).encode())


_TOKENS: dict[str, str] = {}


def token_of(account_id: str) -> str:
    return _TOKENS.setdefault(account_id, token(account_id))


class Reader:
    """Reads one stream in a thread; `events` are (event, id, data)."""

    def __init__(self, url: str, **headers: str) -> None:
        self.events: list[tuple[str, str | None, Any]] = []
        self.comments = 0
        self.retry: str | None = None
        self.response: httpx2.Response | None = None
        self.ended = threading.Event()
        self.cut = False
        self._headers = {"Authorization": f"Bearer {token_of('usr_alice')}", **headers}
        self._url = url
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with (
            httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client,
            client.stream("GET", self._url, headers=self._headers) as response,
        ):
            self.response = response
            fields: dict[str, str] = {}
            try:
                for line in response.iter_lines():
                    if line.startswith(":"):
                        self.comments += 1
                    elif line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    elif fields:
                        self.retry = fields.get("retry", self.retry)
                        if "data" in fields:
                            self.events.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
                        fields = {}
            except httpx2.RemoteProtocolError:
                self.cut = True
        self.ended.set()

    def statuses(self) -> list[str]:
        return [data["status"] for event, _, data in list(self.events) if event == "status"]

    def fractions(self) -> list[float]:
        return [data["fraction"] for event, _, data in list(self.events) if event == "progress"]

    def wait_for_end(self) -> None:
        assert self.ended.wait(PATIENCE_SECONDS)
        assert not self.cut


@contextmanager
def watched(gateway: Platform, job: Job, **headers: str) -> Iterator[Reader]:
    gateway.orchestrator.answer = job.answer
    reader = Reader(gateway.url + EVENTS, **headers)
    yield reader
    assert reader.ended.wait(PATIENCE_SECONDS)
