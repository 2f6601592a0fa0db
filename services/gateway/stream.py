"""`GET /v1/jobs/{id}/events`: what happens to a job, as server-sent events (WHATWG HTML, section 9.2).

The orchestrator alone says what a job's status is. The event log only wakes a stream early; a stream that heard nothing
asks by itself every few seconds. So order, completeness and the end of a stream never depend on the broker.
"""

import json
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.types import Scope

from services.gateway.admission import Admission
from services.gateway.hub import Hub, Progress, Subscription
from services.gateway.proxy import Outgoing, Services, read_whole
from services.gateway.routes import Upstream
from services.kit.errors import Forbidden, NotFound, StemwrightError, Unauthorized, Unavailable, answers
from services.kit.ids import id_pattern, is_id
from services.kit.schemas import JobId
from services.kit.telemetry import current_traceparent

FINAL = frozenset({"succeeded", "failed", "canceled", "rejected"})
RECONNECT_MILLISECONDS = 2000
CHECK_SECONDS = 2.0
"""How often it is looked whether the caller may still see this."""
MAX_SNAPSHOT_BYTES = 1024 * 1024

EVENT = {
    "type": "object",
    "title": "StreamEvent",
    "properties": {
        "event": {"enum": ["status", "progress"]},
        "id": {"type": "string", "pattern": id_pattern("evt")},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "JSON. Of a `status`: the whole job, as `GET /v1/jobs/{job_id}` answers it. "
            "Of a `progress`: `{stage, fraction, playable_seconds, attempt}`.",
        },
        "retry": {"type": "integer", "minimum": 0},
    },
}
"""One event of the stream, as the public document has it."""

router = APIRouter()


class NoSuchJob(NotFound):
    code = "job_not_found"
    title = "There is no such job"


@dataclass(frozen=True)
class Snapshot:
    """What the orchestrator says: the job as it is, and the status events after the one that was named."""

    job: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def final(self) -> bool:
        """Nothing more will happen to this job."""
        return self.job["status"] in FINAL

    @property
    def progress(self) -> Progress | None:
        """How far the worker is; None before it has said so."""
        progress = self.job.get("progress")
        if self.job["status"] != "running" or not progress or progress["stage"] is None:
            return None
        return Progress(
            attempt=int(self.job["attempt"]),
            stage=str(progress["stage"]),
            fraction=float(progress["fraction"]),
            playable_seconds=float(self.job.get("playable_seconds", 0.0)),
        )


class JobSource:
    """Asks the orchestrator about one job, in the name of one caller."""

    def __init__(self, services: Services, admission: Admission, scope: Scope, job_id: str) -> None:
        self._orchestrator = services[Upstream.ORCHESTRATOR]
        self._admission = admission
        self._scope = scope
        self._job_id = job_id

    async def ask(self, after: str | None) -> Snapshot:
        """Raises NoSuchJob, Unauthorized, Forbidden, or what a service that is away raises."""
        query = f"?after={after}" if after else ""
        own = {
            b"authorization": await self._admission.renew(self._scope),
            b"x-request-id": self._scope["state"]["request_id"].encode(),
            b"traceparent": (current_traceparent() or "").encode(),
        }
        headers = [(name, value) for name, value in own.items() if value]
        target = f"/internal/jobs/{self._job_id}/events{query}".encode()
        outgoing = Outgoing("GET", target, headers, repeatable=True)
        async with self._orchestrator.request(outgoing) as response:
            answer = await read_whole(response, MAX_SNAPSHOT_BYTES)
        match response.status:
            case HTTPStatus.OK:
                document = json.loads(answer)
                return Snapshot(document["job"], document["events"])
            case HTTPStatus.NOT_FOUND:
                raise NoSuchJob
            case HTTPStatus.UNAUTHORIZED:
                raise Unauthorized
            case HTTPStatus.FORBIDDEN:
                raise Forbidden(detail_of(answer))
            case _:
                raise Unavailable("The state of the job cannot be read at the moment.", retry_after_seconds=2)

    async def check(self) -> None:
        """Raises Unauthorized where the caller's session or key was ended."""
        await self._admission.renew(self._scope)


