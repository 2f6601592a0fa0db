"""Quotes, jobs, results and feedback, as in the public contract."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from services.kit.auth import Principal, require_scope
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, IdempotencyKey
from services.kit.schemas import EXAMPLE_IDS, JobCursor, JobId, Limit, Line, Page, examples
from services.kit.storage import attachment
from services.orchestrator.errors import (
    FeedbackNotFound,
    InsufficientCredits,
    JobAlreadyFinal,
    JobDeleted,
    JobNotFinished,
    JobNotFound,
    JobNotRetryable,
    JobNotWaiting,
    JobRejected,
    OutputUnsuitable,
    PreviewAllowanceExhausted,
    PreviewOutside,
    ResultDamaged,
    ResultGone,
    SegmentNotFound,
    SegmentNotReady,
    StemNotFound,
    TooManyOpenJobs,
    TooManyWaitingJobs,
    UnknownModel,
    UploadNotFound,
    UploadNotReady,
    UploadRejected,
)
from services.orchestrator.playback import Listening
from services.orchestrator.results import Results
from services.orchestrator.schemas import (
    MAX_SONG_SECONDS,
    FeedbackAnswer,
    JobAnswer,
    ListedJob,
    NewFeedback,
    NewJob,
    NewQuote,
    PlaybackAnswer,
    Quote,
    StemLink,
    Waveforms,
)
from services.orchestrator.service import Jobs
from services.orchestrator.states import Status


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _results(request: Request) -> Results:
    results: Results = request.app.state.results
    return results


def _listening(request: Request) -> Listening:
    listening: Listening = request.app.state.listening
    return listening


JobsDep = Annotated[Jobs, Depends(_jobs)]
ResultsDep = Annotated[Results, Depends(_results)]
ListeningDep = Annotated[Listening, Depends(_listening)]
Caller = Annotated[Principal, Depends(require_scope("jobs"))]

StemName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="`vocals`, `instrumental` or `mixture`.")]
Track = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="One of the `tracks` of `/playback`.")]
Several = Annotated[list[JobId], Query(min_length=1, max_length=50, description="Once for each job.")]
SegmentNumber = Annotated[int, Path(ge=0, le=MAX_SONG_SECONDS, description="From 0.")]

router = APIRouter(prefix="/v1", tags=["Jobs"])

_UPLOAD = EXAMPLE_IDS["upl"]
_JOBS = examples(
    {"upload_id": _UPLOAD, "mode": "full"},
    free_preview={"upload_id": _UPLOAD, "mode": "preview"},
    as_MP3_and_in_no_hurry={
        "upload_id": _UPLOAD,
        "mode": "full",
        "tier": "relaxed",
        "stems": ["instrumental"],
        "output": {"format": "mp3", "bitrate_kbps": 256},
        "metadata": {"track": "7"},
    },
)
_QUOTES = examples({"upload_id": _UPLOAD, "mode": "full"}, relaxed={"upload_id": _UPLOAD, "tier": "relaxed"})
_FEEDBACK = examples({"rating": 4, "stem": "vocals", "tags": ["bleed"], "comment": "A little of the hi-hat is left."})

_PRICED = answers(UploadNotFound, UploadNotReady, UploadRejected, UnknownModel, PreviewOutside, OutputUnsuitable)
_MADE = {
    202: {"model": JobAnswer, "description": "The credits are still being reserved."},
    **answers(
        InsufficientCredits,
        PreviewAllowanceExhausted,
        UploadNotFound,
        UploadNotReady,
        IdempotencyInProgress,
        JobDeleted,
        IdempotencyConflict,
        UploadRejected,
        UnknownModel,
        PreviewOutside,
        OutputUnsuitable,
        JobRejected,
        TooManyOpenJobs,
        TooManyWaitingJobs,
    ),
}
_ONE = answers(JobNotFound)
_RESULT = answers(JobNotFound, ResultGone, JobNotFinished, ResultDamaged)
_NEVER_CHANGES = {"Cache-Control": "private, max-age=86400, immutable"}


@router.post("/quotes", summary="Ask for the price", responses=_PRICED)
def create_quote(
    body: Annotated[NewQuote, Body(openapi_examples=_QUOTES)],
    caller: Caller,
    jobs: JobsDep,
) -> Quote:
    """What a separation costs; a job made from the same request costs exactly that."""
    return jobs.quote(caller.account_id, body)


@router.post("/jobs", summary="Order a separation", status_code=201, response_model=JobAnswer, responses=_MADE)
def create_job(
    body: Annotated[NewJob, Body(openapi_examples=_JOBS)],
    caller: Caller,
    jobs: JobsDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Asks for a separation. 201: queued. 202: its credits are still being reserved.

    The jobs of an account that are open at a time are limited: 429 `too_many_open_jobs`, and, of those whose upload is
    not complete, `too_many_waiting_jobs`.
    """
    return jobs.create(caller.account_id, body, idempotency_key)


