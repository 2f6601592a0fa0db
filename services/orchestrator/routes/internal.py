"""What only the gateway asks; not reachable from outside."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.orchestrator.routes.jobs import Caller, JobId, JobsDep
from services.orchestrator.schemas import MissedEvents

router = APIRouter(prefix="/internal", include_in_schema=False)


@router.get("/jobs/{job_id}/events")
def missed_events(
    job_id: JobId, caller: Caller, jobs: JobsDep, after: Annotated[str | None, Query(max_length=64)] = None
) -> MissedEvents:
    """The job as it stands and its public events, those after `after` if that is given."""
    return jobs.missed_events(caller.account_id, job_id, after)
