"""Webhooks are verified as the standard says: by its official package, both ways."""

import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from stemwright_client import SignatureInvalid, webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVENT = {"id": "evt_1", "type": "job.succeeded", "occurred_at": "2026-11-29T12:00:00Z", "sequence": 1, "data": {"ä": 1}}
BODY = json.dumps(EVENT, ensure_ascii=False)
DAY_SECONDS = 86_400
"""Headers made when tests are collected are looked at when it is their turn, which may be half an hour later."""


def signed(body: str = BODY, secret: str = SECRET, sent_at: int | None = None) -> dict[str, str]:
    """Headers as the official package makes them."""
    seconds = int(time.time()) if sent_at is None else sent_at
    signature = Webhook(secret).sign("evt_1", datetime.fromtimestamp(seconds, UTC), body)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(seconds), "webhook-signature": signature}


def test_what_the_official_package_signs_is_verified() -> None:
    event = webhooks.verify(BODY.encode(), signed(), SECRET)
    assert (event.id, event.type, event.data) == ("evt_1", "job.succeeded", {"ä": 1})
    assert webhooks.verify(BODY, {name.title(): value for name, value in signed().items()}, SECRET) == event


def test_the_official_package_verifies_our_signature() -> None:
    headers = signed()
    headers["webhook-signature"] = webhooks.signature(BODY.encode(), "evt_1", headers["webhook-timestamp"], SECRET)
    assert Webhook(SECRET).verify(BODY, headers) == EVENT


def test_while_a_secret_is_rotated_either_signature_will_do() -> None:
    headers = signed()
    headers["webhook-signature"] += " " + signed(secret=OTHER)["webhook-signature"]
    assert webhooks.verify(BODY, headers, SECRET) == webhooks.verify(BODY, headers, OTHER)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-signature": "v1,bm8="}, "no signature is by this secret"),
        ({"webhook-signature": "ü"}, "no signature"),
        ({"webhook-id": "evt_2"}, "no signature"),
        ({"webhook-timestamp": "soon"}, "no number of seconds"),
        ({"webhook-timestamp": "-1"}, "no number of seconds"),
        (signed(sent_at=int(time.time()) - DAY_SECONDS), "seconds ago"),
        (signed(sent_at=int(time.time()) + DAY_SECONDS), "in the future"),
    ],
)
def test_what_is_not_from_the_platform_is_refused(change: dict[str, str], why: str) -> None:
    with pytest.raises(SignatureInvalid, match=why) as refused:
        webhooks.verify(BODY, {**signed(), **change}, SECRET)
    assert refused.value.code == "signature_invalid"


def test_other_bytes_and_missing_headers_are_refused() -> None:
    with pytest.raises(SignatureInvalid, match="no signature"):
        webhooks.verify(BODY + " ", signed(), SECRET)
    with pytest.raises(SignatureInvalid, match="webhook-id is missing"):
        webhooks.verify(BODY, {}, SECRET)
    with pytest.raises(SignatureInvalid, match="the secret is none"):
        webhooks.verify(BODY, signed(), "whsec_?")
    with pytest.raises(SignatureInvalid, match="no event"):
        webhooks.verify("[]", signed("[]"), SECRET)


def test_the_time_may_be_given() -> None:
    headers = signed(sent_at=1000)
    assert webhooks.verify(BODY, headers, SECRET, now=1299).sequence == 1
