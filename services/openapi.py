"""One public OpenAPI 3.1 document out of the services' own, cut down to what the gateway's route table lets through.

`python -m services.openapi` (`make openapi`) writes it to `services/gateway/openapi.json`. That file is committed and
served as it is; a test compares it with the code. Nothing here runs in a service.
"""

import http.client
import json
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.accounts import routes as accounts
from services.gateway import docs, event_stream, export, stream
from services.gateway.admission import SAFE_METHODS
from services.gateway.routes import ROUTES, Access, Route, Upstream
from services.kit.app import create_app
from services.kit.errors import PROBLEM_MEDIA_TYPE
from services.kit.reason_phrases import reason_phrase
from services.kit.schemas import EXAMPLE_IDS
from services.kit.session_cookie import CSRF_HEADER, CookieNames
from services.notifier import routes as notifier
from services.orchestrator import routes as orchestrator
from services.upload.routes import router as upload_router

Document = dict[str, Any]

FILE = Path(__file__).parent / "gateway" / "openapi.json"
"""The committed document."""

ROUTERS = {
    Upstream.ACCOUNTS: accounts.ROUTERS,
    Upstream.UPLOAD: [upload_router],
    Upstream.ORCHESTRATOR: orchestrator.ROUTERS,
    Upstream.NOTIFIER: notifier.ROUTERS,
    Upstream.GATEWAY: [stream.router, event_stream.router, export.router, docs.router],
}

_REFERENCE = "#/components/schemas/"

INFO = {
    "title": "Stemwright",
    "version": "1",
    "summary": "Music source separation: a song in, its vocals and the song without them out.",
    "description": (
        "Errors are `application/problem+json` (RFC 9457) with a stable `code`. Send an `Idempotency-Key` with every "
        "POST that creates something. HEAD is answered like GET, without the body, except for an export and events. "
        "Lists take `limit` and `cursor`. Limits answer 429 with `Retry-After`. Name a request with `X-Request-Id`, or "
        "take the name that the answer has: every problem and every log bears it.\n\n"
        "On this page every example works as it stands, in this order: sign up, sign in (the page keeps the token), "
        "begin an upload with the size of your file, send the file, order a separation, download a stem. Where an "
        "example has an id of zeros, the page sends that of the last thing you made."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}

BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "An access token from `POST /v1/auth/token`, which is good for all that the account may, or an API key "
        "(`sk_...`), which is good for its scopes. Each operation names the scope it needs; `x-roles` are the roles of "
        "which the account has to have one besides."
    ),
}

_NAMES = CookieNames.at("https", "")

COOKIE = {
    "type": "apiKey",
    "in": "cookie",
    "name": _NAMES.session,
    "description": "The session of a web app in a browser, from `POST /v1/auth/session`. Over plain HTTP on the "
    "machine itself its name lacks the prefix `__Host-`.",
}

CSRF = {
    "type": "apiKey",
    "in": "header",
    "name": CSRF_HEADER,
    "description": f"Beside the cookie: the token that signing in answers, and that the cookie `{_NAMES.csrf}` holds.",
}

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "request_id": {"type": "string", "description": "The name of the request, for the operator's logs."},
    },
    "additionalProperties": True,
}

TAGS = ("Accounts", "Uploads", "Jobs", "Money", "Partners", "Operators")
"""Headings of the page, in the order in which somebody who begins needs them."""

PATH_EXAMPLES = {
    "job_id": EXAMPLE_IDS["job"],
    "batch_id": EXAMPLE_IDS["bat"],
    "upload_id": EXAMPLE_IDS["upl"],
    "key_id": EXAMPLE_IDS["key"],
    "session_id": f"ses_{'0' * 26}",
    "checkout_id": EXAMPLE_IDS["chk"],
    "payment_id": EXAMPLE_IDS["pay"],
    "receipt_token": f"er_{'0' * 43}",
    "price_id": EXAMPLE_IDS["prc"],
    "account_id": EXAMPLE_IDS["usr"],
    "share": "0" * 22,
    "endpoint_id": EXAMPLE_IDS["whe"],
    "delivery_id": EXAMPLE_IDS["whd"],
    "topic_id": EXAMPLE_IDS["etp"],
    "name": "vocals",
    "track": "vocals",
    "number": 0,
    "letter": "uploads-v1-0-0-0123456789ab",
    "worker_id": EXAMPLE_IDS["wrk"],
    "provider": "stripe",
}

