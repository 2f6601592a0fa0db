"""A song to its stems, however often it is stopped in between."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from stemwright_client import calls
from stemwright_client.errors import ApiError, Conflict, JobFailed, NotFound, UploadRejected
from stemwright_client.flows.downloads import download
from stemwright_client.flows.jobs import wait
from stemwright_client.flows.sending import PAGE, send
from stemwright_client.flows.uploads import measured, upload
from stemwright_client.models import Job, ListedJob, Page
from stemwright_client.orders import Order
from stemwright_client.progress import Report
from stemwright_client.record import Place, Record, now
from stemwright_client.steps import Flow, blocking

_KEYS_ARE_KEPT = timedelta(hours=23)
"""The platform knows an idempotency key for 24 hours."""
_CLOCKS_DIFFER_BY = timedelta(minutes=10)


@dataclass(frozen=True)
class Separation:
    """A song that is separated: `files` are its stems by their names."""

    song: Path
    folder: Path
    job: Job
    files: dict[str, Path]


def separate(place: Place, order: Order, report: Report, patience_seconds: float) -> Flow[Separation]:
    """Uploads, orders, waits, fetches; what an earlier run has done of it is not done again, nor paid.

    Raises UploadRejected, JobFailed, DownloadDamaged, ApiError, StoreError, ConnectionFailed, OSError.
    """
    size_bytes, sha256 = yield from blocking(partial(measured, place.song))
    record = yield from blocking(partial(place.record, sha256, size_bytes, order))
    job = yield from _known_job(place, record, patience_seconds)
    if job is not None and job.has_ended and job.status != "succeeded":
        record, job = record.again(), None
    if job is None:
        record, job = yield from _ordered(place, record, order, report, patience_seconds)
    job = yield from wait(job, report, patience_seconds, None)
    record = record.changed(job_id=job.id, job=job.model_dump(mode="json"))
    yield from blocking(partial(place.write, record))
    if job.status != "succeeded":
        raise JobFailed(job)
    files = yield from download(job, place.folder, report, patience_seconds)
    return Separation(place.song, place.folder, job, files)


def _known_job(place: Place, record: Record, patience_seconds: float) -> Flow[Job | None]:
    """The job of an earlier run, if there is one."""
    if record.job_id is not None:
        try:
            return (yield from send(calls.job(record.job_id), patience_seconds))
        except NotFound:
            return None
    if record.upload_id is not None and record.ordered_at is not None and now() - record.ordered_at > _KEYS_ARE_KEPT:
        # It was stopped between asking and hearing, and the key does not protect any more.
        return (yield from _listed(place.song.name, record, patience_seconds))
    return None


def _listed(filename: str, record: Record, patience_seconds: float) -> Flow[Job | None]:
    cursor: str | None = None
    while True:
        page: Page[ListedJob] = yield from send(calls.jobs(cursor, PAGE, search=filename), patience_seconds)
        for job in page.items:
            if job.upload_id == record.upload_id and _is_of(record, job):
                return job
        cursor = page.next_cursor
        if cursor is None:
            return None


def _is_of(record: Record, job: Job) -> bool:
    assert record.ordered_at is not None  # noqa: S101 - the caller has looked
    wanted = record.order["output"]["format"], record.order["mode"]
    return (job.output.format, job.mode) == wanted and job.created_at > record.ordered_at - _CLOCKS_DIFFER_BY


def _ordered(
    place: Place,
    record: Record,
    order: Order,
    report: Report,
    patience_seconds: float,
) -> Flow[tuple[Record, Job]]:
    yield from blocking(place.make_folder)  # nothing is uploaded whose stems could not be written
    try:
        sent = yield from upload(place.song, report, patience_seconds)
    except UploadRejected:
        yield from blocking(place.leave_folder)
        raise
    # A record of this order under an upload that is gone is of another order.
    record = record if record.upload_id in (None, sent.id) else record.again()
    record = record.changed(upload_id=sent.id)
    while True:
        record = record.changed(ordered_at=record.ordered_at or now())
        yield from blocking(partial(place.write, record))
        try:
            job = yield from send(calls.create_job(sent.id, order, record.key), patience_seconds)
        except ApiError as refused:
            if refused.status < 500 and not isinstance(refused, Conflict):
                # Nothing was made. The next run asks anew, not for the answer to this key.
                yield from blocking(partial(place.write, record.again()))
            if refused.code != "job_deleted":
                raise
            record = record.again()
            continue
        record = record.changed(job_id=job.id)
        yield from blocking(partial(place.write, record))
        return record, job
