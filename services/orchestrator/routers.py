"""All routes of the orchestrator."""

from services.orchestrator.administration import dead_letters, feedback
from services.orchestrator.administration import routes as administration
from services.orchestrator.routes import internal, jobs, shares

ROUTERS = (
    jobs.router,
    shares.router,
    administration.router,
    dead_letters.router,
    feedback.router,
    internal.router,
)
