"""HTTP of the orchestrator: `jobs` for clients, `internal` for the gateway."""

from services.orchestrator.administration import routes as administration
from services.orchestrator.routes import internal, jobs

ROUTERS = (jobs.router, administration.router, internal.router)
