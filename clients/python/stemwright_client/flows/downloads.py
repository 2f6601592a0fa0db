"""The stems of a job as files: each appears whole and checked, or not at all."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from stemwright_client import calls
from stemwright_client.errors import ConnectionFailed, DownloadDamaged, JobFailed, StoreError
from stemwright_client.flows.sending import Patience, is_passing, send
from stemwright_client.models import Job, Stem
from stemwright_client.progress import Report, Stage
from stemwright_client.steps import Answer, Close, Flow, Next, Open, Send, Stream, blocking

_EXPIRED = 403


def download(job: Job, folder: Path, report: Report, patience_seconds: float) -> Flow[dict[str, Path]]:
    """The files by the names of the stems, `folder/<stem>.<format>`. What is there already, and right, stays.

    Raises JobFailed where it has not succeeded, DownloadDamaged, ApiError, StoreError, ConnectionFailed, OSError.
    """
    if job.status != "succeeded":
        raise JobFailed(job)
    yield from blocking(partial(folder.mkdir, parents=True, exist_ok=True))
    whole, there = sum(stem.size_bytes for stem in job.stems) or 1, 0
    files = {}
    for stem in job.stems:
        target = folder / f"{safe(stem.name)}.{safe(stem.format)}"
        yield from _fetched(job.id, stem, target, _of(report, whole, there), patience_seconds)
        there += stem.size_bytes
        files[stem.name] = target
    report(Stage.DOWNLOADING, 1.0)
    return files


def safe(name: str) -> str:
    """As a part of a file's name: the platform's names are words, and nothing that it answers leads out of a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "_"


def _of(report: Report, whole: int, before: int) -> Callable[[int], None]:
    return lambda got: report(Stage.DOWNLOADING, (before + got) / whole)


def _fetched(job_id: str, stem: Stem, target: Path, got: Callable[[int], None], patience_seconds: float) -> Flow[None]:
    if (yield from blocking(partial(_is_whole, target, stem))):
        return
    # Named after what it is to hold, so that what another run has left of the same is gone on with.
    draft = target.with_name(f".{target.name}.{stem.sha256[:12]}.part")
    patience = Patience(patience_seconds)
    while (yield from blocking(partial(_length, draft))) < stem.size_bytes:
        before = yield from blocking(partial(_length, draft))
        failure = yield from _appended(job_id, stem, draft, got, patience_seconds)
        if (yield from blocking(partial(_length, draft))) > before:
            patience.renew()
        if failure is not None:
            yield from patience.after(failure)
    if not (yield from blocking(partial(_put, draft, target, stem))):
        raise DownloadDamaged(f"{target.name} did not arrive as it was made: run it again")


def _appended(
    job_id: str, stem: Stem, draft: Path, got: Callable[[int], None], patience_seconds: float
) -> Flow[StoreError | ConnectionFailed | None]:
    """Fetches what is missing. What stopped it, if it may pass."""
    link = yield from send(calls.stem_link(job_id, stem.name), patience_seconds)
    have = yield from blocking(partial(_length, draft))
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        stream: Stream | Answer = yield Open(Send("GET", link.url, headers=headers), "bytes")
        if isinstance(stream, Answer):
            raise StoreError(stream.status)
        if stream.status != 206:  # the store knows no ranges, or nothing was there
            have = 0
        file = yield from blocking(partial(_opened, draft, have))
        try:
            while (block := (yield Next(stream))) is not None:
                yield from blocking(partial(file.write, block))
                have += len(block)
                got(have)
                if have > stem.size_bytes:
                    raise DownloadDamaged(f"{draft.name} is longer than it was made")
        finally:
            file.close()
        yield Close(stream)
    except (StoreError, ConnectionFailed) as error:
        if isinstance(error, StoreError) and not (is_passing(error) or error.status == _EXPIRED):
            raise
        return error
    return None if have >= stem.size_bytes else ConnectionFailed("the download broke off")


def _opened(draft: Path, have: int) -> IO[bytes]:
    file = draft.open("ab")
    file.truncate(have)
    return file


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_whole(path: Path, stem: Stem) -> bool:
    return path.is_file() and path.stat().st_size == stem.size_bytes and _sha256(path) == stem.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put(draft: Path, target: Path, stem: Stem) -> bool:
    if _sha256(draft) != stem.sha256:
        draft.unlink()
        return False
    draft.replace(target)
    return True
