"""Access tokens, good and forged."""

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.accounts.api_keys import keys
from services.kit.auth import (
    FETCH_INTERVAL_SECONDS,
    FETCH_TIMEOUT_SECONDS,
    FIRST_FETCH_TIMEOUT_SECONDS,
    KEY_SET_SECONDS,
    PERSON_SCOPE,
    SCOPES,
    InvalidToken,
    KeySet,
    KeySetUnavailable,
    Principal,
    Role,
    TokenVerifier,
    check_roles,
    check_scope,
)
from services.kit.errors import Forbidden
from tests.clocks import MonotonicClock

LIFETIME_SECONDS = 86_400
"""Forged tokens are made when tests are collected and looked at when it is their turn, which may be half an hour later:
none may be refused for its age alone."""
KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()


def public_jwk(key: Ed25519PrivateKey, key_id: str) -> dict[str, Any]:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "use": "sig", "alg": "EdDSA"}


class Accounts:
    """Publishes keys, counts how often it is asked, and can be away."""

    def __init__(self) -> None:
        self.keys = [public_jwk(KEY, "k1")]
        self.asked = 0
        self.away = False
        self.waited_for: list[float] = []
        """How long it might have been silent, each time it was asked."""

    def fetch(self, _url: str, timeout_seconds: float) -> bytes:
        self.asked += 1
        self.waited_for.append(timeout_seconds)
        if self.away:
            raise OSError("away")
        return json.dumps({"keys": self.keys}).encode()


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def verifier(accounts: Accounts, clock: MonotonicClock) -> TokenVerifier:
    keys = KeySet("http://accounts", fetch=accounts.fetch, clock=clock)
    return TokenVerifier(keys, issuer="stemwright", audience="stemwright-api")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "stemwright",
        "aud": "stemwright-api",
        "sub": "usr_1",
        "jti": "t1",
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME_SECONDS,
        "roles": ["user"],
        "scope": "jobs uploads",
        **changes,
    }
    return {name: value for name, value in good.items() if value is not None}