@router.get("/jobs", summary="List jobs")
def list_jobs(
    caller: Caller,
    jobs: JobsDep,
    limit: Limit = 20,
    cursor: JobCursor = None,
    status: Annotated[Status | None, Query()] = None,
    search: Annotated[
        Line | None, Query(min_length=1, max_length=100, description="Part of the name of the song's file.")
    ] = None,
) -> Page[ListedJob]:
    """The account's jobs, newest first."""
    items, following = jobs.list_jobs(caller.account_id, limit=limit, before=cursor, status=status, search=search)
    return Page(items=items, next_cursor=following)


@router.get("/queue", summary="What comes next")
def list_waiting_jobs(caller: Caller, jobs: JobsDep, limit: Limit = 20) -> Page[ListedJob]:
    """The account's jobs that wait for a worker, in their turn; always one page.

    Whole songs go before previews that were queued up to five minutes earlier.
    """
    return Page(items=jobs.queue(caller.account_id, limit), next_cursor=None)


@router.post(
    "/jobs/{job_id}/expedite", summary="Put a job before your others", responses=answers(JobNotFound, JobNotWaiting)
)
def expedite_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> JobAnswer:
    """Makes it the first of the account's own waiting jobs: it takes the turn of the first, and each of those that it
    goes before takes that of the next. Done twice it is done once."""
    return jobs.expedite(caller.account_id, job_id)


@router.get("/jobs/{job_id}", summary="Get a job", responses=_ONE)
def get_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> JobAnswer:
    """One job."""
    return jobs.get(caller.account_id, job_id)


@router.delete("/jobs/{job_id}", summary="Delete a job", status_code=204, response_class=Response, responses=_ONE)
def delete_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> None:
    """Deletes the job and its stems; cancels it first where it has not ended."""
    jobs.delete(caller.account_id, job_id)


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job", responses=answers(JobNotFound, JobAlreadyFinal))
def cancel_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> JobAnswer:
    """Cancels the job; nothing is charged. A preview that had begun counts as one of the day's free ones."""
    return jobs.cancel(caller.account_id, job_id)


@router.post(
    "/jobs/{job_id}/retry",
    summary="Try a job again",
    status_code=201,
    response_model=JobAnswer,
    responses={**_MADE, **answers(JobNotFound, UploadNotFound, JobNotRetryable, IdempotencyInProgress)},
)
def retry_job(job_id: JobId, caller: Caller, jobs: JobsDep, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """A new job like this one, which failed, was canceled or was rejected."""
    return jobs.retry(caller.account_id, job_id, idempotency_key)


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
    content = listening.segment(caller.account_id, job_id, track, number)
    return Response(content, media_type="audio/flac", headers=_NEVER_CHANGES)


@router.get("/jobs/{job_id}/manifest", operation_id="getManifest", summary="Get the proof", responses=_RESULT)
def get_manifest(job_id: JobId, caller: Caller, results: ResultsDep) -> dict[str, Any]:
    """The proof of the separation, as the worker wrote it."""
    return results.manifest(caller.account_id, job_id)


@router.get("/jobs/{job_id}/feedback", summary="Get feedback", responses=answers(JobNotFound, FeedbackNotFound))
def get_feedback(job_id: JobId, caller: Caller, jobs: JobsDep) -> FeedbackAnswer:
    """Feedback given on this job."""
    return jobs.feedback(caller.account_id, job_id)


@router.put("/jobs/{job_id}/feedback", summary="Give feedback", responses=answers(JobNotFound, JobNotFinished))
def put_feedback(
    job_id: JobId, body: Annotated[NewFeedback, Body(openapi_examples=_FEEDBACK)], caller: Caller, jobs: JobsDep
) -> FeedbackAnswer:
    """Gives feedback, in place of any given before."""
    return jobs.give_feedback(caller.account_id, job_id, body)
