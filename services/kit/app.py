"""The HTTP app of a service that has routes."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from services.kit.errors import Invalid, NotFound
from services.kit.health import Check, Measured
from services.kit.problems import problem_response
from services.kit.process import BackgroundTask, furnish, lifespan
from services.kit.validation import place, sentence

MAX_REPORTED_PROBLEMS = 20


def create_app(
    *,
    name: str,
    title: str,
    routers: Sequence[APIRouter] = (),
    tasks: Sequence[BackgroundTask] = (),
    checks: Mapping[str, Check] | None = None,
    measures: Sequence[Measured] = (),
    prerequisites: Mapping[str, Check] | None = None,
    state: Mapping[str, Any] | None = None,
    streamed: re.Pattern[str] | None = None,
    missing: Mapping[str, type[NotFound]] | None = None,
    closing: Sequence[Callable[[], None]] = (),
    draining: AbstractAsyncContextManager[None] | None = None,
) -> FastAPI:
    """The app of one service. `state` is put on `app.state`; `tasks` run while the app does.

    `prerequisites` are checks like the others, and until each has held once no task begins: without a schema, say, it
    would only fail. `measures` are taken when somebody reads the metrics.

    `missing`, by the name of a path parameter: what is answered for an id that nothing has ever had. `draining` is
    entered when the tasks have started and left before they are stopped; what is in `closing` is called when they have.

    Bodies are read whole, and bounded, before a route sees them, except on the `streamed` paths, whose routes read
    theirs piece by piece. What the routes are is told by `app.openapi()` and never over HTTP.
    """

    running = lifespan(tasks, prerequisites=prerequisites, closing=closing, draining=draining)
    app = FastAPI(title=title, version="1", openapi_url=None, lifespan=running)
    app.state.missing = dict(missing or {})
    for key, value in (state or {}).items():
        setattr(app.state, key, value)
    furnish(
        app,
        name=name,
        tasks=tasks,
        checks=checks,
        measures=measures,
        prerequisites=prerequisites,
        streamed=streamed,
    )
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    for router in routers:
        app.router.routes.extend(_named(route) for route in router.routes)
    return app


def _named(route: BaseRoute) -> BaseRoute:
    """The route of a router as it is, under an operation id of ours.

    `include_router` would work out once more, at the first request, all that the route knows of its function already:
    a twentieth of a second for the routes of a service.
    """
    if isinstance(route, APIRoute):
        head, *tail = route.name.split("_")
        route.unique_id = route.operation_id or head + "".join(word.capitalize() for word in tail)
    return route


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    found = error.errors()
    in_path = next((item["loc"][1] for item in found if item["loc"][0] == "path"), None)
    if in_path is not None:
        # Whatever has no name that we give has never been there.
        return problem_response(request.app.state.missing.get(in_path, NotFound)())
    problems = [{"at": place(item["loc"]), "problem": sentence(item)} for item in found[:MAX_REPORTED_PROBLEMS]]
    detail = "; ".join(f"{item['at'].removeprefix('body.')} {item['problem']}" for item in problems[:3])
    return problem_response(Invalid(detail, extra={"errors": problems}))
