"""Amounts and durations that are none are refused as what they are, whichever route takes them (bad input 19)."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.gateway.routes import ROUTES, RouteTable, Upstream
from services.kit.app import create_app
from services.kit.auth import SCOPES, Principal, Role
from services.kit.ids import new_id
from services.openapi import FILE, ROUTERS
from tests.app_client import Anything, AppClient

DOCUMENT = json.loads(FILE.read_text("utf-8"))
NEVER = ("NaN", "1e400", "-1e400", '"1"', "true", "[1]", "{}")
"""What is no number, no finite one, or a text that looks like one."""
BELOW_ZERO, ZERO = ("-1", "-0.5"), ("0", "-0", "-0.0")
MAY_BE_NEGATIVE = {"post /v1/admin/users/{account_id}/credits credits"}
"""An admin may take credits away."""


@dataclass(frozen=True)
class Number:
    """A number that a body may hold: where, in which body, and by which schema."""

    method: str
    path: str
    place: tuple[str | int, ...]
    schema: Any
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path} {'.'.join(map(str, self.place))}"

    @property
    def refused(self) -> Iterator[str]:
        yield from NEVER
        least = self.schema.get("minimum", 0 if "exclusiveMinimum" in self.schema else None)
        chosen = "enum" in self.schema
        if str(self) not in MAY_BE_NEGATIVE:
            assert chosen or least is not None, f"{self} has no least value"
            yield from BELOW_ZERO
        if chosen or (least or 0) > 0 or "exclusiveMinimum" in self.schema:
            yield from ZERO

    def with_value(self, literal: str) -> bytes:
        """The body with this in the number's place, letter by letter."""
        body = copy.deepcopy(self.body)
        node = body
        for step, following in zip(self.place, self.place[1:], strict=False):
            if isinstance(step, str) and isinstance(node, dict):
                node.setdefault(step, [] if isinstance(following, int) else {})
            elif step == len(node):
                node.append({})
            node = node[step]
        node[self.place[-1]] = "PLACE"
        return json.dumps(body).replace('"PLACE"', literal).encode()


def _resolved(schema: Any) -> Any:
    return DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _numbers_in(schema: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    schema = _resolved(schema)
    if schema.get("type") in {"integer", "number"}:
        yield place, schema
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if "type" in choice or "$ref" in choice:
            yield from _numbers_in(choice, place)
    for name, part in schema.get("properties", {}).items():
        yield from _numbers_in(part, (*place, name))
    if isinstance(schema.get("items"), dict) and "$ref" in schema["items"]:
        yield from _numbers_in(schema["items"], (*place, 0))


def _numbers() -> Iterator[Number]:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            bodies = [example["value"] for example in content.get("examples", {}).values()]
            for place, schema in dict(_numbers_in(content["schema"])).items():
                # Where there are several kinds of bodies, the one that has it.
                body = next((known for known in bodies if place[0] in known), bodies[0])
                yield Number(method, path, place, schema, body)


NUMBERS = tuple(_numbers())


class _Everybody:
    """Lets in whoever comes, with all that one may be."""

    def verify(self, _token: str) -> Principal:
        return Principal(new_id("usr"), frozenset(Role), frozenset(SCOPES), "token")


@pytest.fixture(scope="module")
def services() -> dict[Upstream, TestClient]:
    """The routes of each service, with nothing behind them: what is refused by its form never gets there."""
    clients: dict[Upstream, TestClient] = {}
    for upstream, routers in ROUTERS.items():
        app = create_app(name=upstream, title=upstream, routers=routers)
        app.state = Anything({**app.state._state, "verifier": _Everybody()})
        clients[upstream] = AppClient(app, raise_server_exceptions=False)
    return clients


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_what_is_no_such_number_is_refused_and_named(services: dict[Upstream, TestClient], number: Number) -> None:
    path = number.path
    for name, prefix in (("account_id", "usr"), ("job_id", "job"), ("upload_id", "upl"), ("endpoint_id", "whe")):
        path = path.replace(f"{{{name}}}", new_id(prefix))
    path = path.replace("{payment_id}", new_id("pay"))
    routes = RouteTable(ROUTES).methods_of(path)
    assert routes is not None
    service = services[routes[number.method.upper()].upstream]
    for literal in number.refused:
        answer = service.request(
            number.method.upper(),
            path,
            content=number.with_value(literal),
            headers={"Authorization": "Bearer x", "Content-Type": "application/json"},
        )
        assert answer.status_code == 422, (literal, answer.text)
        named = [str(error["at"]).rpartition(".")[2] for error in answer.json()["errors"]]
        assert number.place[-1] in named, (literal, named)


def test_every_amount_is_among_them() -> None:
    assert {str(number) for number in NUMBERS} >= {
        "post /v1/admin/users/{account_id}/credits credits",
        "post /v1/admin/prices credits",
        "post /v1/admin/prices amount_minor",
        "post /v1/admin/prices millicredits_per_second",
        "post /v1/admin/payments/{payment_id}/refunds amount_minor",
        "patch /v1/me low_credits_threshold",
        "post /v1/uploads size_bytes",
        "post /v1/jobs preview.start_seconds",
        "post /v1/jobs preview.duration_seconds",
        "post /v1/batches items.0.preview.duration_seconds",
        "put /v1/jobs/{job_id}/feedback rating",
        "put /v1/jobs/{job_id}/feedback end_seconds",
        "post /v1/jobs/{job_id}/shares expires_in_seconds",
    }
