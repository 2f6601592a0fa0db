"""The public document: whole, valid, and the one that is committed."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator

from services.accounts.payments import sandbox_pages
from services.gateway import account_pages, docs, web_app
from services.gateway.routes import ROUTES, Upstream
from services.kit.validation import meaning_of
from services.openapi import FILE, Document, merge, of_services
from tests.services.gateway.standin import platform


@pytest.fixture(scope="module")
def documents() -> dict[Upstream, Document]:
    return of_services()


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
    assert json.loads(FILE.read_text(encoding="utf-8")) == public, "services/gateway/openapi.json is old: make openapi"


def test_what_services_answer_is_what_the_table_lets_through(documents: dict[Upstream, Document]) -> None:
    answered = {
        f"{method.upper()} {nameless(path)}"
        for document in documents.values()
        for method, path, _ in operations(document)
    }
    pages = {
        (method, nameless(route.path))
        for router in (docs.router, account_pages.router, web_app.router, sandbox_pages.router)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    routed = {(route.method, nameless(route.path)) for route in ROUTES}
    assert pages <= routed
    assert answered == {f"{method} {path}" for method, path in routed - pages}


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


def test_every_operation_says_what_it_does(public: Document) -> None:
    summaries = [operation["summary"] for _, _, operation in operations(public)]
    assert len(set(summaries)) == len(summaries)
    for _, path, operation in operations(public):
        name = re.sub(r"([A-Z])", r" \1", operation["operationId"]).strip().title()
        assert operation["summary"] != name, f"{path}: the summary is the function's name"
        assert operation.get("description"), path


def test_every_body_has_an_example_and_every_pattern_a_meaning(public: Document) -> None:
    for method, path, operation in operations(public):
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
            if media_type == "application/octet-stream":
                continue
            assert body["examples"], f"{method} {path}"
            if media_type == "application/x-www-form-urlencoded":
                # The interactive page fills a form in by its fields.
                fields = {name: field.get("example") for name, field in body["schema"]["properties"].items()}
                first = next(iter(body["examples"].values()))["value"]
                assert {name: value for name, value in fields.items() if value} == first
    for pattern in patterns([public["paths"], public["components"]["schemas"]]):
        assert meaning_of(pattern) or pattern == PATH_PATTERN, pattern


PATH_PATTERN = "^[A-Za-z0-9_-]{1,40}$"
"""Of the name of a stem in a path: what does not match is answered 404."""


def patterns(node: Any) -> Iterator[str]:
    """Every pattern that a request's text has to match."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            elif key != "responses":
                yield from patterns(value)
    elif isinstance(node, list):
        for item in node:
            yield from patterns(item)
