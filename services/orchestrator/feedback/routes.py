"""Feedback, as in the public contract."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from services.kit.errors import answers
from services.kit.schemas import JobId, examples
from services.orchestrator.feedback.errors import FeedbackNotFound
from services.orchestrator.feedback.schemas import FeedbackAnswer, NewFeedback
from services.orchestrator.feedback.service import FeedbackService
from services.orchestrator.jobs.errors import (
    JobNotFinished,
    JobNotFound,
)
from services.orchestrator.jobs.routes import Caller


async def _feedback(request: Request) -> FeedbackService:
    feedback: FeedbackService = request.app.state.feedback
    return feedback


FeedbackDep = Annotated[FeedbackService, Depends(_feedback)]

router = APIRouter(prefix="/v1", tags=["Jobs"])

_FEEDBACK = examples({"rating": 4, "stem": "vocals", "tags": ["bleed"], "comment": "A little of the hi-hat is left."})


@router.get("/jobs/{job_id}/feedback", summary="Get feedback", responses=answers(JobNotFound, FeedbackNotFound))
def get_feedback(job_id: JobId, caller: Caller, feedback: FeedbackDep) -> FeedbackAnswer:
    """Feedback given on this job."""
    return feedback.get(caller.account_id, job_id)


@router.put("/jobs/{job_id}/feedback", summary="Give feedback", responses=answers(JobNotFound, JobNotFinished))
def put_feedback(
    job_id: JobId, body: Annotated[NewFeedback, Body(openapi_examples=_FEEDBACK)], caller: Caller, feedback: FeedbackDep
) -> FeedbackAnswer:
    """Gives feedback on a job that succeeded, in place of any given before."""
    return feedback.give(caller.account_id, job_id, body)
