"""What only the gateway asks; not reachable from outside."""

from fastapi import APIRouter

from services.kit.schemas import EventId, JobId
from services.orchestrator.routes.jobs import Caller, JobsDep
from services.orchestrator.schemas import MissedEvents

router = APIRouter(prefix="/internal", include_in_schema=False)


@router.get("/jobs/{job_id}/events")
def missed_events(job_id: JobId, caller: Caller, jobs: JobsDep, after: EventId | None = None) -> MissedEvents:
    """The job as it stands and its public events, those after `after` if that is given."""
    return jobs.missed_events(caller.account_id, job_id, after)
