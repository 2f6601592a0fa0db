"""Jobs, as in the public contract."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from services.kit.auth import CANARY_SCOPE, Principal
from services.kit.dependencies import IdempotencyKey, require_scope
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress
from services.kit.paging import JobCursor, Limit
from services.kit.schemas import EXAMPLE_IDS, BatchId, JobId, Line, Page, examples
from services.orchestrator.credits.errors import InsufficientCredits, PreviewAllowanceExhausted
from services.orchestrator.jobs.callbacks import check_callback, may_have_callbacks
from services.orchestrator.jobs.errors import (
    CallbacksForPartners,
    CallbackUrlRefused,
    JobAlreadyFinal,
    JobDeleted,
    JobNotFound,
    JobNotRetryable,
    JobNotWaiting,
    JobRejected,
    OutputUnsuitable,
    PreviewOutside,
    TooManyOpenJobs,
    TooManyWaitingJobs,
    UnknownModel,
)
from services.orchestrator.jobs.schemas import JobAnswer, ListedJob, NewJob
from services.orchestrator.jobs.service import Jobs
from services.orchestrator.jobs.states import Status
from services.orchestrator.settings import Settings
from services.orchestrator.uploads.errors import TooManyUnknownUploads, UploadNotFound, UploadNotReady, UploadRejected


async def _jobs(request: Request) -> Jobs:
    # What computes nothing is no work for another thread.
    jobs: Jobs = request.app.state.jobs
    return jobs


JobsDep = Annotated[Jobs, Depends(_jobs)]


async def _callback_check(request: Request) -> Callable[[Principal, str | None], None]:
    settings: Settings = request.app.state.settings
    return lambda caller, url: check_callback(caller, url, settings)


CallbackCheck = Annotated[Callable[[Principal, str | None], None], Depends(_callback_check)]
Caller = Annotated[Principal, Depends(require_scope("jobs"))]

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
_MADE = {
    202: {"model": JobAnswer, "description": "The credits are still being reserved."},
    **answers(
        InsufficientCredits,
        PreviewAllowanceExhausted,
        CallbacksForPartners,
        UploadNotFound,
        UploadNotReady,
        IdempotencyInProgress,
        JobDeleted,
        IdempotencyConflict,
        UploadRejected,
        UnknownModel,
        PreviewOutside,
        OutputUnsuitable,
        CallbackUrlRefused,
        JobRejected,
        TooManyOpenJobs,
        TooManyUnknownUploads,
        TooManyWaitingJobs,
    ),
}
_ONE = answers(JobNotFound)


@router.post("/jobs", summary="Order a separation", status_code=201, response_model=JobAnswer, responses=_MADE)
def create_job(
    body: Annotated[NewJob, Body(openapi_examples=_JOBS)],
    caller: Caller,
    jobs: JobsDep,
    check: CallbackCheck,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Asks for a separation. 201: queued. 202: its credits are still being reserved.

    The jobs of an account that are open at a time are limited: 429 `too_many_open_jobs`, and, of those whose upload is
    not complete, `too_many_waiting_jobs`.
    """
    check(caller, body.callback_url)
    return jobs.create(caller.account_id, body, idempotency_key, canary=CANARY_SCOPE in caller.scopes)


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
    batch_id: Annotated[BatchId | None, Query(description="Only songs of this batch.")] = None,
) -> Page[ListedJob]:
    """The account's jobs, newest first."""
    items, following = jobs.list_jobs(
        caller.account_id, limit=limit, before=cursor, status=status, search=search, batch_id=batch_id
    )
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
    """A new job like this one, which failed, was canceled or was rejected. Without the role of a partner it has no
    `callback_url`, even if this one had."""
    return jobs.retry(caller.account_id, job_id, idempotency_key, callback=may_have_callbacks(caller))
