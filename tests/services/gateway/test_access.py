"""Every route of the table, tried by everybody: nobody, each role, and a key of each scope.

The gateway refuses by the table, and each service by itself: what one of the two forgets, the other refuses.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.gateway.admission import SAFE_METHODS
from services.gateway.routes import ROUTES, Access, Body, Route, Upstream
from services.kit.app import create_app
from services.kit.auth import SCOPES, InvalidToken, Principal, Role
from services.kit.ids import new_id
from services.openapi import FILE, ROUTERS
from tests.app_client import Anything, AppClient
from tests.services.gateway.standin import Platform, Reply, bearer, platform, problem, token

ALLOWED = 200
METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE"}


@dataclass(frozen=True)
class Caller:
    """Who calls: `roles` is None for nobody."""

    name: str
    roles: frozenset[Role] | None
    scopes: frozenset[str] = frozenset()


CALLERS = (
    Caller("nobody", None),
    *(Caller(f"a person who is {role}", frozenset({Role.USER, role}), frozenset(SCOPES)) for role in Role),
    *(
        Caller(f"a partner's key for {scope}", frozenset({Role.USER, Role.PARTNER}), frozenset({scope}))
        for scope in SCOPES
        if scope != "account"
    ),
    # No such key is made. Were one made by mistake, it would not operate the platform.
    Caller("a key that bears every role", frozenset(Role), frozenset(SCOPES) - {"account"}),
)


def expected(route: Route, caller: Caller) -> int:
    """What the table says: 401, 403, or that the request goes on."""
    if route.scope is None:
        return ALLOWED
    if caller.roles is None:
        return 401
    return ALLOWED if route.scope in caller.scopes and (not route.roles or caller.roles & route.roles) else 403


def path_of(route: Route) -> str:
    """A path of the route, with ids of things that nobody has."""
    return re.sub(r"\{[a-z_]+\}", lambda found: _example(route.path, found.group()), route.path)


def _example(path: str, parameter: str) -> str:
    prefixes = {"/v1/jobs": "job", "/v1/uploads": "upl", "/v1/api-keys": "key", "/v1/auth/sessions": "ses"}
    prefixes |= {"/v1/webhook-endpoints": "whe", "/v1/webhook-deliveries": "whd", "/v1/event-topics": "etp"}
    found = next((prefix for start, prefix in prefixes.items() if path.startswith(start)), None)
    return new_id(found) if found and parameter == "{id}" else "vocals"


def _named(route: Route) -> str:
    return f"{route.method} {route.path}"


def _answer(seen: Any) -> Reply:
    if seen.target.startswith("/internal/jobs/"):
        job = {"status": "succeeded", "attempt": 1}
        return Reply(body=json.dumps({"job": job, "events": []}).encode())
    if seen.target.startswith("/v1/events?"):
        return Reply(body=b'{"items": [], "next_after": 0, "oldest_sequence": null}')
    return Reply(body=b'{"items": [], "next_cursor": null}')


@pytest.fixture(scope="module")
def open_gate() -> Iterator[Platform]:
    """A gateway that counts nobody's requests, and whose streams soon end."""
    rate = "1000000/minute"
    with platform(auth_rate=rate, address_rate=rate, account_rate=rate, stream_max_seconds=0.01) as running:
        yield running


@pytest.mark.parametrize("route", ROUTES, ids=_named)
def test_the_gateway_lets_in_whom_the_table_lets_in(open_gate: Platform, route: Route) -> None:
    gateway = open_gate
    services = gateway.services
    for service in services:
        service.answer = _answer
    for caller in CALLERS:
        for service in services:
            service.seen.clear()
        headers = {}
        if caller.roles is not None:
            headers = bearer(token(roles=sorted(caller.roles), scope=" ".join(sorted(caller.scopes))))
        content = b"x" if route.body is Body.CONTENT else None

        answer = gateway.client.request(route.method, path_of(route), headers=headers, content=content)

        reached = any(service.seen for service in services)
        match expected(route, caller):
            case 401:
                problem(answer, 401, "unauthorized")
                assert not reached, caller
            case 403:
                problem(answer, 403, "forbidden")
                assert not reached, caller
            case _:
                assert answer.status_code in {200, 307, 404}, caller
                own = route.upstream is Upstream.GATEWAY or route.path == "/.well-known/jwks.json"
                assert reached or own, caller


