"""The table is closed: what does not stand in it has no route, however it is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.routes import APP_PAGES, ROUTES, Access, Route, RouteTable, Upstream

TABLE = RouteTable()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_found_by_its_own_path(route: Route) -> None:
    path = re.sub(r"\{[a-z_]+\}", "job_01k3zz-9", route.path)
    methods = TABLE.methods_of(path)
    assert methods is not None
    assert methods[route.method] is route


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "/v1",
        "/v1/",
        "/v1/me/",
        "//v1/me",
        "/v1//me",
        "/V1/me",
        "/v1/me;x=1",
        "/v1/./me",
        "/v1/jobs/../me",
        "/v1/jobs/..",
        "/v1/jobs/.",
        "/v1/jobs/%2e%2e",
        "/v1/jobs/job_1%2Fcancel",
        "/v1/jobs/job_1%00",
        "/v1/jobs/job_1\x00",
        "/v1/jobs/job_1\n",
        "/v1/jobs/job\u2024\u2024",
        "/v1/jobs/" + "a" * 65,
        "/v1/jobs/" + "a" * 10_000,
        "/v1/jobs//events",
        "/v1/jobs/a/b/c",
        "/internal/jobs/job_1/events",
        "/internal/api-keys/exchange",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/v1/admin",
        "/v1/admin/../me",
        "/..;/v1/me",
        "/.well-known/jwks.json/",
        "/.well-known/jwks_json",
        "/v1/auth/tokens",
        "/v1/auth/token?x",
    ],
)
def test_other_paths_do_not_exist(path: str) -> None:
    assert TABLE.methods_of(path) is None


# All characters that UTF-8 has. Asked for by its name, hypothesis would try each of a million for two seconds.
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_no_text_reaches_a_service_by_accident(tail: str) -> None:
    methods = TABLE.methods_of("/v1/jobs/" + tail)
    if methods is not None:
        assert re.fullmatch(r"[A-Za-z0-9_/-]+", tail)


def test_only_sign_in_keys_receipts_of_the_erased_shared_songs_and_pages_are_for_anyone() -> None:
    public = {route.path for route in ROUTES if route.access is Access.ANYONE}
    assert {path for path in public if not path.startswith("/v1/auth/")} == {
        "/.well-known/jwks.json",
        "/v1/erasures/{token}",
        *(f"/v1/shares/{{share}}{part}" for part in ("", "/playback", "/playback/{track}/{number}", "/waveforms")),
        "/v1/billing/prices",
        *APP_PAGES,
        "/assets/{name}",
        "/early.js",
        "/docs",
        "/docs/assets/{name}",
        "/v1/openapi.json",
        "/v1/billing/providers/{name}/webhook",
        "/v1/billing/returns/{id}",
        "/billing/sandbox/{id}",
        "/account/account.js",
    }


def test_a_route_stands_in_the_table_once() -> None:
    twice = Route("GET", "/v1/me", Upstream.ACCOUNTS, "account")
    with pytest.raises(ValueError, match="twice"):
        RouteTable([twice, twice])


def test_no_route_leads_to_what_is_internal() -> None:
    assert not [route.path for route in ROUTES if route.path.startswith(("/internal", "/metrics", "/healthz"))]
