"""Tokens and signing keys."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.accounts.sessions.tokens import (
    BadSigningKeyError,
    PresentedToken,
    RefreshDecision,
    SigningKeys,
    access_claims,
    grant_of,
    new_refresh_token,
    public_jwk,
    refresh_decision,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = timedelta(seconds=10)


def _presented(
    *, revoked: bool = False, used: timedelta | None = None, successor_used: bool = False, age: timedelta = timedelta()
) -> PresentedToken:
    return PresentedToken(
        session_revoked=revoked,
        session_expires_at=NOW - age + timedelta(days=90),
        expires_at=NOW - age + timedelta(days=30),
        used_at=None if used is None else NOW - used,
        successor_used=successor_used,
    )


@pytest.mark.parametrize(
    ("token", "decision"),
    [
        (_presented(), RefreshDecision.ROTATE),
        (_presented(age=timedelta(days=31)), RefreshDecision.REFUSE),
        (_presented(revoked=True), RefreshDecision.REFUSE),
        (_presented(used=timedelta(seconds=9)), RefreshDecision.REPEAT),
        (_presented(used=timedelta(seconds=9), successor_used=True), RefreshDecision.REVOKE),
        (_presented(used=timedelta(seconds=10)), RefreshDecision.REVOKE),
        (_presented(used=timedelta(seconds=9), revoked=True), RefreshDecision.REFUSE),
        (_presented(used=timedelta(days=95), age=timedelta(days=95)), RefreshDecision.REFUSE),
    ],
)
def test_a_refresh_token_is_good_once_and_a_lost_answer_is_forgiven(
    token: PresentedToken, decision: RefreshDecision
) -> None:
    assert refresh_decision(token, NOW, GRACE) is decision


def test_an_access_token_is_what_rfc_9068_asks_for() -> None:
    keys = SigningKeys.generate()
    claims = access_claims(
        issuer="us",
        audience="api",
        account_id="usr_1",
        grant_id="ses_1",
        roles=["user"],
        scopes=["jobs", "uploads"],
        now=datetime.now(UTC),
        lifetime=timedelta(minutes=10),
    )

    token = keys.sign(claims)

    [jwk] = keys.jwks()["keys"]
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": jwk["kid"]}
    read = jwt.decode(token, jwt.PyJWK(jwk).key, algorithms=["EdDSA"], audience="api", issuer="us")
    assert read["exp"] - read["iat"] == 600
    assert read["scope"] == "jobs uploads"
    assert grant_of(read["jti"]) == "ses_1"
    assert keys.sign(claims | {"jti": "x"}) != token


def test_a_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    # The example of RFC 8037 appendix A.
    private = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )

    jwk = public_jwk(private.public_key())

    assert jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert jwk["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_first_key_signs_and_all_are_published() -> None:
    first, second = SigningKeys.generate(), SigningKeys.generate()
    third = Ed25519PrivateKey.generate().public_key()
    public_pem = third.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    keys = SigningKeys.from_pem(first.private_pem() + second.private_pem() + public_pem)

    published = [jwk["kid"] for jwk in keys.jwks()["keys"]]
    assert published == [first.jwks()["keys"][0]["kid"], second.jwks()["keys"][0]["kid"], public_jwk(third)["kid"]]
    assert jwt.get_unverified_header(keys.sign({}))["kid"] == published[0]


def _rsa_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        _rsa_pem(),
    ],
    ids=["empty", "text", "broken", "public only", "RSA"],
)
def test_a_useless_key_file_is_refused(pem: bytes) -> None:
    with pytest.raises(BadSigningKeyError):
        SigningKeys.from_pem(pem)


def test_the_next_refresh_token_can_be_said_again_by_the_same_key_only() -> None:
    keys, others = SigningKeys.generate(), SigningKeys.generate()
    token = new_refresh_token()

    assert keys.next_refresh_tokens(token) == keys.next_refresh_tokens(token)
    assert keys.next_refresh_tokens(token) != others.next_refresh_tokens(token)
    assert keys.next_refresh_tokens(token) != keys.next_refresh_tokens(new_refresh_token())


def test_a_sealed_text_opens_only_with_its_key_and_in_its_place() -> None:
    keys = SigningKeys.generate()
    sealed = keys.seal("secret", "key_1")

    assert b"secret" not in sealed
    assert keys.unseal(sealed, "key_1") == "secret"
    assert keys.unseal(sealed, "key_2") is None
    assert SigningKeys.generate().unseal(sealed, "key_1") is None


def test_what_an_older_key_of_the_file_derived_and_sealed_is_still_understood() -> None:
    old, new = SigningKeys.generate(), SigningKeys.generate()
    rotated = SigningKeys.from_pem(new.private_pem() + old.private_pem())
    token = new_refresh_token()

    assert rotated.next_refresh_tokens(token) == (*new.next_refresh_tokens(token), *old.next_refresh_tokens(token))
    assert rotated.unseal(old.seal("secret", "key_1"), "key_1") == "secret"
    assert new.unseal(rotated.seal("secret", "key_1"), "key_1") == "secret"
    assert rotated.jwks()["keys"] == [*new.jwks()["keys"], *old.jwks()["keys"]]
