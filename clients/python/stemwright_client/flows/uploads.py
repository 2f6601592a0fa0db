"""A file to the platform, in parts that are sent again where they did not arrive."""

import hashlib
import logging
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stemwright_client import calls
from stemwright_client.errors import Conflict, ConnectionFailed, NotFound, StoreError, UploadRejected
from stemwright_client.flows.sending import Patience, is_passing, send
from stemwright_client.models import Part, Upload
from stemwright_client.orders import key_of
from stemwright_client.progress import Report, Stage
from stemwright_client.steps import Answer, Flow, Send, Sleep, blocking

_log = logging.getLogger("stemwright_client")

_FIRST_LOOK_SECONDS = 0.25
_LAST_LOOK_SECONDS = 3.0
_EXPIRED = 403
"""What an object store says to an address whose hour is over."""


def upload(song: Path, report: Report, patience_seconds: float) -> Flow[Upload]:
    """The upload, checked and ready.

    Run again after it was stopped it goes on with the parts that are missing: the key of the upload is made of the
    file's name, length and SHA-256. Raises UploadRejected, ApiError, StoreError, ConnectionFailed, OSError.
    """
    size_bytes, sha256 = yield from blocking(partial(measured, song))
    made = yield from _begun(song.name, size_bytes, sha256, patience_seconds)
    made = yield from _sent(song, made, report, patience_seconds)
    return (yield from _checked(made, report, patience_seconds))


def upload_url(source_url: str, filename: str | None, patience_seconds: float) -> Flow[Upload]:
    """The upload of a file that the platform fetches, checked and ready.

    Each run is an upload of its own: what is at an address may be another file the next time. Raises UploadRejected,
    ApiError, ConnectionFailed.
    """
    call = calls.create_upload_from(source_url, filename, uuid.uuid4().hex)
    made = yield from send(call, patience_seconds)
    return (yield from _checked(made, lambda _stage, _fraction: None, patience_seconds))


def measured(song: Path) -> tuple[int, str]:
    """Length in bytes and SHA-256 of a file. Raises UploadRejected where it is empty, OSError."""
    with song.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = file.tell()
    if size_bytes == 0:
        raise UploadRejected("audio_empty", "The file is empty.")
    return size_bytes, digest


def _begun(filename: str, size_bytes: int, sha256: str, patience_seconds: float) -> Flow[Upload]:
    key = key_of("upload", filename, size_bytes, sha256)
    while True:
        try:
            made = yield from send(calls.create_upload(filename, size_bytes, sha256, key), patience_seconds)
            # The answer to a key that was used before is the first one; what has arrived since stands in the upload.
            return (yield from send(calls.upload(made.id), patience_seconds))
        except NotFound as gone:
            if gone.code not in ("upload_not_found", "upload_deleted"):
                raise
            key = uuid.uuid4().hex  # it was deleted meanwhile, and its key with it


def _sent(song: Path, made: Upload, report: Report, patience_seconds: float) -> Flow[Upload]:
    patience = Patience(patience_seconds)
    while made.status == "pending":
        failure = yield from _parts_sent(song, made, report, patience)
        if failure is not None:
            yield from patience.after(failure)
        try:
            # Without a list of parts: those that have arrived are taken.
            made = yield from send(_next_call(made, failed=failure is not None), patience_seconds)
        except Conflict as refused:
            if refused.code not in ("upload_incomplete", "upload_not_pending", "upload_replaced"):
                raise
            if refused.code == "upload_incomplete":
                yield from patience.after(refused)
            made = yield from send(calls.upload(made.id), patience_seconds)
    return made


def _next_call(made: Upload, *, failed: bool) -> calls.Call[Upload]:
    return calls.upload(made.id) if failed else calls.complete_upload(made.id)


def _parts_sent(
    song: Path, made: Upload, report: Report, patience: Patience
) -> Flow[StoreError | ConnectionFailed | None]:
    """Sends what is missing. What stopped it, if it may pass, so that fresh addresses are asked for."""
    there = sum(part.size_bytes for part in made.uploaded_parts)
    for part in made.parts:
        try:
            yield from _part_sent(song, made, part, _of(report, made.size_bytes, there))
        except (StoreError, ConnectionFailed) as error:
            if isinstance(error, StoreError) and not (is_passing(error) or error.status == _EXPIRED):
                raise
            return error
        patience.renew()
        there += part.size_bytes
    report(Stage.UPLOADING, 1.0)
    return None


def _part_sent(song: Path, made: Upload, part: Part, sent: Callable[[int], None]) -> Flow[None]:
    content = yield from blocking(partial(_read, song, (part.number - 1) * made.part_size_bytes, part.size_bytes))
    if len(content) != part.size_bytes:
        raise UploadRejected("file_changed", f"{song.name} became shorter while it was sent")
    answer: Answer = yield Send("PUT", part.url, content=content, sent=sent)
    if answer.status >= 300:
        raise StoreError(answer.status)


def _of(report: Report, size_bytes: int, before: int) -> Callable[[int], None]:
    return lambda sent: report(Stage.UPLOADING, (before + sent) / size_bytes)


def _read(song: Path, start: int, length: int) -> bytes:
    with song.open("rb") as file:
        file.seek(start)
        return file.read(length)


def _checked(made: Upload, report: Report, patience_seconds: float) -> Flow[Upload]:
    pause = _FIRST_LOOK_SECONDS
    while made.status not in ("ready", "rejected"):
        report(Stage.CHECKING, None)
        yield Sleep(pause)
        pause = min(_LAST_LOOK_SECONDS, pause * 1.5)
        made = yield from send(calls.upload(made.id), patience_seconds)
    if made.status == "rejected":
        raise UploadRejected(made.code, made.reason)
    if made.audio is not None and not made.audio.complete:
        seconds = made.audio.duration_seconds
        _log.warning("%s is damaged or ends early: %.1f s of it can be read", made.filename, seconds)
    return made
