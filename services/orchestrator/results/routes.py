"""Stems, their proof, and listening to them, as in the public contract."""

import re
from collections.abc import Generator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from services.kit.errors import answers
from services.kit.schemas import JobId
from services.kit.storage import Content, attachment
from services.orchestrator.jobs.errors import (
    JobNotFinished,
    JobNotFound,
)
from services.orchestrator.jobs.routes import Caller
from services.orchestrator.jobs.schemas import MAX_SONG_SECONDS
from services.orchestrator.results.errors import (
    MixTooLong,
    ResultDamaged,
    ResultGone,
    SegmentNotFound,
    SegmentNotReady,
    StemNotFound,
)
from services.orchestrator.results.playback import Listening
from services.orchestrator.results.rendering import Rendering, RenderingBusy
from services.orchestrator.results.schemas import Faders, PlaybackAnswer, StemLink, Waveforms
from services.orchestrator.results.service import Results


async def _results(request: Request) -> Results:
    results: Results = request.app.state.results
    return results


async def _listening(request: Request) -> Listening:
    listening: Listening = request.app.state.listening
    return listening


ResultsDep = Annotated[Results, Depends(_results)]
ListeningDep = Annotated[Listening, Depends(_listening)]

StemName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="`vocals`, `instrumental` or `mixture`.")]
Track = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="One of the `tracks` of `/playback`.")]
Several = Annotated[list[JobId], Query(min_length=1, max_length=50, description="Once for each job.")]
SegmentNumber = Annotated[int, Path(ge=0, le=MAX_SONG_SECONDS, description="From 0.")]


router = APIRouter(prefix="/v1", tags=["Jobs"])


class Closing(StreamingResponse):
    """Ends the work behind it as soon as the client has left, and not when the collector of garbage comes by."""

    def __init__(self, content: Rendering | Generator[bytes], *about: Any, **more: Any) -> None:
        super().__init__(content, *about, **more)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._content.close()


def flac(segment: Content, headers: Mapping[str, str] | None = None) -> StreamingResponse:
    """A segment as it comes from the store: one of many channels has 20 MB, and a client may read it slowly."""
    told = {"Content-Length": str(segment.size_bytes), **(headers or {})}
    return Closing(segment.chunks, media_type="audio/flac", headers=told)


_RESULT = answers(JobNotFound, ResultGone, JobNotFinished, ResultDamaged)
_REST = re.compile(r"bytes=([0-9]{1,12})-")
_NEVER_CHANGES = {"Cache-Control": "private, max-age=86400, immutable"}


@router.get(
    "/jobs/{job_id}/stems/{name}",
    summary="Download a stem",
    status_code=307,
    response_class=RedirectResponse,
    response_model=None,
    responses={
        200: {"model": StemLink, "description": "Where the stem is; to who asks with `Accept: application/json`."},
        307: {
            "description": "Where the stem is.",
            "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}},
        },
        **answers(JobNotFound, StemNotFound, ResultGone, JobNotFinished),
    },
)
def get_stem(job_id: JobId, name: StemName, caller: Caller, results: ResultsDep, request: Request) -> Response:
    """Redirects to where the stem can be downloaded for a while, whole or by ranges of bytes.

    With `Accept: application/json` the address is told instead, with length and digest.
    """
    link = results.stem_link(caller.account_id, job_id, name)
    headers = {"Vary": "Accept"}
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(link.model_dump(mode="json"), headers=headers)
    return RedirectResponse(link.url, headers=headers)


@router.get(
    "/jobs/{job_id}/archive",
    summary="Download all stems",
    response_class=StreamingResponse,
    responses={200: {"description": "A zip.", "content": {"application/zip": {}}}, **_RESULT},
)
def get_archive(job_id: JobId, caller: Caller, results: ResultsDep) -> StreamingResponse:
    """All stems of the job in one zip."""
    name, length, content = results.archive(caller.account_id, job_id)
    headers = {"Content-Disposition": attachment(name), "Content-Length": str(length)}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.get(
    "/archives",
    summary="Download the stems of several jobs",
    response_class=StreamingResponse,
    responses={200: {"description": "A zip.", "content": {"application/zip": {}}}, **_RESULT},
)
def get_archives(caller: Caller, results: ResultsDep, job_id: Several) -> StreamingResponse:
    """All stems of up to fifty jobs in one zip, a folder for each job. Where one has none, `job_id` of the problem says
    which."""
    length, content = results.archive_of_many(caller.account_id, job_id)
    headers = {"Content-Disposition": attachment("stems.zip"), "Content-Length": str(length)}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.get(
    "/jobs/{job_id}/stem-file",
    summary="Download the file for DJ software",
    response_class=StreamingResponse,
    responses={
        200: {"description": "An MP4 with five tracks of AAC.", "content": {"audio/mp4": {}}},
        **_RESULT,
        **answers(RenderingBusy),
    },
)
def get_stem_file(job_id: JobId, caller: Caller, results: ResultsDep) -> StreamingResponse:
    """The song and its stems in one `.stem.mp4`, as DJ software opens it (Native Instruments' Stems).

    Five stereo tracks of AAC: the mixture, the instrumental, two silent ones, the vocals. Its sound is lossy: the stems
    sum to the song as far as anybody hears, not to the sample, which those in a lossless format do. It is made while it
    is sent, so its length is not told beforehand; one at a time for each account.
    """
    name, content = results.stem_file(caller.account_id, job_id)
    return Closing(content, media_type="audio/mp4", headers={"Content-Disposition": attachment(name)})


