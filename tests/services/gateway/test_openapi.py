"""The public document: whole, valid, and the one that is committed.

`STEMWRIGHT_WRITE_OPENAPI=1 pytest tests/services/gateway/test_openapi.py` writes it anew.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator

from services.accounts import routes as accounts
from services.gateway import docs, stream
from services.gateway.openapi import merge
from services.gateway.routes import ROUTES, Upstream
from services.kit.app import create_app
from services.orchestrator.routes import internal, jobs
from services.upload.routes import router as upload_router
from tests.services.gateway.standin import platform

Document = dict[str, Any]

COMMITTED = Path(__file__).parents[3] / "services" / "gateway" / "openapi.json"


@pytest.fixture(scope="module")
def documents() -> dict[Upstream, Document]:
    """The documents of all services, from their routers."""
    routers = {
        Upstream.ACCOUNTS: accounts.ROUTERS,
        Upstream.UPLOAD: [upload_router],
        Upstream.ORCHESTRATOR: [jobs.router, internal.router],
        Upstream.GATEWAY: [stream.router, docs.router],
    }
    return {
        upstream: create_app(name=upstream, title=upstream, routers=of_service).openapi()
        for upstream, of_service in routers.items()
    }


@pytest.fixture(scope="module")
def public(documents: dict[Upstream, Document]) -> Document:
    return merge(documents)


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_the_committed_document_is_the_one_of_the_code(public: Document) -> None:
    text = json.dumps(public, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("STEMWRIGHT_WRITE_OPENAPI"):
        COMMITTED.write_text(text, encoding="utf-8")
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == public, (
        "docs/openapi.json is old: run this test with STEMWRIGHT_WRITE_OPENAPI=1"
    )


def test_what_services_answer_is_what_the_table_lets_through(documents: dict[Upstream, Document]) -> None:
    answered = {
        f"{method.upper()} {nameless(path)}"
        for document in documents.values()
        for method, path, _ in operations(document)
    }
    pages = {
        (method, route.path)
        for route in docs.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    routed = {(route.method, route.path) for route in ROUTES}
    assert pages <= routed
    assert answered == {f"{method} {nameless(path)}" for method, path in routed - pages}


def test_each_route_leads_to_the_service_that_answers_it(documents: dict[Upstream, Document]) -> None:
    for route in ROUTES:
        owners = {
            upstream
            for upstream, document in documents.items()
            for method, path, _ in operations(document)
            if (method.upper(), nameless(path)) == (route.method, nameless(route.path))
        }
        assert owners <= {route.upstream}, route


def test_nothing_internal_is_told(public: Document) -> None:
    text = json.dumps(public)
    assert "/internal" not in text
    assert "/metrics" not in text
    assert "HTTPValidationError" not in text


def test_it_is_valid_openapi(public: Document) -> None:
    assert public["openapi"].startswith("3.1.")
    OpenAPI.model_validate(public)
    names = set(public["components"]["schemas"])
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(public)))
    assert references == names, "a schema is missing, or is there for nothing"
    for schema in public["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    identifiers = [operation["operationId"] for _, _, operation in operations(public)]
    assert len(identifiers) == len(set(identifiers))
    tags = {tag["name"] for tag in public["tags"]}
    shared = public["components"]["responses"]
    for method, path, operation in operations(public):
        where = f"{method} {path}"
        declared = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
        assert declared == set(re.findall(r"\{([^}]*)\}", path)), where
        assert set(operation["tags"]) <= tags, where
        assert operation["summary"], where
        assert all(
            response.get("description") or response["$ref"].removeprefix("#/components/responses/") in shared
            for response in operation["responses"].values()
        ), where


def test_every_status_is_told_by_its_number(public: Document) -> None:
    everywhere = {"400", "408", "413", "414", "415", "429", "431", "500", "501", "502", "503", "504"}
    for method, path, operation in operations(public):
        statuses = set(operation["responses"])
        expected = (
            everywhere | ({"401", "403"} if operation["security"] else set()) | ({"404"} if "{" in path else set())
        )
        assert expected <= statuses, f"{method} {path}"
        assert "default" not in statuses
        assert any(status[0] in "23" for status in statuses)
    for name in ("TooManyRequests", "Unavailable"):
        assert public["components"]["responses"][name]["headers"]["Retry-After"]["required"] is True


def test_who_may_call_without_a_credential_is_told(public: Document) -> None:
    open_to_all = {path for _, path, operation in operations(public) if operation["security"] == []}
    assert "/v1/auth/token" in open_to_all
    assert "/v1/jobs" not in open_to_all
    schemes = {name for _, _, operation in operations(public) for entry in operation["security"] for name in entry}
    assert schemes == set(public["components"]["securitySchemes"])


def small(schema: Document, *, path: str = "/v1/me", identifier: str = "read") -> Document:
    operation = {
        "operationId": identifier,
        "responses": {
            "200": {
                "description": "ok",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/View"}}},
            },
            "422": {
                "description": "Validation Error",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}},
            },
        },
    }
    schemas = {"View": schema, "HTTPValidationError": {"type": "object"}, "Unused": {"type": "null"}}
    return {"paths": {path: {"get": operation}, "/internal/x": {"get": operation}}, "components": {"schemas": schemas}}


def test_schemas_of_one_name_are_shared_or_told_apart() -> None:
    same = merge(
        {Upstream.ACCOUNTS: small({"type": "string"}), Upstream.UPLOAD: small({"type": "string"}, path="/v1/uploads")}
    )
    assert set(same["components"]["schemas"]) == {"Problem", "View"}
    other = merge(
        {Upstream.ACCOUNTS: small({"type": "string"}), Upstream.UPLOAD: small({"type": "integer"}, path="/v1/uploads")}
    )
    assert set(other["components"]["schemas"]) == {"Problem", "View", "UploadView"}
    assert [operation["operationId"] for _, _, operation in operations(other)] == ["read", "uploadRead"]


def test_a_schema_may_refer_to_itself() -> None:
    tree = {"type": "object", "properties": {"children": {"items": {"$ref": "#/components/schemas/View"}}}}
    assert merge({Upstream.ACCOUNTS: small(tree)})["components"]["schemas"]["View"] == tree


def test_the_running_gateway_serves_it_as_it_is_committed(public: Document) -> None:
    with platform() as running:
        served = running.client.get("/v1/openapi.json")
        assert served.json() == public
        head = running.client.head("/v1/openapi.json")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(served.content))
        assert head.headers["content-type"] == "application/json"