_RETRY = {"Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
_RATE = {
    f"RateLimit-{name}": {"description": meaning, "schema": {"type": "integer", "minimum": 0}}
    for name, meaning in (
        ("Limit", "Requests in a window."),
        ("Remaining", "Requests that are left."),
        ("Reset", "Seconds until the window is over."),
    )
}


@dataclass(frozen=True)
class Refusal:
    """A status that does not come from what an operation is about, but from the gateway or from a part that failed."""

    name: str
    description: str
    headers: Document = field(default_factory=dict)
    applies: Callable[[Route, Document], bool] = lambda _route, _operation: True

    def response(self, more: str = "") -> Document:
        """The response object; `more` is what the operation itself says of this status."""
        response: Document = {"description": "; ".join(filter(None, (more, self.description)))}
        if self.headers:
            response["headers"] = self.headers
        return {**response, "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": f"{_REFERENCE}Problem"}}}}


def _has_account(route: Route, _operation: Document) -> bool:
    return route.access is Access.ACCOUNT


def _has_path_parameter(route: Route, _operation: Document) -> bool:
    return "{" in route.path


def _has_input(_route: Route, operation: Document) -> bool:
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    return bool(places - {"path"}) or "requestBody" in operation


REFUSALS = {
    400: Refusal("BadRequest", "The request cannot be read (`bad_request`)"),
    401: Refusal(
        "Unauthorized",
        "No credential, or none that is valid (`unauthorized`, `invalid_token`, `invalid_api_key`)",
        {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}},
        _has_account,
    ),
    403: Refusal(
        "Forbidden",
        "The credential does not allow this (`forbidden`), or the CSRF token is missing (`csrf_failed`)",
        applies=_has_account,
    ),
    404: Refusal("NotFound", "What the path names does not exist (`route_not_found`)", applies=_has_path_parameter),
    408: Refusal("RequestTimeout", "The body did not arrive in time (`request_timeout`)"),
    413: Refusal("PayloadTooLarge", "The body is too large (`payload_too_large`)"),
    414: Refusal("UriTooLong", "The address is too long (`uri_too_long`)"),
    415: Refusal("UnsupportedMediaType", "The body is not of the right type (`unsupported_media_type`)"),
    422: Refusal("InvalidRequest", "The request is not valid (`invalid_request`)", applies=_has_input),
    429: Refusal(
        "TooManyRequests", "More than the limits allow (`rate_limited`, `too_many_at_once`)", {**_RETRY, **_RATE}
    ),
    431: Refusal("HeadersTooLarge", "The headers are too large (`headers_too_large`)"),
    500: Refusal("InternalError", "Something went wrong on our side (`internal`)"),
    501: Refusal("UnknownTransferCoding", "The body comes in an unknown coding (`unknown_transfer_coding`)"),
    502: Refusal("UpstreamBroken", "A part of the platform broke off over this (`upstream_broken`)"),
    503: Refusal("Unavailable", "Not at the moment (`unavailable`, `upstream_unavailable`, `overloaded`)", _RETRY),
    504: Refusal("UpstreamTimeout", "A part of the platform took too long (`upstream_timeout`)"),
}

_PARAMETER = re.compile(r"\{[^}]*\}")
# What FastAPI says of every route and no service of ours answers.
_FRAMEWORK_ERRORS = ("HTTPValidationError", "ValidationError", "Problem")
# A word of OpenAPI 3.2 that FastAPI puts into documents of 3.1.
_OF_ANOTHER_VERSION = "itemSchema"


def of_services() -> dict[Upstream, Document]:
    """What each service says of itself."""
    return {
        upstream: create_app(name=upstream, title=upstream, routers=routers).openapi()
        for upstream, routers in ROUTERS.items()
    }


