"""What clients may send, by the documents of all services: no id passes the gateway that a sibling would refuse."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

from services.accounts.routes import ROUTERS as ACCOUNTS
from services.gateway import event_stream, stream
from services.kit.app import create_app
from services.kit.ids import PREFIXES, id_pattern
from services.notifier.routes import ROUTERS as NOTIFIER
from services.orchestrator.routes import ROUTERS as ORCHESTRATOR
from services.upload.routes import router as uploads

OF_OPENAPI = {"discriminator", "example", "externalDocs", "xml"}
"""What OpenAPI 3.1 adds to the keywords of JSON Schema, beside names that begin with `x-`."""


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """Of every route there is: the internal ones are none the less."""
    routers = [*ACCOUNTS, uploads, *ORCHESTRATOR, *NOTIFIER, stream.router, event_stream.router]
    return [create_app(name="test", title="test", routers=[_shown(router)]).openapi() for router in routers]


def _shown(router: APIRouter) -> APIRouter:
    """The same routes, and none of them hidden."""
    shown = APIRouter()
    shown.include_router(router)
    for route in shown.routes:
        if isinstance(route, APIRoute):
            route.include_in_schema = True
    return shown


def ids_in(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every id that a request may hold: in the path, the query or the body."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            for parameter in operation.get("parameters", ()):
                if parameter["name"].endswith("_id"):
                    for schema in _of_id(parameter["schema"].get("items", parameter["schema"])):
                        yield f"{where} {parameter['name']}", schema
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield from _in_body(document, where, content.get("schema", {}))


def _of_id(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What may be absent is one of two: an id, or null."""
    return [one for one in schema.get("anyOf", [schema]) if one != {"type": "null"}]


def schemas_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a document, or in part of one, those within others too."""
    if isinstance(node, list):
        for item in node:
            yield from schemas_in(item)
    elif isinstance(node, dict):
        for name, item in node.items():
            if name == "schema":
                yield from _within(item)
            elif name == "schemas":
                for schema in item.values():
                    yield from _within(schema)
            elif name not in {"example", "examples"}:
                yield from schemas_in(item)


def _within(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    for name, value in schema.items():
        if name in {"properties", "patternProperties", "$defs", "dependentSchemas"}:
            parts = list(value.values())
        elif name in {"allOf", "anyOf", "oneOf", "prefixItems"}:
            parts = value
        elif name in {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}:
            parts = [value]
        else:
            parts = []
        for part in parts:
            yield from _within(part)


def _in_body(document: dict[str, Any], where: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, member in schema.get("properties", {}).items():
        if name.endswith("_id"):
            for one in _of_id(member):
                yield f"{where} {name}", one
        for part in (member, member.get("items", {}), *member.get("anyOf", ())):
            if "$ref" in part:
                yield from _in_body(document, where, part)


def test_every_id_in_a_request_is_held_to_the_rule_of_ids(documents: list[dict[str, Any]]) -> None:
    found = [item for document in documents for item in ids_in(document)]
    patterns = {id_pattern(prefix) for prefix in PREFIXES}

    assert len(found) >= 15
    assert [where for where, schema in found if schema.get("pattern") not in patterns] == []


def test_every_schema_speaks_json_schema(documents: list[dict[str, Any]]) -> None:
    """A keyword that nobody knows is no rule: clients made from the document would not keep it."""
    vocabularies = [REGISTRY.contents(uri) for uri in REGISTRY if "/2020-12/meta/" in uri]
    known = OF_OPENAPI.union(*(vocabulary.get("properties", {}) for vocabulary in vocabularies))

    found = [schema for document in documents for schema in schemas_in(document)]

    assert len(found) > 500
    strange = [(name, schema) for schema in found for name in schema if name not in known and name[:2] != "x-"]
    assert strange == []