class JobStream:
    """The events of one stream, from its first snapshot to its end."""

    def __init__(
        self,
        source: JobSource,
        subscription: Subscription,
        first: Snapshot,
        *,
        last_event_id: str | None,
        poll_seconds: Callable[[], float],
        max_seconds: float,
    ) -> None:
        self._source = source
        self._subscription = subscription
        self._snapshot = first
        self._last_event_id = last_event_id
        self._poll_seconds = poll_seconds
        self._ends = time.monotonic() + max_seconds
        self._progress: Progress | None = None

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Ends after a final status, when the job or the caller's access is gone, or when the process stops."""
        yield ServerSentEvent(retry=RECONNECT_MILLISECONDS)
        if not self._snapshot.events and self._last_event_id is None:
            yield _status(None, self._snapshot.job)
        while True:
            for event in self._of_snapshot():
                yield event
            if self._snapshot.final:
                return
            try:
                async for event in self._until_due():
                    yield event
            except Unauthorized:
                return
            except StemwrightError:
                pass  # the sign-in cannot be checked: the next question says so
            if self._subscription.closed or time.monotonic() >= self._ends:
                return
            try:
                self._snapshot = await self._source.ask(self._last_event_id)
            except (NoSuchJob, Unauthorized, Forbidden):
                return
            except StemwrightError:
                # The orchestrator restarts: what was missed is told when it is back.
                self._snapshot = Snapshot(self._snapshot.job, [])

    def _of_snapshot(self) -> list[ServerSentEvent]:
        events = []
        for event in self._snapshot.events:
            self._last_event_id = event["id"]
            events.append(_status(event["id"], event["job"]))
        events += self._fresh(self._snapshot.progress)
        return events

    def _fresh(self, progress: Progress | None) -> list[ServerSentEvent]:
        if progress is None or not progress.follows(self._progress):
            return []
        self._progress = progress
        data = {
            "stage": progress.stage,
            "fraction": round(progress.fraction, 4),
            "playable_seconds": progress.playable_seconds,
            "attempt": progress.attempt,
        }
        return [ServerSentEvent(event="progress", raw_data=compact(data))]

    async def _until_due(self) -> AsyncIterator[ServerSentEvent]:
        """Progress until the status may have changed or it is time to ask."""
        # Spread, so that streams that were opened together do not ask together.
        due = min(self._ends, time.monotonic() + self._poll_seconds() * random.uniform(0.8, 1.2))  # noqa: S311
        subscription = self._subscription
        while not subscription.take_status_changed() and not subscription.closed:
            left = due - time.monotonic()
            if left <= 0:
                return
            await subscription.wait(min(left, CHECK_SECONDS))
            await self._source.check()
            for event in self._fresh(subscription.take_progress()):
                yield event


async def open_stream(
    request: Request,
    response: Response,
    job_id: JobId,
    last_event_id: Annotated[
        str | None, Header(description="Status events after this one are sent, then what happens from now on.")
    ] = None,
) -> AsyncIterator[JobStream]:
    """Everything that can fail, before the first byte goes out: problems are problem documents, not cut streams."""
    admission: Admission = request.app.state.admission
    hub: Hub = request.app.state.hub
    admitted = await admission.admit(request.scope)
    response.headers.raw.extend(admitted.rate_headers)
    after = last_event_id if last_event_id and is_id("evt", last_event_id) else None
    settings = admission.settings
    with admission.streams.one(admitted.address, admitted.account_id):
        # First listen, then ask: nothing falls between the two.
        subscription = hub.subscribe(job_id)
        try:
            source = JobSource(request.app.state.services, admission, request.scope, job_id)
            first = await source.ask(after)
            if first.final and not first.events and after is not None:
                # All was told. 204 is how a server tells an EventSource to stop coming back (section 9.2.3).
                raise HTTPException(HTTPStatus.NO_CONTENT)
            yield JobStream(
                source,
                subscription,
                first,
                last_event_id=after,
                poll_seconds=lambda: max(
                    settings.stream_poll_seconds, admission.streams.total / settings.stream_polls_per_second
                ),
                max_seconds=settings.stream_max_seconds,
            )
        finally:
            hub.unsubscribe(subscription)


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    tags=["jobs"],
    summary="Watch a job",
    responses={
        200: {
            "description": "`status` events, whose data is the whole job as it was then, and `progress` events "
            "`{stage, fraction, playable_seconds, attempt}`; the stream ends after a final status.",
            "content": {"text/event-stream": {"schema": EVENT}},
        },
        204: {"description": "The job is over and its last event was seen already."},
        **answers(NoSuchJob),
    },
)
async def job_events(stream: Annotated[JobStream, Depends(open_stream)]) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events of one job. Send `Last-Event-ID` to resume; comments keep an idle connection open."""
    async for event in stream.events():
        yield event


def _status(event_id: str | None, job: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event="status", id=event_id, raw_data=compact(job))


def compact(data: dict[str, Any]) -> str:
    """JSON in one line, as the data of an event."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def detail_of(problem: bytes) -> str | None:
    """What a service's problem says to people."""
    try:
        return str(json.loads(problem)["detail"])
    except (ValueError, KeyError, TypeError):
        return None
