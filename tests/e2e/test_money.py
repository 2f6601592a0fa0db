"""What a song costs, as the person who pays sees it: rates, quotes, what a preview is worth, credits that expire."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.local.client import Client
from tests.e2e.jobs import eventually, quote_of, settled
from tests.e2e.songs import music, write_wav_16

pytestmark = pytest.mark.e2e

MODEL = "spleeter-2stems"


def test_a_preview_lowers_the_price_which_then_holds_although_rates_rise(
    account: Client, admin: Client, tmp_path: Path
) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(12)))
    assert quote_of(account, upload)["price_credits"] == 12
    wanted: dict[str, Any] = {"mode": "preview", "preview": {"start_seconds": 2, "duration_seconds": 9}}
    preview = account.wait_for_job(account.create_job(upload["id"], **wanted)["id"])
    assert preview["status"] == "succeeded", preview

    quote = quote_of(account, upload)
    assert (quote["price_credits"], quote["preview_credit_credits"]) == (3, 9)

    dearer = {"kind": "rate", "name": "Separation", "model": MODEL, "tier": "fast", "millicredits_per_second": 2000}
    rate = admin.call("POST", "/v1/admin/prices", json=dearer)
    try:
        other = account.upload(write_wav_16(tmp_path / "other.wav", music(5)))
        eventually(lambda: quote_of(account, other)["price_credits"] == 10, "the new rate to be known")
        assert quote_of(account, other)["rate_id"] == rate["id"]
        job = account.create_job(upload["id"])
        assert (job["price_credits"], job["preview_credit_credits"]) == (3, 9)
        assert account.wait_for_job(job["id"])["status"] == "succeeded"
    finally:
        admin.send("DELETE", f"/v1/admin/prices/{rate['id']}")

    settled(account)
    assert account.call("GET", "/v1/billing/balance")["available_credits"] == 597


def test_a_promotion_is_seen_with_its_end_and_used_first(account: Client, admin: Client, tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(days=30)
    gift = {"credits": 3, "reason": "Spring", "expires_at": ends.isoformat()}
    admin.call("POST", f"/v1/admin/users/{account.call('GET', '/v1/me')['id']}/credits", json=gift)
    shown = account.call("GET", "/v1/billing/balance")
    assert (shown["available_credits"], [part["credits"] for part in shown["expiring"]]) == (603, [3])

    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(4)))
    assert account.wait_for_job(account.create_job(upload["id"])["id"])["status"] == "succeeded"
    settled(account)

    shown = account.call("GET", "/v1/billing/balance")
    assert (shown["available_credits"], shown["expiring"]) == (599, [])
