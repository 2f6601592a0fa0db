"""What only the gateway asks; not reachable from outside."""

from fastapi import APIRouter

from services.kit.paging import JobCursor, Limit, ShareCursor
from services.kit.schemas import EventId, JobId, Page
from services.orchestrator.feedback.routes import FeedbackDep
from services.orchestrator.feedback.schemas import FeedbackAnswer
from services.orchestrator.jobs.routes import Caller, JobsDep
from services.orchestrator.jobs.schemas import MissedEvents
from services.orchestrator.shares.routes import SharesDep
from services.orchestrator.shares.schemas import ShareAnswer

router = APIRouter(prefix="/internal", include_in_schema=False)


@router.get("/feedback")
def list_feedback(
    caller: Caller, feedback: FeedbackDep, limit: Limit = 20, cursor: JobCursor = None
) -> Page[FeedbackAnswer]:
    """All feedback that the account gave, for its export."""
    items, following = feedback.list_of_account(caller.account_id, limit=limit, before=cursor)
    return Page(items=items, next_cursor=following)


@router.get("/shares")
def list_shares(caller: Caller, shares: SharesDep, limit: Limit = 20, cursor: ShareCursor = None) -> Page[ShareAnswer]:
    """All links that the account made and that have not ended, for its export."""
    items, following = shares.list_of_account(caller.account_id, limit=limit, before=cursor)
    return Page(items=items, next_cursor=following)


@router.get("/jobs/{job_id}/events")
def missed_events(job_id: JobId, caller: Caller, jobs: JobsDep, after: EventId | None = None) -> MissedEvents:
    """The job as it stands and its public events, those after `after` if that is given."""
    return jobs.missed_events(caller.account_id, job_id, after)
