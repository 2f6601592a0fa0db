"""Credentials that are none, and headers and addresses by which somebody else would like to be taken for somebody."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.services.gateway.standin import Platform, Reply, bearer, problem, token

KEY_OF_NOBODY = Ed25519PrivateKey.generate()
KEY = "sk_" + "A" * 43


def _knows_no_key(gateway: Platform) -> None:
    gateway.accounts.answer = lambda seen: Reply(401) if seen.target.startswith("/internal/") else Reply()


@pytest.mark.parametrize("key", ["sk_", KEY[:-1] + "B", KEY[:20], KEY + "x", "sk_" + "é"])
def test_a_key_that_is_nearly_one_is_refused_like_any_other(gateway: Platform, key: str) -> None:
    _knows_no_key(gateway)

    answer = gateway.client.get("/v1/jobs", headers={b"Authorization": f"Bearer {key}".encode()})

    assert answer.status_code in {400, 401}
    assert not gateway.orchestrator.seen


@pytest.mark.parametrize("name", ["access_token", "api_key", "token", "key", "authorization"])
def test_a_credential_in_the_address_is_none(gateway: Platform, name: str) -> None:
    for credential in (KEY, token()):
        problem(gateway.client.get("/v1/jobs", params={name: credential}), 401, "unauthorized")
    assert not gateway.orchestrator.seen


def test_no_header_makes_anybody_somebody_else(gateway: Platform) -> None:
    planted = {
        "X-User": "usr_root",
        "X-User-Id": "usr_root",
        "X-Account-Id": "usr_root",
        "X-Tenant-Id": "usr_root",
        "X-Roles": "admin",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Original-URL": "/v1/admin/audit-log",
        "X-HTTP-Method-Override": "DELETE",
        "Forwarded": "for=127.0.0.1",
    }

    nobody = gateway.client.get("/v1/jobs", headers=planted)
    gateway.client.get("/v1/jobs", headers={**planted, **bearer()})

    problem(nobody, 401, "unauthorized")
    [seen] = gateway.orchestrator.seen
    assert (seen.method, seen.target) == ("GET", "/v1/jobs")
    assert "usr_root" not in str(seen.headers)
    assert "evil" not in str(seen.headers)
    assert seen.header("forwarded") is None
    assert seen.header("x-original-url") is None


def test_tokens_with_key_ids_of_their_own_are_refused_and_others_go_on(gateway: Platform) -> None:
    good = bearer()
    assert gateway.client.get("/v1/jobs", headers=good).status_code == 200

    for number in range(50):
        forged = jwt.encode({"sub": "usr_alice"}, KEY_OF_NOBODY, "EdDSA", {"typ": "at+jwt", "kid": f"k{number}"})
        problem(gateway.client.get("/v1/jobs", headers=bearer(forged)), 401, "invalid_token")

    assert gateway.client.get("/v1/jobs", headers=good).status_code == 200


@pytest.mark.parametrize("length", [4097, 30_000])
def test_a_credential_of_implausible_length_is_refused_unread(gateway: Platform, length: int) -> None:
    problem(gateway.client.get("/v1/jobs", headers=bearer("x" * length)), 401, "invalid_token")


def test_a_token_of_a_megabyte_is_no_header(gateway: Platform) -> None:
    answer = gateway.raw(b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"x" * 1_000_000 + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 431 ")
