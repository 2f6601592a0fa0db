"""A browser's cookie at the gateway: what it opens, and what else has to come with it."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pydantic import HttpUrl

from services.kit.s3 import S3Storage
from services.kit.session_cookie import csrf_token, new_secret
from tests.object_store import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ObjectStore
from tests.services.gateway.standin import PATIENCE_SECONDS, Platform, Reply, Seen, bearer, platform, problem, token
from tests.services.gateway.watching import EVENTS, Job, token_of

SECRET = new_secret()
CSRF = {"X-CSRF-Token": csrf_token(SECRET)}


def exchanging(known: dict[str, str], otherwise: Callable[[Seen], Reply] | None = None) -> Callable[[Seen], Reply]:
    """Accounts, which knows these secrets and whose they are."""

    def answer(seen: Seen) -> Reply:
        if seen.target != "/internal/sessions/exchange":
            return Reply() if otherwise is None else otherwise(seen)
        account = known.get(json.loads(seen.body)["secret"])
        if account is None:
            return Reply(401, {"content-type": "application/problem+json"}, b"{}")
        return Reply(body=json.dumps({"access_token": token_of(account), "expires_in": 600}).encode())

    return answer


def cookie(secret: str = SECRET, name: str = "stemwright-session") -> dict[str, str]:
    return {"Cookie": f"theme=dark; {name}={secret}; stemwright-csrf=x"}


@pytest.fixture
def browser(gateway: Platform) -> Platform:
    """A platform that knows the secret of Alice's cookie."""
    gateway.accounts.answer = exchanging({SECRET: "usr_alice"})
    return gateway


def seen_by_jobs(gateway: Platform) -> list[Seen]:
    return gateway.orchestrator.seen


def test_a_cookie_stands_for_the_person_and_services_see_an_access_token(browser: Platform) -> None:
    answer = browser.client.get("/v1/jobs", headers=cookie())

    assert answer.status_code == 200
    [seen] = seen_by_jobs(browser)
    assert (seen.header("authorization") or "").startswith("Bearer ey")
    assert seen.header("cookie") is None
    assert SECRET not in str(seen)


def test_it_is_exchanged_once_for_many_calls(gateway: Platform) -> None:
    secret = new_secret()
    gateway.accounts.answer = exchanging({secret: "usr_alice"})

    for _ in range(5):
        assert gateway.client.get("/v1/jobs", headers=cookie(secret)).status_code == 200

    assert [seen.target for seen in gateway.accounts.seen] == ["/internal/sessions/exchange"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf_token(new_secret())}, {"X-CSRF-Token": "stemwright-csrf"}],
    ids=["absent", "empty", "another session's", "a word"],
)
def test_what_changes_something_needs_the_token_of_the_session(
    browser: Platform, method: str, headers: dict[str, str]
) -> None:
    path = {
        "POST": "/v1/jobs/job_1/cancel",
        "PUT": "/v1/jobs/job_1/feedback",
        "PATCH": "/v1/me",
        "DELETE": "/v1/jobs/job_1",
    }[method]

    refused = browser.client.request(method, path, headers={**cookie(), **headers})
    assert not browser.orchestrator.seen
    allowed = browser.client.request(method, path, headers={**cookie(), **CSRF})

    problem(refused, 403, "csrf_failed")
    assert allowed.status_code == 200


def test_a_program_with_a_token_of_its_own_needs_none_whatever_cookies_it_has(browser: Platform) -> None:
    answer = browser.client.post("/v1/jobs/job_1/cancel", headers={**bearer(token("usr_bob")), **cookie()})

    assert answer.status_code == 200
    assert not browser.accounts.seen


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SECRET}"},
        {"Cookie": f"stemwright-session={token()}"},
        {"Cookie": "stemwright-session=sk_" + "A" * 43},
        {"Cookie": f"stemwright-session={SECRET}x"},
        {"Cookie": f"stemwright-session={SECRET[:-1]}"},
        {"Cookie": f"xstemwright-session={SECRET}"},
        {"Cookie": f"stemwright-session={SECRET}; stemwright-session={new_secret()}"},
        {"Cookie": "stemwright-session=\xff"},
    ],
    ids=["as a token", "a token", "a key", "longer", "shorter", "another name", "two of them", "no text"],
)
def test_nothing_else_is_taken_for_it(browser: Platform, headers: dict[str, Any]) -> None:
    answer = browser.client.get("/v1/jobs", headers={name: text.encode("latin-1") for name, text in headers.items()})

    assert answer.status_code == 401
    assert not browser.orchestrator.seen