def token(*, key: Any = KEY, algorithm: str = "EdDSA", header: dict[str, Any] | None = None, **changes: Any) -> str:
    headers = {"typ": "at+jwt", "kid": "k1", **(header or {})}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def signed(content: dict[str, Any]) -> str:
    """Whatever it says, under our signature."""
    return jwt.encode(content, KEY, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": "k1"})


def test_a_good_token_says_who_is_asking(verifier: TokenVerifier) -> None:
    principal = verifier.verify(token())
    assert principal.account_id == "usr_1"
    assert principal.scopes == {"jobs", "uploads"}
    assert principal.roles == {"user"}


now = int(time.time())
GOOD_HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
PUBLIC_PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
PUBLIC_RAW = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def by_hand(header: dict[str, Any], content: dict[str, Any], signature: bytes | None, *, text: str = "") -> str:
    """A token that no library would make; without a signature given, under ours."""
    parts = [json.dumps(header), text or json.dumps(content)]
    signed_part = b".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in parts)
    made = KEY.sign(signed_part) if signature is None else signature
    return (signed_part + b"." + base64.urlsafe_b64encode(made).rstrip(b"=")).decode()


def hmac_signed(secret: bytes) -> str:
    """What a verifier takes that lets the token say how it is signed: our public key as the secret of an HMAC."""
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "k1"}
    signing = by_hand(header, claims(), b"").rpartition(".")[0]
    mac = hmac.digest(secret, signing.encode(), "sha256")
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "forged",
    [
        token(key=OTHER_KEY),
        token(header={"typ": "JWT"}),
        jwt.encode(claims(), KEY, algorithm="EdDSA", headers={"typ": "at+jwt"}),
        token(header={"kid": "../../dev/null"}),
        token(header={"jwk": public_jwk(OTHER_KEY, "k1")}, key=OTHER_KEY),
        token(header={"jku": "http://evil", "x5u": "http://evil"}, key=OTHER_KEY),
        token(aud="other"),
        token(aud=None),
        token(iss="other"),
        token(sub=None),
        token(jti=None),
        token(exp=now - 60),
        token(exp=None),
        token(exp=str(now + LIFETIME_SECONDS)),
        token(exp=1e308),
        token(nbf=now + 31_536_000),
        token(iat=now + 31_536_000),
        token(header={"crit": ["x"], "x": 1}),
        *(signed({**claims(), "roles": roles}) for roles in (None, "admin", {"admin": 1}, [["admin"]], 1)),
        *(signed({**claims(), "scope": scope}) for scope in (None, ["jobs"], 1)),
        jwt.encode(claims(), "", algorithm="none", headers={"typ": "at+jwt", "kid": "k1"}),
        jwt.encode(claims(), "0" * 64, algorithm="HS256", headers={"typ": "at+jwt", "kid": "k1"}),
        *(by_hand({"alg": alg, "typ": "at+jwt", "kid": "k1"}, claims(), b"") for alg in ("None", "nOnE", "NONE", "")),
        *(hmac_signed(secret) for secret in (PUBLIC_PEM, PUBLIC_RAW, json.dumps(public_jwk(KEY, "k1")).encode())),
        token(header={"kid": "' OR 1=1 --"}),
        token(header={"kid": "k" * 3000}),
        token(exp=-1),
        token(exp=now + LIFETIME_SECONDS + 0.5),
        token(iat=str(now)),
        signed({**claims(), "iat_ms": "soon"}),
        signed({**claims(), "iat_ms": True}),
        # Which of the two accounts would it be?
        by_hand(GOOD_HEADER, claims(), None, text=json.dumps(claims())[:-1] + ', "exp": "never"}'),
        by_hand({**GOOD_HEADER, "cty": "JWT"}, {"jwt": token()}, None),
        # Five parts: an encrypted token, whose content may be compressed.
        ".".join([base64.urlsafe_b64encode(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}').decode(), "", "a", "a", "a"]),
        "x" * 1_000_000,
        token()[:-4],
        token().rpartition(".")[0] + ".",
        "",
        "a.b.c",
        "x" * 100_000,
    ],
)
def test_a_forged_or_spoilt_token_is_refused(verifier: TokenVerifier, forged: str) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(forged)


def test_unknown_key_ids_do_not_make_accounts_work(verifier: TokenVerifier, accounts: Accounts) -> None:
    verifier.verify(token())
    for number in range(100):
        with pytest.raises(InvalidToken):
            verifier.verify(token(header={"kid": f"k{number + 2}"}))
    assert accounts.asked == 1
    verifier.verify(token())


def test_known_keys_work_while_accounts_is_away(verifier: TokenVerifier, accounts: Accounts) -> None:
    verifier.verify(token())
    accounts.away = True
    assert verifier.verify(token()).account_id == "usr_1"


def test_before_any_key_could_be_fetched_it_is_our_fault_not_the_callers(
    verifier: TokenVerifier, accounts: Accounts
) -> None:
    accounts.away = True
    with pytest.raises(KeySetUnavailable) as refused:
        verifier.verify(token())
    assert refused.value.status == 503


def test_a_key_that_is_not_known_while_accounts_is_away_signs_nobody_out(
    verifier: TokenVerifier, accounts: Accounts, clock: MonotonicClock
) -> None:
    """It may be a new one: 401 would have clients throw their tokens away."""
    verifier.verify(token())
    accounts.away = True
    new = token(key=OTHER_KEY, header={"kid": "k2"})
    clock.now += FETCH_INTERVAL_SECONDS + 1
    for _ in range(100):
        with pytest.raises(KeySetUnavailable):
            verifier.verify(new)
    assert accounts.asked == 2

    accounts.away, accounts.keys = False, [*accounts.keys, public_jwk(OTHER_KEY, "k2")]
    clock.now += FETCH_INTERVAL_SECONDS + 1
    assert verifier.verify(new).account_id == "usr_1"
    with pytest.raises(InvalidToken):
        verifier.verify(token(header={"kid": "k3"}))


def test_accounts_is_waited_for_longer_while_nobody_gets_in_without_it(
    verifier: TokenVerifier, accounts: Accounts, clock: MonotonicClock
) -> None:
    accounts.away = True
    with pytest.raises(KeySetUnavailable):
        verifier.verify(token())
    accounts.away = False
    for _ in range(2):
        clock.now += KEY_SET_SECONDS + 1
        verifier.verify(token())
    assert accounts.waited_for == [FIRST_FETCH_TIMEOUT_SECONDS] * 2 + [FETCH_TIMEOUT_SECONDS]


def test_a_new_key_is_fetched_when_it_turns_up(
    verifier: TokenVerifier, accounts: Accounts, clock: MonotonicClock
) -> None:
    verifier.verify(token())
    accounts.keys.append(public_jwk(OTHER_KEY, "k2"))
    clock.now += 31
    assert verifier.verify(token(key=OTHER_KEY, header={"kid": "k2"})).account_id == "usr_1"
    assert verifier.verify(token()).account_id == "usr_1"


def test_a_key_that_is_published_no_more_stops_working(
    verifier: TokenVerifier, accounts: Accounts, clock: MonotonicClock
) -> None:
    verifier.verify(token())
    accounts.keys = [public_jwk(OTHER_KEY, "k2")]
    clock.now += KEY_SET_SECONDS + 1

    with pytest.raises(InvalidToken):
        verifier.verify(token())
    assert verifier.verify(token(key=OTHER_KEY, header={"kid": "k2"})).account_id == "usr_1"


def test_while_accounts_is_away_it_is_asked_twice_a_minute_and_known_keys_go_on(
    verifier: TokenVerifier, accounts: Accounts, clock: MonotonicClock
) -> None:
    verifier.verify(token())
    accounts.away = True
    clock.now += KEY_SET_SECONDS + 1
    for _ in range(120):
        assert verifier.verify(token()).account_id == "usr_1"
        clock.now += 1
    assert accounts.asked == 1 + 120 // FETCH_INTERVAL_SECONDS


def test_a_refusal_says_which_role_or_scope_is_missing() -> None:
    somebody = Principal("usr_1", roles=frozenset({Role.USER}), scopes=frozenset({"jobs"}), token_id="key_1")
    check_scope(somebody, "jobs")
    check_roles(somebody, (Role.USER, Role.PARTNER))
    with pytest.raises(Forbidden, match=r"^this needs the role partner$"):
        check_roles(somebody, (Role.PARTNER,))
    with pytest.raises(Forbidden, match=r"^this needs the role admin or operator$"):
        check_roles(somebody, (Role.OPERATOR, Role.ADMIN))
    with pytest.raises(Forbidden, match=r"^this key lacks the scope 'uploads'$"):
        check_scope(somebody, "uploads")
    with pytest.raises(Forbidden, match=r"^this needs a person who signed in; no API key may do it$"):
        check_scope(somebody, PERSON_SCOPE)


def test_every_scope_but_one_can_be_given_to_a_key() -> None:
    assert set(SCOPES) - set(keys.SCOPES) == {PERSON_SCOPE}
