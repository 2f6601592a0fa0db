"""All routes of the orchestrator, in the order of its document."""

from services.orchestrator import internal_routes as internal
from services.orchestrator.administration import dead_letters
from services.orchestrator.administration import feedback as marked_regions
from services.orchestrator.administration import routes as administration
from services.orchestrator.batches import routes as batches
from services.orchestrator.credits import routes as quotes
from services.orchestrator.feedback import routes as feedback
from services.orchestrator.jobs import routes as jobs
from services.orchestrator.results import routes as results
from services.orchestrator.shares import routes as shares

ROUTERS = (
    quotes.router,
    jobs.router,
    batches.router,
    results.router,
    feedback.router,
    shares.router,
    administration.router,
    dead_letters.router,
    marked_regions.router,
    internal.router,
)
