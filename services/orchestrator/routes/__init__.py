"""HTTP of the orchestrator: `jobs` and `shares` for clients, `internal` for the gateway."""

from services.orchestrator.administration import dead_letters
from services.orchestrator.administration import routes as administration
from services.orchestrator.routes import internal, jobs, shares

ROUTERS = (jobs.router, shares.router, administration.router, dead_letters.router, internal.router)
