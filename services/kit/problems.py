"""Errors as clients see them: problem documents (RFC 9457), whatever raised them."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.kit.errors import (
    PROBLEM_MEDIA_TYPE,
    PROBLEM_TYPE_BASE,
    MethodNotAllowed,
    RouteNotFound,
    StemwrightError,
    Unavailable,
)
from services.kit.reason_phrases import reason_phrase
from services.kit.telemetry import current_request_id

log = logging.getLogger(__name__)


def add_problem_handlers(app: Starlette) -> None:
    """Makes every error that reaches the app a problem document."""
    app.add_exception_handler(StemwrightError, _on_stemwright_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    if "sqlalchemy" in sys.modules:  # a service without a database does not pay 12 MB for it
        from services.kit.database import DATABASE_AWAY

        for away in DATABASE_AWAY:
            app.add_exception_handler(away, _on_database_away)


def problem_response(error: StemwrightError) -> JSONResponse:
    """An error as the client sees it."""
    return _problem(error.problem(), error.headers)


def _problem(problem: dict[str, Any], headers: Mapping[str, str]) -> JSONResponse:
    request_id = current_request_id()
    named = problem if request_id is None else {**problem, "request_id": request_id}
    return JSONResponse(
        to_jsonable_python(named), problem["status"], headers=dict(headers), media_type=PROBLEM_MEDIA_TYPE
    )


async def _on_stemwright_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StemwrightError)  # noqa: S101 - registered for this type only
    if error.status >= 500:
        log.warning("%s: %s", error.code, error.detail, exc_info=error.__cause__)
    return problem_response(error)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    match error.status_code:
        case status if status < 300:
            # Not an error at all, and 204 has no body.
            return Response(status_code=status, headers=headers)
        case 404:
            return problem_response(RouteNotFound())
        case 405:
            return problem_response(MethodNotAllowed(headers.get("Allow", "").split(", ")))
        case status:
            title = reason_phrase(status)
            code = title.lower().replace(" ", "_").replace("-", "_")
            told = {"title": title, "status": status, "detail": str(error.detail), "code": code}
            return _problem({"type": PROBLEM_TYPE_BASE + code, **told}, headers)


async def _on_database_away(_request: Request, error: Exception) -> Response:
    log.error("the database does not answer: %s", error)
    return problem_response(Unavailable("the database does not answer at the moment"))