@router.get(
    "/jobs/{job_id}/mix",
    summary="Download a mix of the stems",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A WAV of 24 bits, in stereo.", "content": {"audio/wav": {}}},
        206: {"description": "What comes from a byte on.", "content": {"audio/wav": {}}},
        **answers(JobNotFound, ResultGone, JobNotFinished, MixTooLong, ResultDamaged, RenderingBusy),
    },
)
def get_mix(
    job_id: JobId, caller: Caller, results: ResultsDep, faders: Annotated[Faders, Query()], request: Request
) -> StreamingResponse:
    """The stems as the faders of the mixer stand, by the same arithmetic, as one WAV of 24 bits in stereo.

    Without any the mix is the song, sample for sample, in 16 bits of the 24. What lies beyond full scale is cut. It is
    made while it is sent; one at a time for each account. A download that broke off goes on with `Range: bytes=1000-`;
    other ranges are ignored and answered whole.
    """
    mix = results.mix(caller.account_id, job_id, faders)
    version = f'"{mix.version}"'
    begin = _rest(request, version, mix.length_bytes)
    headers = {
        "Content-Disposition": attachment(mix.name),
        "Content-Length": str(mix.length_bytes - begin),
        "Accept-Ranges": "bytes",
        "ETag": version,
    }
    if begin:
        headers["Content-Range"] = f"bytes {begin}-{mix.length_bytes - 1}/{mix.length_bytes}"
    return Closing(mix.content(begin), 206 if begin else 200, headers, media_type="audio/wav")


def _rest(request: Request, version: str, length_bytes: int) -> int:
    """From which byte on a client needs a file of which it has the beginning."""
    rest = _REST.fullmatch(request.headers.get("range", ""))
    if rest is None or request.headers.get("if-range", version) != version or int(rest[1]) >= length_bytes:
        return 0
    return int(rest[1])


@router.get("/jobs/{job_id}/waveforms", summary="Get peaks to draw", response_model=Waveforms, responses=_RESULT)
def get_waveforms(job_id: JobId, caller: Caller, results: ResultsDep) -> JSONResponse:
    """Minimum and maximum of every track, to draw."""
    return JSONResponse(results.waveforms(caller.account_id, job_id), headers=_NEVER_CHANGES)


@router.get(
    "/jobs/{job_id}/playback",
    summary="What can be listened to",
    responses=answers(JobNotFound, ResultGone, JobNotFinished),
)
def get_playback(job_id: JobId, caller: Caller, listening: ListeningDep) -> PlaybackAnswer:
    """The job's tracks in segments of some seconds each, from the first on while the job is still running."""
    return listening.playback(caller.account_id, job_id)


@router.get(
    "/jobs/{job_id}/playback/{track}/{number}",
    summary="Listen to a segment",
    response_class=Response,
    responses={
        200: {"description": "FLAC of 16 bits; it never changes.", "content": {"audio/flac": {}}},
        **answers(JobNotFound, ResultGone, SegmentNotFound, JobNotFinished, SegmentNotReady),
    },
)
def get_segment(
    job_id: JobId, track: Track, number: SegmentNumber, caller: Caller, listening: ListeningDep
) -> Response:
    """A segment of a track. Decoded and laid end to end, the segments of a track are the track, to the sample.

    409 `segment_not_ready` with `Retry-After`: it is still to come.
    """
    return flac(listening.segment(caller.account_id, job_id, track, number), _NEVER_CHANGES)


@router.get("/jobs/{job_id}/manifest", operation_id="getManifest", summary="Get the proof", responses=_RESULT)
def get_manifest(job_id: JobId, caller: Caller, results: ResultsDep) -> dict[str, Any]:
    """The proof of the separation, as the worker wrote it."""
    return results.manifest(caller.account_id, job_id)