def merge(documents: Mapping[Upstream, Document], routes: Iterable[Route] = ROUTES) -> Document:
    """The public document. Routes that no given document describes are left out.

    Schemas of the same name and content are shared; where the content differs, the later one gets its service's name in
    front. Operation ids stay as the services have them and gain the same prefix only if two clash.
    """
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    paths: dict[str, Any] = {}
    operation_ids: set[str] = set()
    sources = {upstream: _Source(upstream, document) for upstream, document in documents.items()}
    for route in routes:
        source = sources.get(route.upstream)
        found = source.operation(route) if source is not None else None
        if source is None or found is None:
            continue
        path, operation = found
        operation = source.adopt(operation, schemas)
        operation["security"] = _security(route)
        if route.roles:
            operation["x-roles"] = sorted(route.roles)
        operation["tags"] = [tag.capitalize() for tag in operation.get("tags", [])]
        operation["responses"] = _responses(route, operation)
        identifier = operation.get("operationId", f"{route.method.lower()}{path}")
        if identifier in operation_ids:
            identifier = f"{route.upstream}{identifier[:1].upper()}{identifier[1:]}"
        operation_ids.add(identifier)
        operation["operationId"] = identifier
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                parameter["example"] = PATH_EXAMPLES[parameter["name"]]
        paths.setdefault(path, {})[route.method.lower()] = operation
    used = {tag for path in paths.values() for operation in path.values() for tag in operation["tags"]}
    tags = sorted(used, key=TAGS.index)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {refusal.name: refusal.response() for refusal in REFUSALS.values()},
            "securitySchemes": {"bearer": BEARER, "cookie": COOKIE, "csrf": CSRF},
        },
    }


def _security(route: Route) -> list[Document]:
    """What a caller needs: any one of these."""
    if route.scope is None:
        return []
    csrf: Document = {} if route.method in SAFE_METHODS else {"csrf": []}
    return [{"bearer": [route.scope]}, {"cookie": [route.scope], **csrf}]


class _Source:
    """One service's document while it is merged."""

    def __init__(self, upstream: Upstream, document: Document) -> None:
        self._upstream = upstream
        self._paths = {_PARAMETER.sub("{}", path): (path, item) for path, item in document.get("paths", {}).items()}
        self._schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
        self._names: dict[str, str] = {}

    def operation(self, route: Route) -> tuple[str, Document] | None:
        """The path as the service writes it, and a copy of the operation."""
        path, item = self._paths.get(_PARAMETER.sub("{}", route.path), (route.path, {}))
        operation = item.get(route.method.lower())
        return None if operation is None else (path, deepcopy(operation))

    def adopt(self, node: Any, schemas: dict[str, Any]) -> Any:
        """`node` with its references renamed; the schemas they lead to are put into `schemas`."""
        if isinstance(node, list):
            return [self.adopt(item, schemas) for item in node]
        if not isinstance(node, dict):
            return node
        adopted: dict[str, Any] = {}
        for key, value in node.items():
            if key == _OF_ANOTHER_VERSION:
                continue
            if key == "$ref" and isinstance(value, str) and value.startswith(_REFERENCE):
                adopted[key] = _REFERENCE + self._schema(value.removeprefix(_REFERENCE), schemas)
            elif key == "mapping" and isinstance(value, dict):
                adopted[key] = {
                    name: _REFERENCE + self._schema(str(target).removeprefix(_REFERENCE), schemas)
                    for name, target in value.items()
                }
            else:
                adopted[key] = self.adopt(value, schemas)
        return adopted

    def _schema(self, name: str, schemas: dict[str, Any]) -> str:
        known = self._names.get(name)
        if known is not None:
            return known
        if name in _FRAMEWORK_ERRORS:
            return "Problem"
        public = name
        if name in schemas and not self._same(name, schemas[name]):
            public = f"{self._upstream.title()}{name}"
        # Named before it is followed: a schema may refer to itself.
        self._names[name] = public
        content = self.adopt(self._schemas[name], schemas)
        schemas[public] = content
        return public

    def _same(self, name: str, other: Any) -> bool:
        return json.dumps(self._schemas[name], sort_keys=True) == json.dumps(other, sort_keys=True)


def _in_our_words(status: str, response: Document) -> Document:
    """Undescribed responses have the names of their statuses, which are not the same in every Python."""
    name = http.client.responses.get(int(status)) if status.isdigit() else None
    return (
        {**response, "description": reason_phrase(int(status))}
        if name and response.get("description") == name
        else response
    )


def _responses(route: Route, operation: Document) -> Document:
    """What the operation says, and what the gateway and a part that failed may answer besides; there is no default."""
    told: Document = {
        status: _in_our_words(status, response)
        for status, response in operation.get("responses", {}).items()
        if not (status == "422" and response["description"] == "Validation Error")
    }
    for status, refusal in REFUSALS.items():
        own = told.get(str(status))
        if own is not None:
            told[str(status)] = refusal.response(own["description"])
        elif refusal.applies(route, operation):
            told[str(status)] = {"$ref": f"#/components/responses/{refusal.name}"}
    return dict(sorted(told.items()))


def main() -> None:
    """Writes the file."""
    FILE.write_text(json.dumps(merge(of_services()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
