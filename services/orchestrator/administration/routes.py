"""For operators: overview, queue, workers and the jobs of all accounts."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from services.kit.auth import Principal, Role
from services.kit.dependencies import IdempotencyKey, require_role
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress
from services.kit.paging import JobCursor, Limit, WorkerCursor
from services.kit.schemas import JobId, Line, Page, WorkerId, examples
from services.kit.spans import Span
from services.orchestrator.administration.errors import JobNotRequeueable, WorkerNotFound
from services.orchestrator.administration.repository import JobFilter
from services.orchestrator.administration.schemas import (
    AdminJob,
    JobTimeline,
    Overview,
    QueueView,
    WithReason,
    WorkerView,
)
from services.orchestrator.administration.service import Administration
from services.orchestrator.jobs.errors import JobNotFound, TooManyOpenJobs
from services.orchestrator.jobs.states import Status
from services.orchestrator.uploads.errors import UploadNotFound


async def _administration(request: Request) -> Administration:
    administration: Administration = request.app.state.administration
    return administration


AdministrationDep = Annotated[Administration, Depends(_administration)]
Operator = Annotated[Principal, Depends(require_role(Role.OPERATOR, Role.ADMIN, scope="account"))]
Reason = Annotated[WithReason, Body(openapi_examples=examples({"reason": "The machine gets a new driver"}))]

router = APIRouter(prefix="/v1/admin", tags=["operators"])


@router.get("/overview", summary="See how the platform does")
def get_overview(
    _operator: Operator,
    administration: AdministrationDep,
    span: Annotated[Span, Query(description="How far back, from now.")] = Span.DAY,
) -> Overview:
    """Audio to separate, waits, throughput, failures and ratings, in equal steps. Jobs count where they ended, also
    those that were deleted since; ratings go with their jobs."""
    return administration.overview(span)


@router.get("/queue", summary="See the queue")
def get_queue(_operator: Operator, administration: AdministrationDep) -> QueueView:
    """What waits and what runs, computed when it is asked for."""
    return administration.queue()


@router.post("/queue/pause", summary="Pause the queue")
def pause_queue(body: Reason, operator: Operator, administration: AdministrationDep) -> QueueView:
    """No job is given to a worker until the queue is resumed. What runs runs on, and orders are taken; a job that waits
    longer than the platform lets any wait fails all the same, and its credits go back."""
    return administration.pause_queue(operator.account_id, body.reason)


@router.post("/queue/resume", summary="Resume the queue")
def resume_queue(operator: Operator, administration: AdministrationDep) -> QueueView:
    """Ends a pause."""
    return administration.resume_queue(operator.account_id)


@router.get("/workers", summary="List workers")
def list_workers(
    _operator: Operator, administration: AdministrationDep, limit: Limit = 50, cursor: WorkerCursor = None
) -> Page[WorkerView]:
    """Workers heard of within the last hour, the newest first."""
    items, following = administration.workers(after=cursor, limit=limit)
    return Page(items=items, next_cursor=following)


@router.post("/workers/{worker_id}/drain", summary="Drain a worker", responses=answers(WorkerNotFound))
def drain_worker(
    worker_id: WorkerId, body: Reason, operator: Operator, administration: AdministrationDep
) -> WorkerView:
    """The worker gets no new job, and finishes those that it has. A worker that starts anew is not drained."""
    return administration.drain(operator.account_id, worker_id, body.reason)


@router.post("/workers/{worker_id}/resume", summary="Resume a worker", responses=answers(WorkerNotFound))
def resume_worker(worker_id: WorkerId, operator: Operator, administration: AdministrationDep) -> WorkerView:
    """The worker gets jobs again, also one that was passed over because it did not take any."""
    return administration.resume(operator.account_id, worker_id)


@router.get("/jobs", summary="Find jobs")
def find_jobs(
    _operator: Operator,
    administration: AdministrationDep,
    query: Annotated[
        Line | None, Query(max_length=40, description="The whole id of a job, an upload, an account or a worker.")
    ] = None,
    status: Annotated[Status | None, Query()] = None,
    model: Annotated[Line | None, Query(max_length=80)] = None,
    since: Annotated[AwareDatetime | None, Query(description="Made at this time or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Made before this time.")] = None,
    limit: Limit = 20,
    cursor: JobCursor = None,
) -> Page[AdminJob]:
    """Jobs of all accounts, the newest first; without names of songs and without notes."""
    wanted = JobFilter(text=query, status=status, model=model, since=since, until=until)
    items, following = administration.jobs(wanted, before=cursor, limit=limit)
    return Page(items=items, next_cursor=following)


@router.get("/jobs/{job_id}", summary="Follow a job", responses=answers(JobNotFound))
def follow_job(job_id: JobId, _operator: Operator, administration: AdministrationDep) -> JobTimeline:
    """A job and its way through the services."""
    return administration.timeline(job_id)


@router.post(
    "/jobs/{job_id}/requeue",
    summary="Requeue a job",
    response_model=AdminJob,
    responses=answers(
        JobNotFound, UploadNotFound, JobNotRequeueable, IdempotencyInProgress, IdempotencyConflict, TooManyOpenJobs
    ),
)
def requeue_job(
    job_id: JobId,
    body: Reason,
    operator: Operator,
    administration: AdministrationDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Has a job done anew: one that runs by another attempt, one that waits for its next attempt now, and one that
    failed as a new job like it, in its owner's name and at today's price. Answers with the job that is to be done."""
    return administration.requeue(operator.account_id, job_id, body, idempotency_key)
