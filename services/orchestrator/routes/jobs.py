"""Quotes, jobs, results and feedback, as in the public contract."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from services.kit.auth import Principal, require_scope
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, IdempotencyKey
from services.kit.schemas import JobCursor, JobId, Limit, Page
from services.kit.storage import attachment
from services.orchestrator.errors import (
    FeedbackNotFound,
    InsufficientCredits,
    JobAlreadyFinal,
    JobDeleted,
    JobNotFinished,
    JobNotFound,
    JobNotRetryable,
    JobRejected,
    OutputUnsuitable,
    PreviewAllowanceExhausted,
    PreviewOutside,
    ResultDamaged,
    ResultGone,
    StemNotFound,
    TooManyOpenJobs,
    TooManyWaitingJobs,
    UnknownModel,
    UploadNotFound,
    UploadNotReady,
    UploadRejected,
)
from services.orchestrator.results import Results
from services.orchestrator.schemas import FeedbackAnswer, JobAnswer, NewFeedback, NewJob, NewQuote, Quote, Waveforms
from services.orchestrator.service import Jobs
from services.orchestrator.states import Status


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _results(request: Request) -> Results:
    results: Results = request.app.state.results
    return results


JobsDep = Annotated[Jobs, Depends(_jobs)]
ResultsDep = Annotated[Results, Depends(_results)]
Caller = Annotated[Principal, Depends(require_scope("jobs"))]

StemName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$")]

router = APIRouter(prefix="/v1", tags=["Jobs"])

_PRICED = answers(UploadNotFound, UploadNotReady, UploadRejected, PreviewOutside, OutputUnsuitable)
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


@router.post("/quotes", responses=_PRICED)
def create_quote(body: NewQuote, caller: Caller, jobs: JobsDep) -> Quote:
    """What a separation costs; a job made from the same request costs exactly that."""
    return jobs.quote(caller.account_id, body)


@router.post("/jobs", status_code=201, response_model=JobAnswer, responses=_MADE)
def create_job(body: NewJob, caller: Caller, jobs: JobsDep, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Asks for a separation. 201: queued. 202: its credits are still being reserved.

    The jobs of an account that are open at a time are limited: 429 `too_many_open_jobs`, and, of those whose upload is
    not complete, `too_many_waiting_jobs`.
    """
    return jobs.create(caller.account_id, body, idempotency_key)


@router.get("/jobs")
def list_jobs(
    caller: Caller,
    jobs: JobsDep,
    limit: Limit = 20,
    cursor: JobCursor = None,
    status: Annotated[Status | None, Query()] = None,
) -> Page[JobAnswer]:
    """The account's jobs, newest first."""
    items, following = jobs.list_jobs(caller.account_id, limit=limit, before=cursor, status=status)
    return Page(items=items, next_cursor=following)


@router.get("/jobs/{job_id}", responses=_ONE)
def get_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> JobAnswer:
    """One job."""
    return jobs.get(caller.account_id, job_id)


@router.delete("/jobs/{job_id}", status_code=204, response_class=Response, responses=_ONE)
def delete_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> None:
    """Deletes the job and its stems; cancels it first where it has not ended."""
    jobs.delete(caller.account_id, job_id)


@router.post("/jobs/{job_id}/cancel", responses=answers(JobNotFound, JobAlreadyFinal))
def cancel_job(job_id: JobId, caller: Caller, jobs: JobsDep) -> JobAnswer:
    """Cancels the job; nothing is charged. A preview that had begun counts as one of the day's free ones."""
    return jobs.cancel(caller.account_id, job_id)


@router.post(
    "/jobs/{job_id}/retry",
    status_code=201,
    response_model=JobAnswer,
    responses={**_MADE, **answers(JobNotFound, UploadNotFound, JobNotRetryable, IdempotencyInProgress)},
)
def retry_job(job_id: JobId, caller: Caller, jobs: JobsDep, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """A new job like this one, which failed, was canceled or was rejected."""
    return jobs.retry(caller.account_id, job_id, idempotency_key)


@router.get(
    "/jobs/{job_id}/stems/{name}",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {
            "description": "Where the stem is.",
            "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}},
        },
        **answers(JobNotFound, StemNotFound, ResultGone, JobNotFinished),
    },
)
def get_stem(job_id: JobId, name: StemName, caller: Caller, results: ResultsDep) -> str:
    """Redirects to where the stem can be downloaded for a while: `vocals`, `instrumental` or `mixture`."""
    return results.stem_url(caller.account_id, job_id, name)


@router.get(
    "/jobs/{job_id}/archive",
    response_class=StreamingResponse,
    responses={200: {"description": "A zip.", "content": {"application/zip": {}}}, **_RESULT},
)
def get_archive(job_id: JobId, caller: Caller, results: ResultsDep) -> StreamingResponse:
    """All stems of the job in one zip."""
    name, length, content = results.archive(caller.account_id, job_id)
    headers = {"Content-Disposition": attachment(name), "Content-Length": str(length)}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@router.get("/jobs/{job_id}/waveforms", response_model=Waveforms, responses=_RESULT)
def get_waveforms(job_id: JobId, caller: Caller, results: ResultsDep) -> JSONResponse:
    """Minimum and maximum of every track, to draw."""
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return JSONResponse(results.waveforms(caller.account_id, job_id), headers=headers)


@router.get("/jobs/{job_id}/manifest", responses=_RESULT)
def get_manifest(job_id: JobId, caller: Caller, results: ResultsDep) -> dict[str, Any]:
    """The proof of the separation, as the worker wrote it."""
    return results.manifest(caller.account_id, job_id)


@router.get("/jobs/{job_id}/feedback", responses=answers(JobNotFound, FeedbackNotFound))
def get_feedback(job_id: JobId, caller: Caller, jobs: JobsDep) -> FeedbackAnswer:
    """Feedback given on this job."""
    return jobs.feedback(caller.account_id, job_id)


@router.put("/jobs/{job_id}/feedback", responses=answers(JobNotFound, JobNotFinished))
def put_feedback(job_id: JobId, body: NewFeedback, caller: Caller, jobs: JobsDep) -> FeedbackAnswer:
    """Gives feedback, in place of any given before."""
    return jobs.give_feedback(caller.account_id, job_id, body)
