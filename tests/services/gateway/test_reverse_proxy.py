"""Who and what is let in: routes, credentials, bodies, origins, rates and caps, asked of a real gateway."""

import threading
from collections.abc import Iterator

import httpx2

from services.gateway.routes import Load
from tests.services.gateway.standin import (
    PATIENCE_SECONDS,
    Platform,
    Reply,
    Seen,
    bearer,
    eventually,
    platform,
    problem,
    token,
    unfinished_call,
)


def test_unknown_paths_and_methods(gateway: Platform) -> None:
    problem(gateway.client.get("/v1/nothing", headers=bearer()), 404, "route_not_found")
    for method, path, allowed in (
        ("PUT", "/v1/jobs/job_1", "DELETE, GET, HEAD"),
        ("PUT", "/v1/me", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/v1/openapi.json", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ):
        response = gateway.client.request(method, path, headers=bearer())
        problem(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allowed
    for method in ("OPTIONS", "TRACE"):
        assert gateway.client.request(method, "/v1/me", headers=bearer()).status_code == 405
    assert gateway.client.post("/v1/jobs/job_1/events", headers=bearer()).status_code == 405


def test_head_has_the_answer_of_get_without_its_body(gateway: Platform) -> None:
    gateway.orchestrator.answer = lambda _: Reply(307, {"location": "https://store.example/a"}, b"")
    link = gateway.client.head("/v1/jobs/job_1/stems/vocals", headers=bearer())
    assert (link.status_code, link.headers["location"]) == (307, "https://store.example/a")
    gateway.orchestrator.answer = lambda _: Reply(200, {"content-type": "application/zip"}, b"PK" * 100_000)
    archive = gateway.client.head("/v1/jobs/job_1/archive", headers=bearer())
    assert (archive.status_code, archive.headers["content-type"], archive.content) == (200, "application/zip", b"")
    assert {seen.method for seen in gateway.orchestrator.seen} == {"GET"}
    refused = gateway.client.head("/v1/jobs/job_1/archive")
    assert (refused.status_code, refused.content) == (401, b"")
    for own in ("/v1/jobs/job_1/events", "/v1/me/export"):
        assert gateway.client.head(own, headers=bearer()).status_code == 405


def test_internal_and_operators_paths_of_services_are_never_reached(gateway: Platform) -> None:
    for path in (
        "/internal/jobs/job_1/events",
        "/internal/api-keys/exchange",
        "/v1/../internal/x",
        "/v1/jobs/..%2finternal",
    ):
        assert gateway.client.get(path, headers=bearer()).status_code == 404
    for path in ("/metrics", "/openapi.json"):
        problem(gateway.client.get(path), 404, "route_not_found")
    for path in ("/healthz", "/readyz"):
        assert gateway.client.get(path).status_code == 200
        problem(gateway.client.get(path, headers={"X-Forwarded-For": "198.51.100.7"}), 404, "route_not_found")
    assert not gateway.accounts.seen + gateway.upload.seen + gateway.orchestrator.seen


def test_a_request_without_a_credential_is_refused_by_the_gateway(gateway: Platform) -> None:
    response = gateway.client.get("/v1/jobs")
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    problem(gateway.client.get("/v1/jobs", headers=bearer("nonsense")), 401, "invalid_token")
    problem(gateway.client.get("/v1/jobs", headers=bearer(token(lifetime_seconds=-100))), 401, "invalid_token")
    problem(gateway.client.get("/v1/jobs", headers=bearer(token(aud="other"))), 401, "invalid_token")
    assert not gateway.orchestrator.seen


def test_anyone_may_sign_in(gateway: Platform) -> None:
    response = gateway.client.post("/v1/auth/token", data={"grant_type": "password", "username": "a", "password": "b"})
    assert response.status_code == 200
    assert gateway.client.get("/.well-known/jwks.json").json()["keys"]
    assert gateway.accounts.seen[0].header("authorization") is None


def test_a_key_is_exchanged_and_the_service_sees_a_token_only(gateway: Platform) -> None:
    def accounts(seen: Seen) -> Reply:
        assert seen.target == "/internal/api-keys/exchange"
        if seen.body == b'{"api_key": "sk_good"}':
            return Reply(body=b'{"access_token": "%s", "expires_in": 600}' % token("usr_key").encode())
        return Reply(401)

    gateway.accounts.answer = accounts
    for _ in range(3):
        assert gateway.client.get("/v1/jobs", headers=bearer("sk_good")).status_code == 200
    assert len(gateway.accounts.seen) == 1
    assert all("sk_" not in (seen.header("authorization") or "") for seen in gateway.orchestrator.seen)
    problem(gateway.client.get("/v1/jobs", headers=bearer("sk_bad")), 401, "invalid_api_key")
    # Where nobody is asked who they are, a key goes nowhere either.
    gateway.accounts.answer = lambda _: Reply()
    gateway.client.post("/v1/auth/register", json={}, headers=bearer("sk_good"))
    assert gateway.accounts.seen[-1].header("authorization") is None


def test_keys_wait_while_accounts_is_broken(gateway: Platform) -> None:
    gateway.accounts.answer = lambda _: Reply(500)
    response = gateway.client.get("/v1/jobs", headers=bearer("sk_new"))
    problem(response, 503, "unavailable")
    assert response.headers["retry-after"]


def test_bodies_have_a_type_and_a_size(gateway: Platform) -> None:
    post = gateway.client.post
    problem(
        post("/v1/jobs", content=b"{}", headers={**bearer(), "Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    problem(post("/v1/jobs", content=b"{}", headers=bearer()), 415, "unsupported_media_type")
    problem(post("/v1/auth/token", json={}), 415, "unsupported_media_type")
    problem(post("/v1/auth/token", files={"a": b"b"}), 415, "unsupported_media_type")
    json = {**bearer(), "Content-Type": "application/json; charset=utf-8"}
    problem(post("/v1/jobs", content=b"x", headers={**json, "Content-Encoding": "gzip"}), 415, "unsupported_media_type")
    problem(post("/v1/jobs", content=b"x" * 300_000, headers=json), 413, "payload_too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield b"x" * 1000

    problem(post("/v1/jobs", content=pieces(), headers=json), 413, "payload_too_large")
    assert not gateway.orchestrator.seen
    assert post("/v1/jobs/job_1/cancel", headers=bearer()).status_code == 200
    assert post("/v1/jobs", content=b"{}", headers=json).status_code == 200


def test_other_origins_are_let_in_by_a_setting_only(gateway: Platform) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    response = gateway.client.options("/v1/jobs", headers=preflight)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in gateway.client.get("/v1/me", headers={**bearer(), **preflight}).headers
    with platform(cors_origins="https://app.example") as open_gateway:
        allowed = open_gateway.client.options("/v1/jobs", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        refused = open_gateway.client.options("/v1/jobs", headers={**preflight, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in refused.headers


def test_rates_answer_429_with_what_is_left() -> None:
    with platform(account_rate="2/minute", auth_rate="1/minute") as gateway:
        answers = [gateway.client.get("/v1/me", headers=bearer()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        problem(answers[2], 429, "rate_limited")
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert gateway.client.get("/v1/me", headers=bearer(token("usr_other"))).status_code == 200
        assert gateway.client.post("/v1/auth/register", json={}).status_code == 200
        problem(gateway.client.post("/v1/auth/register", json={}), 429, "rate_limited")
        # Made and deleted in turn, keys are bounded by nothing else.
        makes_keys = bearer(token("usr_third"))
        assert gateway.client.get("/v1/api-keys", headers=makes_keys).status_code == 200
        problem(gateway.client.post("/v1/api-keys", json={}, headers=makes_keys), 429, "rate_limited")


def test_uploads_at_once_are_capped_per_account() -> None:
    with platform(uploads_at_once_per_account=1) as gateway:
        go = threading.Event()

        def pieces() -> Iterator[bytes]:
            yield b"x"
            go.wait(PATIENCE_SECONDS)

        def upload() -> None:
            gateway.client.put("/v1/uploads/upl_1/content", content=pieces(), headers=bearer())

        thread = threading.Thread(target=upload)
        thread.start()
        admission = gateway.app.state.admission
        eventually(lambda: admission.caps[Load.UPLOAD].open("usr_alice") == 1)
        second = gateway.client.put("/v1/uploads/upl_2/content", content=b"x", headers=bearer())
        problem(second, 429, "too_many_at_once")
        go.set()
        thread.join(PATIENCE_SECONDS)
        eventually(lambda: admission.caps[Load.UPLOAD].open("usr_alice") == 0)


def test_more_requests_than_the_gateway_serves() -> None:
    with platform(max_concurrent_requests=1) as gateway:
        with unfinished_call(gateway):
            problem(gateway.client.get("/v1/me", headers=bearer()), 503, "overloaded")
        eventually(lambda: gateway.client.get("/v1/me", headers=bearer()).status_code == 200)


def test_requests_at_once_are_capped_per_account() -> None:
    with platform(requests_at_once_per_account=1) as gateway, unfinished_call(gateway):
        refused = gateway.client.get("/v1/me", headers=bearer())
        problem(refused, 429, "too_many_at_once")
        assert int(refused.headers["retry-after"]) >= 1
        assert gateway.client.get("/v1/me", headers=bearer(token("usr_other"))).status_code == 200


def test_requests_at_once_are_capped_per_address() -> None:
    with platform(requests_at_once_per_address=1) as gateway, unfinished_call(gateway):
        problem(gateway.client.get("/v1/me", headers=bearer(token("usr_other"))), 429, "too_many_at_once")
        elsewhere = httpx2.Client(
            base_url=gateway.url,
            transport=httpx2.HTTPTransport(local_address="127.0.0.2"),
            trust_env=False,
            timeout=PATIENCE_SECONDS,
        )
        with elsewhere as client:
            assert client.get("/v1/me", headers=bearer(token("usr_other"))).status_code == 200


def test_a_providers_webhook_passes_untouched_with_its_signature_and_without_a_credential(gateway: Platform) -> None:
    body = b'{ "id":\t"evt_1",\r\n  "name": "\xc5\x81\\u00f3d\xc5\xba" }\n'

    answer = gateway.client.post(
        "/v1/billing/providers/stripe/webhook",
        content=body,
        headers={"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": "t=1,v1=abc"},
    )

    assert answer.status_code == 200
    (seen,) = gateway.accounts.seen
    assert seen.body == body
    assert seen.header("stripe-signature") == "t=1,v1=abc"
    assert seen.header("authorization") is None
