"""The end of a job: by its stream, and by asking where there is none."""

import time
from dataclasses import dataclass
from typing import Any

from stemwright_client import calls
from stemwright_client.errors import ApiError, ConnectionFailed, StemwrightError, UnexpectedAnswer, WaitExpired
from stemwright_client.flows.sending import Patience, is_passing, refuse, send
from stemwright_client.models import Job
from stemwright_client.progress import Report, Stage
from stemwright_client.sse import EventReader, StreamEvent
from stemwright_client.steps import Answer, Close, Emit, Flow, Next, Open, Send, Sleep, Stream

_SILENT_STREAMS = 3
"""So many streams in a row that broke off without a word, and the job is asked about instead: somebody in between
keeps them back."""
_ASK_EVERY_SECONDS = 2.0


@dataclass
class _Watch:
    """What is known of a job while it is waited for."""

    job: Job
    last_event_id: str | None = None
    silent_streams: int = 0

    def take(self, event: StreamEvent, report: Report) -> None:
        self.silent_streams = 0
        self.last_event_id = event.id or self.last_event_id
        if event.type == "status":
            self.job = read(event.data)
            tell(self.job, report)
        elif event.type == "progress":
            report(Stage.SEPARATING, event.data.get("fraction"))


def wait(job: Job, report: Report, patience_seconds: float, timeout_seconds: float | None) -> Flow[Job]:
    """The job when it has ended, however it did. Raises WaitExpired, ApiError, ConnectionFailed."""
    until = time.monotonic() + timeout_seconds if timeout_seconds is not None else float("inf")
    watch, patience = _Watch(job), Patience(patience_seconds)
    tell(job, report)
    while not watch.job.has_ended:
        if watch.silent_streams < _SILENT_STREAMS:
            try:
                yield from _watched(watch, report, until)
            except (ApiError, ConnectionFailed) as error:
                if not is_passing(error):
                    raise
                yield from patience.after(error)
        if not watch.job.has_ended:
            yield Sleep(_ASK_EVERY_SECONDS)
            _in_time(until, watch.job)
            watch.job = yield from send(calls.job(job.id), patience_seconds)
            patience.renew()  # the platform is there, whoever it is that cuts streams
            tell(watch.job, report)
    return watch.job


def _watched(watch: _Watch, report: Report, until: float) -> Flow[None]:
    """Reads one stream to its end."""
    watch.silent_streams += 1
    stream: Stream | Answer = yield _open(watch.job.id, watch.last_event_id)
    if isinstance(stream, Answer):
        refuse(stream)
        return
    reader = EventReader()
    while (line := (yield Next(stream))) is not None:
        _in_time(until, watch.job)
        event = reader.take(line)
        if event is not None:
            watch.take(event, report)
        if watch.job.has_ended:
            break
    yield Close(stream)


def job_events(job_id: str, last_event_id: str | None, patience_seconds: float) -> Flow[None]:
    """Emits each event of the job's stream, one that breaks off is opened again, until the job has ended."""
    patience = Patience(patience_seconds)
    while True:
        try:
            stream: Stream | Answer = yield _open(job_id, last_event_id)
            if isinstance(stream, Answer):
                refuse(stream)
                return
            reader = EventReader()
            while (line := (yield Next(stream))) is not None:
                event = reader.take(line)
                if event is None:
                    continue
                patience.renew()
                last_event_id = event.id or last_event_id
                yield Emit(event)
                if event.type == "status" and read(event.data).has_ended:
                    yield Close(stream)
                    return
            yield Close(stream)
            failure: StemwrightError = ConnectionFailed("the stream ended before the job did")
        except (ApiError, ConnectionFailed) as error:
            if not is_passing(error):
                raise
            failure = error
        yield from patience.after(failure)


def _open(job_id: str, last_event_id: str | None) -> Open:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_event_id} if last_event_id else {})}
    return Open(Send("GET", f"{calls.job(job_id).path}/events", headers=headers), "lines")


def _in_time(until: float, job: Job) -> None:
    if time.monotonic() > until:
        raise WaitExpired(f"{job.id} is still {job.status}")


def read(document: dict[str, Any]) -> Job:
    try:
        return Job.model_validate(document)
    except ValueError as error:
        raise UnexpectedAnswer(f"the stream holds no job: {error}") from None


def tell(job: Job, report: Report) -> None:
    if job.status in ("reserving", "queued"):
        report(Stage.WAITING, None)
    elif job.status == "running":
        report(Stage.SEPARATING, job.progress.fraction)
