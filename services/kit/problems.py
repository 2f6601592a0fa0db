"""Errors as clients see them: problem documents (RFC 9457), whatever raised them."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.kit.errors import (
    PROBLEM_MEDIA_TYPE,
    PROBLEM_TYPE_BASE,
    Invalid,
    MethodNotAllowed,
    NotFound,
    RouteNotFound,
    StemwrightError,
    Unavailable,
)
from services.kit.reason_phrases import reason_phrase
from services.kit.telemetry import current_request_id
from services.kit.validation import place, sentence

log = logging.getLogger(__name__)

MAX_REPORTED_PROBLEMS = 20


def add_problem_handlers(app: FastAPI) -> None:
    """Makes every error that reaches the app a problem document."""
    app.add_exception_handler(StemwrightError, _on_stemwright_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
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
        jsonable_encoder(named), problem["status"], headers=dict(headers), media_type=PROBLEM_MEDIA_TYPE
    )


async def _on_stemwright_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StemwrightError)  # noqa: S101 - registered for this type only
    if error.status >= 500:
        log.warning("%s: %s", error.code, error.detail, exc_info=error.__cause__)
    return problem_response(error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    in_path = next((item["loc"][1] for item in found if item["loc"][0] == "path"), None)
    if in_path is not None:
        # Whatever has no name that we give has never been there.
        return problem_response(request.app.state.missing.get(in_path, NotFound)())
    problems = [{"at": place(item["loc"]), "problem": sentence(item)} for item in found[:MAX_REPORTED_PROBLEMS]]
    detail = "; ".join(f"{item['at'].removeprefix('body.')} {item['problem']}" for item in problems[:3])
    return problem_response(Invalid(detail, extra={"errors": problems}))


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