def test_every_path_refuses_the_methods_that_it_has_not(open_gate: Platform) -> None:
    """For all of them here, where it is cheap: tests/e2e/test_document.py tries one of each path."""
    methods: dict[str, set[str]] = {}
    for route in ROUTES:
        methods.setdefault(re.sub(r"\{[a-z_]+\}", "{}", route.path), set()).add(route.method)
    for path, had in methods.items():
        for method in sorted(METHODS - had):
            answer = open_gate.client.request(method, path.replace("{}", "vocals"), headers=bearer())
            problem(answer, 405, "method_not_allowed")
            assert had <= set(answer.headers["allow"].split(", ")) <= had | {"HEAD"}, path


class _Claims:
    """Takes a token for what it says, so that no keys are needed."""

    def verify(self, token: str) -> Principal:
        try:
            claims = json.loads(token)
        except ValueError:
            raise InvalidToken from None
        return Principal(new_id("usr"), frozenset(claims["roles"]), frozenset(claims["scopes"]), "token")


@pytest.fixture(scope="module")
def services() -> dict[Upstream, TestClient]:
    """The routes of each service, with nothing behind their guards."""
    clients: dict[Upstream, TestClient] = {}
    for upstream, routers in ROUTERS.items():
        app = create_app(name=upstream, title=upstream, routers=routers)
        app.state = Anything({**app.state._state, "verifier": _Claims()})
        clients[upstream] = AppClient(app, raise_server_exceptions=False)
    return clients


@pytest.mark.parametrize("route", [route for route in ROUTES if route.upstream is not Upstream.GATEWAY], ids=_named)
def test_each_service_refuses_by_itself_whom_the_table_refuses(
    services: dict[Upstream, TestClient], route: Route
) -> None:
    for caller in CALLERS:
        headers = {}
        if caller.roles is not None:
            claims = {"roles": sorted(caller.roles), "scopes": sorted(caller.scopes)}
            headers = {"Authorization": f"Bearer {json.dumps(claims, separators=(',', ':'))}"}

        answer = services[route.upstream].request(route.method, path_of(route), headers=headers)

        due = expected(route, caller)
        if due == ALLOWED:
            # Past its guard the route finds no service behind it.
            assert answer.status_code not in {401, 403}, caller
        else:
            refusal = {401: "unauthorized", 403: "forbidden"}[due]
            assert (answer.status_code, answer.json()["code"]) == (due, refusal), caller


def test_the_public_document_says_what_the_table_says() -> None:
    paths = {
        re.sub(r"\{[^}]*\}", "{}", path): item for path, item in json.loads(FILE.read_text("utf-8"))["paths"].items()
    }
    for route in ROUTES:
        item = paths.get(re.sub(r"\{[^}]*\}", "{}", route.path))
        if item is None:
            assert route.scope is None, "a page for people"
            continue
        operation = item[route.method.lower()]
        scopes = [[entry.get("bearer"), entry.get("cookie")] for entry in operation["security"]]
        assert scopes == ([] if route.scope is None else [[[route.scope], None], [None, [route.scope]]])
        assert ("csrf" in str(operation["security"])) == (route.scope is not None and route.method not in SAFE_METHODS)
        assert operation.get("x-roles", []) == sorted(route.roles)


def test_what_runs_the_platform_needs_a_person_with_a_role() -> None:
    for route in ROUTES:
        if route.path.startswith("/v1/admin"):
            assert route.scope == "account"
            assert route.roles
            assert not route.roles & {Role.USER, Role.PARTNER}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"scope": "everything"},
        {"scope": "jobs", "access": Access.ANYONE},
        {"roles": frozenset({Role.ADMIN}), "access": Access.ANYONE},
    ],
)
def test_a_route_that_does_not_say_who_may_call_it_is_no_route(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="scope"):
        Route("GET", "/v1/secret", Upstream.ACCOUNTS, **wrong)