def test_off_this_machine_only_the_name_that_browsers_guard_is_taken(browser: Platform) -> None:
    host = {"Host": "stemwright.example"}

    planted = browser.client.get("/v1/jobs", headers={**cookie(), **host})
    guarded = browser.client.get("/v1/jobs", headers={**cookie(name="__Host-stemwright-session"), **host})

    assert (planted.status_code, guarded.status_code) == (401, 200)


def test_a_cookie_that_accounts_does_not_know_any_more_is_a_session_that_ended(gateway: Platform) -> None:
    gateway.accounts.answer = exchanging({})

    answer = gateway.client.get("/v1/jobs", headers=cookie(new_secret()))

    problem(answer, 401, "invalid_token")


def test_a_session_that_was_ended_is_refused_although_its_token_is_remembered() -> None:
    with platform(revocations_fresh_seconds=0.05) as gateway:
        gateway.accounts.answer = exchanging({SECRET: "usr_alice"})
        assert gateway.client.get("/v1/jobs", headers=cookie()).status_code == 200
        gateway.accounts.revoked = ["test"]
        answer = gateway.client.get("/v1/jobs", headers=cookie())
        while answer.status_code == 200:
            answer = gateway.client.get("/v1/jobs", headers=cookie())
        problem(answer, 401, "invalid_token")


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", None]
)
def test_no_form_of_a_foreign_page_signs_anybody_in(browser: Platform, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = browser.client.post(
        "/v1/auth/session", content=b'{"email": "eve@example.com", "password": "x"}', headers=headers
    )

    problem(answer, 415, "unsupported_media_type")
    assert not browser.accounts.seen


def test_the_cookie_that_accounts_sets_reaches_the_browser_with_where_it_is(browser: Platform) -> None:
    browser.accounts.answer = lambda _: Reply(
        headers={"content-type": "application/json", "set-cookie": "__Host-stemwright-session=ws_x; Secure"}
    )

    answer = browser.client.post(
        "/v1/auth/session",
        json={"email": "ada@example.com", "password": "x"},
        headers={"Host": "stemwright.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    )

    assert answer.headers["set-cookie"] == "__Host-stemwright-session=ws_x; Secure"
    [seen] = browser.accounts.seen
    assert (seen.header("x-forwarded-host"), seen.header("x-forwarded-proto")) == ("stemwright.example", "http")


def test_an_event_source_streams_with_the_cookie_alone(browser: Platform) -> None:
    job = Job()
    job.move("succeeded")
    browser.orchestrator.answer = job.answer

    answer = browser.client.get(EVENTS, headers={**cookie(), "Accept": "text/event-stream"})

    assert answer.status_code == 200
    assert "event: status" in answer.text


def test_an_audio_element_is_led_to_the_stem_and_reads_ranges(object_store: ObjectStore) -> None:
    """It can set no header: the cookie comes along, also to where it is led, which does not look at it."""
    song = bytes(range(256)) * 4
    bucket = object_store.new_bucket().bucket
    with platform(object_store_url=HttpUrl(object_store.endpoint_url), object_store_bucket=bucket) as gateway:
        storage = S3Storage(
            endpoint_url=object_store.endpoint_url,
            public_endpoint_url=gateway.url,
            region="us-east-1",
            bucket=bucket,
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
        )
        storage.put_bytes("stems/job_1/1/vocals.flac", song, "audio/flac")
        url = storage.presign_get("stems/job_1/1/vocals.flac", 600, "Song (vocals).flac")
        gateway.accounts.answer = exchanging({SECRET: "usr_alice"})
        gateway.orchestrator.answer = lambda _: Reply(307, {"location": url}, b"")

        with httpx2.Client(
            base_url=gateway.url, trust_env=False, timeout=PATIENCE_SECONDS, follow_redirects=True
        ) as audio:
            audio.cookies.set("stemwright-session", SECRET, domain="127.0.0.1")
            part = audio.get("/v1/jobs/job_1/stems/vocals", headers={"Range": "bytes=10-19"})

        assert [step.status_code for step in part.history] == [307]
        assert (part.status_code, part.content) == (206, song[10:20])
        assert part.headers["content-range"] == "bytes 10-19/1024"
